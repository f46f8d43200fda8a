package = "basexx"
version = "0.4.1-1"
source = { url = "file:///srv/bed/rocks/basexx-0.4.1.tar.gz", dir = "basexx-0.4.1" }
description = { summary = "Stand-in for basexx: bases 16, 32 and 64", license = "MIT" }
dependencies = { "lua >= 5.1" }
build = { type = "builtin", modules = { basexx = "basexx.lua" }, copy_directories = { "test" } }
