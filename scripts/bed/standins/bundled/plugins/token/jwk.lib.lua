-- Public keys from a JWKS document, as PEM. RSA only.

local basexx = require "basexx";
local bignum = require "openssl.bignum";
local pkey = require "openssl.pkey";

local jwk = {};

local function number(text)
	return bignum.fromBinary(basexx.from_url64(text));
end

function jwk.to_pem(key)
	if type(key) ~= "table" or key.kty ~= "RSA" then return nil, "not an RSA key"; end
	local made, public = pcall(function ()
		local fresh = pkey.new { type = "RSA", bits = 1024 };
		fresh:setParameters { n = number(key.n), e = number(key.e) };
		return fresh:toPEM("public");
	end);
	if not made then return nil, public; end
	return public;
end

return jwk;
