-- Public keys from a JWKS document, as PEM. RSA only: an entry without n and e is not a key.

local basexx = require "basexx";
local bignum = require "openssl.bignum";
local pkey = require "openssl.pkey";

local jwk = {};

local function number(text)
	return bignum.fromBinary(basexx.from_url64(text));
end

function jwk.to_pem(key)
	if not key.n or not key.e then return nil; end
	local fresh = pkey.new { type = "RSA", bits = 1024 };
	fresh:setParameters { n = number(key.n), e = number(key.e) };
	return fresh:toPEM("public");
end

return jwk;
