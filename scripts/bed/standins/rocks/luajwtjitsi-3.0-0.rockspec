package = "luajwtjitsi"
version = "3.0-0"
source = { url = "file:///srv/bed/rocks/luajwtjitsi-3.0.tar.gz", dir = "luajwtjitsi-3.0" }
description = { summary = "Stand-in for luajwtjitsi 3.0", license = "MIT" }
dependencies = { "lua >= 5.1", "luaossl >= 20190731-0", "lua-cjson == 2.1.0-1", "basexx >= 0.4.1-1" }
build = { type = "builtin", modules = { luajwtjitsi = "luajwtjitsi.lua" }, copy_directories = { "test" } }
