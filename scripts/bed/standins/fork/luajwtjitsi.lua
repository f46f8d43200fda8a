-- luajwtjitsi 1.3-7 as in the tutorial's fork: decode(token, key, verify), with
-- luaossl. Written for the test bed; same answers, none of the same text.

local json = require "cjson";
local base64 = require "base64";
local hmac = require "openssl.hmac";
local pkey = require "openssl.pkey";
local digest = require "openssl.digest";

local function from_url64(text)
	text = text:gsub("-", "+"):gsub("_", "/");
	return base64.decode(text .. ("="):rep(-#text % 4));
end

local function to_url64(bytes)
	return (base64.encode(bytes):gsub("[+/=]", { ["+"] = "-", ["/"] = "_", ["="] = "" }));
end

local function shared_key(hash)
	local function sign(text, key) return hmac.new(key, hash):final(text); end
	return { sign = sign, check = function (text, given, key) return sign(text, key) == given; end };
end

-- luaossl throws where the old library returned nil, on a key that is not PEM: a token that merely says RS256 ends the
-- login in a Lua error. Also, the key's text is passed as the name of a digest, and there is no such digest.
local function key_pair(hash)
	return {
		sign = function (text, key) return pkey.new(key, "PEM"):sign(digest.new(key, hash):update(text)); end;
		check = function (text, given, key) return pkey.new(key, "PEM"):verify(given, digest.new(key, hash):update(text)); end;
	};
end

local algorithms = {
	HS256 = shared_key("sha256"), HS384 = shared_key("sha384"), HS512 = shared_key("sha512"),
	RS256 = key_pair("sha256"), RS384 = key_pair("sha384"), RS512 = key_pair("sha512"),
};

-- The order of the tests is part of the behavior: it decides for which reason a
-- token with several faults is rejected.
local function judge(header, claims, signed, signature, key)
	if header.typ ~= "JWT" then return "Invalid typ"; end
	if type(header.alg) ~= "string" then return "Invalid alg"; end
	for _, name in ipairs { "exp", "nbf" } do
		if claims[name] and type(claims[name]) ~= "number" then return name .. " must be number"; end
	end
	local algorithm = algorithms[header.alg];
	if not algorithm then return "Algorithm not supported"; end
	local genuine, err = algorithm.check(signed, signature, key);
	if genuine == nil then return err; end
	if not genuine then return "Invalid signature"; end
	local now = os.time();
	if claims.exp and now >= claims.exp then return "Not acceptable by exp"; end
	if claims.nbf and now < claims.nbf then return "Not acceptable by nbf"; end
end

local luajwtjitsi = {};

function luajwtjitsi.encode(claims, key, alg, header)
	if type(claims) ~= "table" then return nil, "Argument #1 must be table"; end
	if type(key) ~= "string" then return nil, "Argument #2 must be string"; end
	alg = alg or "HS256";
	if not algorithms[alg] then return nil, "Algorithm not supported"; end
	header = header or {};
	header.typ, header.alg = "JWT", alg;
	local text = to_url64(json.encode(header)) .. "." .. to_url64(json.encode(claims));
	local signature, err = algorithms[alg].sign(text, key);
	if not signature then return nil, err; end
	return text .. "." .. to_url64(signature);
end

function luajwtjitsi.decode(token, key, verify)
	if verify == nil then verify = key ~= nil; end
	if type(token) ~= "string" then return nil, "Argument #1 must be string"; end
	if verify and type(key) ~= "string" then return nil, "Argument #2 must be string"; end

	local head, body, tail = token:match("^([^.]*)%.([^.]*)%.(.*)$");
	if not head then return nil, "Invalid token"; end
	local readable, header, claims, signature = pcall(function ()
		return json.decode(from_url64(head)), json.decode(from_url64(body)), from_url64(tail);
	end);
	if not readable then return nil, "Invalid json"; end

	local refusal = verify and judge(header, claims, head .. "." .. body, signature, key);
	if refusal then return nil, refusal; end
	return claims;
end

return luajwtjitsi;
