package = "lbase64"
version = "20120820-1"
source = { url = "file:///srv/bed/rocks/lbase64-20120820.tar.gz", dir = "lbase64-20120820" }
description = { summary = "Stand-in for lbase64: the module base64", license = "MIT" }
dependencies = { "lua >= 5.1" }
build = { type = "builtin", modules = { base64 = "base64.c" } }
