package = "luajwtjitsi"
version = "2.0-0"
source = { url = "file:///srv/bed/rocks/luajwtjitsi-2.0.tar.gz", dir = "luajwtjitsi-2.0" }
description = { summary = "Stand-in for luajwtjitsi 2.0", license = "MIT" }
dependencies = { "lua >= 5.1", "luaossl >= 20190731-0", "lua-cjson == 2.1.0-1", "lbase64 >= 20120807-3" }
build = { type = "builtin", modules = { luajwtjitsi = "luajwtjitsi.lua" }, copy_directories = { "test" } }
