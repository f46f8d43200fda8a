-- Runs in Prosody's own Lua, as Prosody's own user: can it load these modules, and does luajwtjitsi work? The modules
-- run in this process too, so everything printed here is evidence: no path in it is acted on.
-- Input, one per line: "N module NAME", "N try NAME FILE", "N jwt FUNCTION GOOD-TOKEN BAD-ISSUER-TOKEN KEY WRONG-KEY";
-- "N without FILE" before question N has it asked as if that file did not exist.
-- Output, separated by tabs: "N yes" or "N no REASON", once per question; "loaded NAME" is a module in memory.
-- With ONLY_PATH and ONLY_CPATH it looks there and nowhere else.
local only = os.getenv("ONLY_PATH")
local sources = os.getenv("PROSODY_SOURCES")
package.path = only or sources .. "/?.lua;" .. package.path
package.cpath = os.getenv("ONLY_CPATH") or sources .. "/?.so;" .. package.cpath
-- Prosody does the same when it starts, so rocks count wherever luarocks keeps them, and those of `prosodyctl install`.
pcall(require, "luarocks.loader")
if not only then
	pcall(function() require "util.paths".complement_lua_path("/var/lib/prosody/custom_plugins") end)
end

local function first_line(text)
	return (tostring(text):match("^[^\n]*"):gsub("%c", " "):gsub(":$", ""):gsub("^%(command line%):%d+: ", ""))
end

-- A module may have printed something without a line break at its end.
local function say(...)
	io.stdout:write("\n", table.concat({ ... }, "\t"), "\n")
	io.stdout:flush()
end

-- The file that a search path leads to, skipping those in `banned`.
local function find(name, path, banned)
	for template in path:gmatch("[^;]+") do
		local file = template:gsub("%?", (name:gsub("%.", "/")))
		local open = not banned[file] and io.open(file, "rb")
		if open then
			open:close()
			return file
		end
	end
end

local standard = {}
for name in pairs(package.loaded) do standard[name] = true end

-- The functions that Jitsi's plugins call: an old copy may load but lack them.
local called = {
	basexx = { "from_url64", "to_url64" },
	["cjson.safe"] = { "decode", "encode" },
	["openssl.digest"] = { "new" }, ["openssl.hmac"] = { "new" }, ["openssl.pkey"] = { "new" },
}

local function judge(name, module)
	for _, fn in ipairs(called[name] or {}) do
		if type(module) ~= "table" or not module[fn] then error("it has no function " .. fn, 0) end
	end
end

-- Loads as `require` does, as if the files in `banned` did not exist.
local function searchers_without(banned)
	local function library(name, file)
		return package.loadlib(file, "luaopen_" .. name:gsub("%.", "_"))
	end
	return {
		function(name) return package.preload[name] end,
		function(name)
			local file = find(name, package.path, banned)
			if not file then return "" end
			local chunk, why = loadfile(file)
			return chunk or error("error loading module '" .. name .. "' from file '" .. file .. "':\n" .. why, 0), file
		end,
		function(name)
			local file = find(name, package.cpath, banned)
			if not file then return "" end
			local open, why = library(name, file)
			return open or error("error loading module '" .. name .. "' from file '" .. file .. "':\n" .. why, 0), file
		end,
		function(name)
			local file = name:find(".", 1, true) and find(name:match("^[^.]+"), package.cpath, banned)
			return file and library(name, file) or "", file or nil
		end,
	}
end

local function without(banned, test)
	if next(banned) then package[package.searchers and "searchers" or "loaders"] = searchers_without(banned) end
	for name in pairs(package.loaded) do
		if not standard[name] then package.loaded[name] = nil end
	end
	return pcall(test)
end

-- decode(token, key, true) returns the claims; verify(token, algorithm, key, issuers, audiences) returns them or nil.
local function works(fn, good, bad_issuer, key, wrong_key)
	local jwt = require "luajwtjitsi"
	if type(jwt) ~= "table" or type(jwt[fn]) ~= "function" then
		error("it has no function " .. fn .. ", which Jitsi's plugin calls", 0)
	end
	local function ask(token, with, issuers)
		if fn == "decode" then return jwt.decode(token, with, true) end
		return jwt.verify(token, "HS256", with, issuers, { "*" })
	end
	local claims, why = ask(good, key, { "good" })
	if type(claims) ~= "table" or claims.iss ~= "good" then
		error("it rejects a valid token: " .. first_line(why), 0)
	end
	if ask(good, wrong_key, { "good" }) then error("it accepts a token signed with another secret", 0) end
	if fn == "verify" and ask(bad_issuer, key, { "good" }) then error("it accepts a token of another issuer", 0) end
end

local tests = {}

function tests.module(name)
	judge(name, require(name))
end

function tests.try(name, file)
	judge(name, assert(loadfile(file))(name, file))
end

tests.jwt = works

local banned = {}
for line in io.lines() do
	local number, kind, rest = line:match("^(%d+) (%a+) (.*)$")
	if kind == "without" then
		banned[rest] = true
	elseif kind then
		local words = {}
		for word in rest:gmatch("%S+") do words[#words + 1] = word end
		local function test() tests[kind]((table.unpack or unpack)(words)) end
		local fine, why
		if next(banned) then fine, why = without(banned, test) else fine, why = pcall(test) end
		banned = {}
		if fine then say(number, "yes") else say(number, "no", first_line(why)) end
	end
end

for name in pairs(package.loaded) do
	if not standard[name] and type(name) == "string" then say("loaded", name) end
end
