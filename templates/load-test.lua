-- Runs in Prosody's own Lua, as Prosody's own user: can it load these modules, and does luajwtjitsi do its work?
-- Input, a line each: "module NAME", "jwt FUNCTION GOOD-TOKEN BAD-ISSUER-TOKEN KEY WRONG-KEY". Output: tabs between fields.
local sources = os.getenv("PROSODY_SOURCES")
package.path = sources .. "/?.lua;" .. package.path
package.cpath = sources .. "/?.so;" .. package.cpath
-- Prosody does the same at its start, so rocks count wherever luarocks keeps them.
pcall(require, "luarocks.loader")

local function first_line(text)
	return (tostring(text):match("^[^\n]*"):gsub("%c", " "):gsub(":$", ""):gsub("^%(command line%):%d+: ", ""))
end

local function file_of(name)
	return package.searchpath(name, package.path) or package.searchpath(name, package.cpath) or ""
end

local function say(...)
	print(table.concat({ ... }, "\t"))
end

local standard = {}
for name in pairs(package.loaded) do standard[name] = true end

local function attempt(name)
	local fine, what = pcall(require, name)
	if fine then say("ok", name, file_of(name)) else say("no", name, first_line(what)) end
end

-- decode(token, key, true) gives the claims; verify(token, algorithm, key, issuers, audiences) gives them or nil.
local function works(fn, good, bad_issuer, key, wrong_key)
	local jwt = require "luajwtjitsi"
	if type(jwt) ~= "table" or type(jwt[fn]) ~= "function" then
		return "it has no function " .. fn .. ", which Jitsi's plugin calls"
	end
	local function ask(token, with, issuers)
		if fn == "decode" then return jwt.decode(token, with, true) end
		return jwt.verify(token, "HS256", with, issuers, { "*" })
	end
	local claims, why = ask(good, key, { "good" })
	if type(claims) ~= "table" or claims.iss ~= "good" then
		return "it refuses a good token: " .. first_line(why)
	end
	if ask(good, wrong_key, { "good" }) then return "it takes a token that was signed with another secret" end
	if fn == "verify" and ask(bad_issuer, key, { "good" }) then return "it takes a token of another issuer" end
end

for line in io.lines() do
	local words = {}
	for word in line:gmatch("%S+") do words[#words + 1] = word end
	if words[1] == "module" then
		attempt(words[2])
	elseif words[1] == "jwt" then
		local fine, trouble = pcall(works, words[2], words[3], words[4], words[5], words[6])
		if fine and not trouble then say("jwt", "ok") else say("jwt", "no", first_line(trouble)) end
	end
end

for name in pairs(package.loaded) do
	local file = not standard[name] and type(name) == "string" and file_of(name) or ""
	if file ~= "" then say("file", file) end
end
