package = "lua-cjson"
version = "2.1.0-1"
source = { url = "file:///srv/bed/rocks/lua-cjson-2.1.0.tar.gz", dir = "lua-cjson-2.1.0" }
description = { summary = "JSON encoding and decoding in C", license = "MIT" }
dependencies = { "lua >= 5.1" }
-- Like the real one: not only modules, but also two programs for /usr/local/bin and its tests.
build = {
  type = "builtin",
  modules = { cjson = { sources = { "lua_cjson.c", "strbuf.c", "fpconv.c" } } },
  install = {
    lua = { ["cjson.util"] = "lua/cjson/util.lua" },
    bin = { json2lua = "lua/json2lua.lua", lua2json = "lua/lua2json.lua" },
  },
  copy_directories = { "tests" },
}
