-- base64.encode and base64.decode in plain Lua 5.1 to 5.4: what the older
-- luajwtjitsi asks of lbase64.

local alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
local digit, value = {}, {};
for i = 1, #alphabet do
	local char = alphabet:sub(i, i);
	digit[i - 1], value[char] = char, i - 1;
end

local base64 = {};

function base64.encode(bytes)
	local out = {};
	for i = 1, #bytes, 3 do
		local a, b, c = bytes:byte(i, i + 2);
		local group = a * 65536 + (b or 0) * 256 + (c or 0);
		out[#out + 1] = digit[math.floor(group / 262144)]
			.. digit[math.floor(group / 4096) % 64]
			.. (b and digit[math.floor(group / 64) % 64] or "=")
			.. (c and digit[group % 64] or "=");
	end
	return table.concat(out);
end

-- nil for anything that is not base64, as the C module answers.
function base64.decode(text)
	text = text:gsub("%s", "");
	local body, padding = text:match("^([%w+/]*)(=*)$");
	if not body or #padding > 2 or (#body + #padding) % 4 ~= 0 then return nil; end
	local out = {};
	for i = 1, #body, 4 do
		local group, length = 0, 0;
		for j = i, i + 3 do
			local char = body:sub(j, j);
			group = group * 64 + (value[char] or 0);
			if char ~= "" then length = length + 1; end
		end
		out[#out + 1] = string.char(math.floor(group / 65536), math.floor(group / 256) % 256, group % 256):sub(1, length - 1);
	end
	return table.concat(out);
end

return base64;
