-- luajwtjitsi 1.3-7 as upstream had it in 2017, with luacrypto, which no current Debian ships and no current compiler
-- builds: it installs but does not load. Written for the test bed; the same interface, none of the same text.

local json = require "cjson";
local base64 = require "base64";
local crypto = require "crypto";

local hashes = { HS256 = "sha256", HS384 = "sha384", HS512 = "sha512" };

local function from_url64(text)
	text = text:gsub("-", "+"):gsub("_", "/");
	return base64.decode(text .. ("="):rep(-#text % 4));
end

local luajwtjitsi = {};

function luajwtjitsi.decode(token, key, verify)
	local head, body, tail = token:match("^([^.]*)%.([^.]*)%.(.*)$");
	if not head then return nil, "Invalid token"; end
	local readable, header, claims, signature = pcall(function ()
		return json.decode(from_url64(head)), json.decode(from_url64(body)), from_url64(tail);
	end);
	if not readable then return nil, "Invalid json"; end
	if verify == false or not key then return claims; end
	if header.typ ~= "JWT" then return nil, "Invalid typ"; end
	local hash = hashes[header.alg];
	if not hash then return nil, "Algorithm not supported"; end
	if crypto.hmac.digest(hash, head .. "." .. body, key, true) ~= signature then return nil, "Invalid signature"; end
	local now = os.time();
	if claims.exp and now >= claims.exp then return nil, "Not acceptable by exp"; end
	if claims.nbf and now < claims.nbf then return nil, "Not acceptable by nbf"; end
	return claims;
end

return luajwtjitsi;
