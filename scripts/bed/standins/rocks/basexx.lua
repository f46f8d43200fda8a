-- basexx 0.4.1 as far as Jitsi's plugins and the rocks use it. Written for the test bed: the same answers, none of the
-- same text. An invalid character is not a Lua error: nil and a sentence are returned.

local standard = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
local for_urls = standard:sub(1, 62) .. "-_";
local letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

-- Converts digits of `width` bits to bytes. Bits that do not fill a byte are dropped.
local function read(text, digits, width)
	local out, held, bits = {}, 0, 0;
	for position = 1, #text do
		local char = text:sub(position, position);
		if char ~= "=" then
			local value = digits:find(char, 1, true);
			if not value then
				return nil, ("unexpected character at position %d: '%s'"):format(position, char);
			end
			held, bits = held * 2 ^ width + value - 1, bits + width;
			if bits >= 8 then
				bits = bits - 8;
				local byte = math.floor(held / 2 ^ bits);
				held = held - byte * 2 ^ bits;
				out[#out + 1] = string.char(byte);
			end
		end
	end
	return table.concat(out);
end

local function write(bytes, digits, width, padded_to)
	local out, held, bits = {}, 0, 0;
	local function digit(value) out[#out + 1] = digits:sub(value + 1, value + 1); end
	for position = 1, #bytes do
		held, bits = held * 256 + bytes:byte(position), bits + 8;
		while bits >= width do
			bits = bits - width;
			local value = math.floor(held / 2 ^ bits);
			held = held - value * 2 ^ bits;
			digit(value);
		end
	end
	if bits > 0 then digit(math.floor(held * 2 ^ (width - bits))); end
	return table.concat(out) .. ("="):rep(-#out % padded_to);
end

local function without(text, ignored)
	if ignored then text = text:gsub("[" .. ignored .. "]", ""); end
	return text;
end

local basexx = {};

function basexx.from_url64(text, ignored) return read(without(text, ignored), for_urls, 6); end
function basexx.to_url64(bytes) return write(bytes, for_urls, 6, 1); end
function basexx.from_base64(text, ignored) return read(without(text, ignored), standard, 6); end
function basexx.to_base64(bytes) return write(bytes, standard, 6, 4); end
function basexx.from_base32(text, ignored) return read(without(text, ignored):upper(), letters, 5); end
function basexx.to_base32(bytes) return write(bytes, letters, 5, 8); end

function basexx.from_hex(text, ignored)
	text = without(text, ignored);
	local position = text:find("%X");
	if position then
		return nil, ("unexpected character at position %d: '%s'"):format(position, text:sub(position, position));
	end
	return (text:gsub("%x%x", function (pair) return string.char(tonumber(pair, 16)); end));
end

function basexx.to_hex(bytes)
	return (bytes:gsub(".", function (char) return ("%02X"):format(char:byte()); end));
end

return basexx;
