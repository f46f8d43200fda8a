package = "basexx"
version = "0.3.0-1"
source = { url = "file:///srv/bed/rocks/basexx-0.3.0.tar.gz", dir = "basexx-0.3.0" }
description = { summary = "Base 2, 16, 32, 64 and Z85 for Lua", license = "MIT" }
dependencies = { "lua >= 5.1" }
build = { type = "builtin", modules = { basexx = "basexx.lua" } }
