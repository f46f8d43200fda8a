-- Runs in Prosody's own Lua, as Prosody's own user: can it load these modules, and does luajwtjitsi do its work?
-- Input, a line each: "module NAME", "try NAME FILE", "jwt FUNCTION GOOD-TOKEN BAD-ISSUER-TOKEN KEY WRONG-KEY".
-- Output, tabs between fields: ok, no, fits and unfit with the name; "way NAME FILE" is a file that has to go first,
-- and "free NAME" says that its going is enough, because a better copy is behind it; "file PATH" was loaded.
local sources = os.getenv("PROSODY_SOURCES")
package.path = sources .. "/?.lua;" .. package.path
package.cpath = sources .. "/?.so;" .. package.cpath
-- Prosody does the same at its start, so rocks count wherever luarocks keeps them, and what `prosodyctl install` brought.
pcall(require, "luarocks.loader")
pcall(function() require "util.paths".complement_lua_path("/var/lib/prosody/custom_plugins") end)

local function first_line(text)
	return (tostring(text):match("^[^\n]*"):gsub("%c", " "):gsub(":$", ""):gsub("^%(command line%):%d+: ", ""))
end

local function say(...)
	print(table.concat({ ... }, "\t"))
end

-- The file that a search path leads to, those in `banned` passed over.
local function find(name, path, banned)
	for template in path:gmatch("[^;]+") do
		local file = template:gsub("%?", (name:gsub("%.", "/")))
		local open = not (banned and banned[file]) and io.open(file, "rb")
		if open then
			open:close()
			return file
		end
	end
end

local function file_of(name, banned)
	return find(name, package.path, banned) or find(name, package.cpath, banned)
end

-- What was moved aside may still be in the daemon's memory: its new name counts as a file that is loaded.
local function tell_aside(name)
	for template in (package.path .. ";" .. package.cpath):gmatch("[^;]+") do
		local file = template:gsub("%?", (name:gsub("%.", "/"))) .. os.getenv("SET_ASIDE")
		local open = io.open(file, "rb")
		if open then
			open:close()
			say("file", file)
		end
	end
end

local standard = {}
for name in pairs(package.loaded) do standard[name] = true end

-- What Jitsi's plugins call: an old copy may load and lack it.
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

-- Loads as `require` does, as if the files in `banned` were not there.
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
	local field = package.searchers and "searchers" or "loaders"
	local searchers, loaded = package[field], {}
	for name, module in pairs(package.loaded) do
		if not standard[name] then loaded[name] = module end
	end
	for name in pairs(loaded) do package.loaded[name] = nil end
	package[field] = searchers_without(banned)
	local fine, why = pcall(test)
	package[field] = searchers
	for name in pairs(package.loaded) do
		if not standard[name] then package.loaded[name] = nil end
	end
	for name, module in pairs(loaded) do package.loaded[name] = module end
	return fine, why
end

-- The file that is to blame. Debian's own is never: what is wrong with it is not for us to move.
local function culprit(name, why, banned)
	why = tostring(why)
	local file = why:match("from file '([^']+)'") or why:match("^(/[^:\n]+):%d+:") or file_of(name, banned)
	if not file or banned[file] then return end
	local foreign = file:sub(1, #sources + 1) == sources .. "/" or not (file:find("^/usr/share/lua/") or file:find("^/usr/lib/"))
	return foreign and file or nil
end

-- Which files are in the way, and whether it is enough that they go.
local function explain(name, why, test)
	local banned = {}
	for _ = 1, 8 do
		local file = culprit(name, why, banned)
		if not file then return end
		banned[file] = true
		say("way", name, file)
		local fine
		fine, why = without(banned, test)
		if fine then return say("free", name) end
	end
end

local function attempt(name)
	local function test() judge(name, require(name)) end
	local fine, why = pcall(test)
	if fine then return say("ok", name, file_of(name) or "") end
	say("no", name, first_line(why))
	explain(name, why, test)
end

local function try(name, file)
	local fine, why = pcall(function()
		judge(name, assert(loadfile(file))(name, file))
	end)
	if fine then say("fits", name, file) else say("unfit", name, first_line(why)) end
end

-- decode(token, key, true) gives the claims; verify(token, algorithm, key, issuers, audiences) gives them or nil.
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
		error("it refuses a good token: " .. first_line(why), 0)
	end
	if ask(good, wrong_key, { "good" }) then error("it takes a token that was signed with another secret", 0) end
	if fn == "verify" and ask(bad_issuer, key, { "good" }) then error("it takes a token of another issuer", 0) end
end

for line in io.lines() do
	local words = {}
	for word in line:gmatch("%S+") do words[#words + 1] = word end
	if words[1] == "module" then
		attempt(words[2])
		tell_aside(words[2])
	elseif words[1] == "try" then
		try(words[2], words[3])
	elseif words[1] == "jwt" then
		local function test() works(words[2], words[3], words[4], words[5], words[6]) end
		local fine, why = pcall(test)
		if fine then
			say("jwt", "ok")
		else
			say("jwt", "no", first_line(why))
			explain("luajwtjitsi", why, test)
		end
		tell_aside("luajwtjitsi")
	end
end

for name in pairs(package.loaded) do
	local file = not standard[name] and type(name) == "string" and file_of(name)
	if file then say("file", file) end
end
