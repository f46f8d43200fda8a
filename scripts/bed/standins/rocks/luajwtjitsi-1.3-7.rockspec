package = "luajwtjitsi"
version = "1.3-7"
source = { url = "file:///srv/bed/rocks/luajwtjitsi-1.3.tar.gz", dir = "luajwtjitsi-1.3" }
description = { summary = "Stand-in for luajwtjitsi 1.3-7, over luacrypto", license = "MIT" }
dependencies = { "lua >= 5.1", "luacrypto >= 0.3.2-1", "lua-cjson >= 2.1.0", "lbase64 >= 20120807-3" }
build = { type = "builtin", modules = { luajwtjitsi = "luajwtjitsi.lua" } }
