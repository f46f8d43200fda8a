-- Reads pairs of configurations with Prosody's own loader and prints how they differ, one line per option:
-- "NUMBER <tab> section <tab> option <tab> value before <tab> value after"; "NUMBER <tab> fails <tab> which <tab> why".
-- With the word `all` and a path, prints all options of that one: "section <tab> option <tab> value".
local folder, count = arg[1], tonumber(arg[2])
package.path = "/usr/lib/prosody/?.lua;" .. package.path
package.cpath = "/usr/lib/prosody/?.so;" .. package.cpath
local searchers = package.searchers or package.loaders
table.insert(searchers, 1, function (name)
	local own = name:match("^prosody%.(.*)$")
	if own then return function () return require(own) end end
end)
_G.prosody = { paths = {}, events = { fire_event = function () end } }
local manager = require "core.configmanager"

local function hex(text)
	return (text:gsub(".", function (c) return ("%02x"):format(c:byte()) end))
end

local function shown(value)
	if type(value) == "string" then return "s" .. hex(value) end
	if type(value) ~= "table" then return tostring(value) end
	local list, fields = {}, {}
	for _, entry in ipairs(value) do list[#list + 1] = shown(entry) end
	for key, entry in pairs(value) do
		if type(key) ~= "number" or key < 1 or key > #list then fields[#fields + 1] = shown(key) .. "=" .. shown(entry) end
	end
	table.sort(fields)
	return "[" .. table.concat(list, ",") .. (#fields > 0 and ";" .. table.concat(fields, ",") or "") .. "]"
end

-- Every option of every section, flat. The loader keeps what it has read, so each reading gets a fresh manager.
local function read(path)
	package.loaded["core.configmanager"] = nil
	package.loaded["prosody.core.configmanager"] = nil
	manager = require "core.configmanager"
	local ok, kind, why = manager.load(path)
	if not ok then return nil, tostring(kind) .. ": " .. tostring(why) end
	local found = {}
	for section, options in pairs(manager.getconfig()) do
		for name, value in pairs(options) do found[section .. "\t" .. name] = shown(value) end
	end
	return found
end

if folder == "all" then
	local found, broken = read(arg[2])
	if not found then error(broken, 0) end
	for name, value in pairs(found) do print(name .. "\t" .. value) end
	return
end

for number = 1, count do
	local stem = folder .. "/" .. number
	local before, broken_before = read(stem .. ".before.cfg.lua")
	local after, broken_after = read(stem .. ".after.cfg.lua")
	if not before then print(number .. "\tfails\tbefore\t" .. broken_before:gsub("[\r\n\t]", " ")) end
	if not after then print(number .. "\tfails\tafter\t" .. broken_after:gsub("[\r\n\t]", " ")) end
	if before and after then
		local keys = {}
		for key in pairs(before) do keys[key] = true end
		for key in pairs(after) do keys[key] = true end
		for key in pairs(keys) do
			if before[key] ~= after[key] then
				print(table.concat({ number, key, before[key] or "-", after[key] or "-" }, "\t"))
			end
		end
	end
	print(number .. "\tread")
end
