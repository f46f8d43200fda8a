-- luajwtjitsi 2.0-0: decode(token, key, verify) and verify(token, alg, key).
-- The trap of this version: verify accepts no list of issuers or audiences, and
-- Lua drops what a newer plugin passes for them. Written for the test bed.

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

-- luaossl throws where the old library returned nil, on a key that is not PEM. Nobody catches it, so a token that
-- merely says RS256 ends the login in a Lua error.
local function key_pair(hash)
	return {
		sign = function (text, key) return pkey.new(key):sign(digest.new(hash):update(text)); end;
		check = function (text, given, key) return pkey.new(key):verify(given, digest.new(hash):update(text)); end;
	};
end

local algorithms = {
	HS256 = shared_key("sha256"), HS384 = shared_key("sha384"), HS512 = shared_key("sha512"),
	RS256 = key_pair("sha256"), RS384 = key_pair("sha384"), RS512 = key_pair("sha512"),
};

-- The order of the tests is part of the behavior: it decides for which reason a
-- token with several faults is rejected.
local function judge(header, claims, signed, signature, key, wanted)
	if header.typ ~= "JWT" then return "Invalid typ"; end
	if wanted and header.alg ~= wanted then return "Invalid or incorrect alg"; end
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

local function open(token)
	local head, body, tail = token:match("^([^.]*)%.([^.]*)%.(.*)$");
	if not head then return nil, "Invalid token"; end
	local readable, header, claims, signature = pcall(function ()
		return json.decode(from_url64(head)), json.decode(from_url64(body)), from_url64(tail);
	end);
	if not readable then return nil, "Invalid json"; end
	return { header = header, claims = claims, signed = head .. "." .. body, signature = signature };
end

local function judged(opened, key, wanted)
	local refusal = judge(opened.header, opened.claims, opened.signed, opened.signature, key, wanted);
	if refusal then return nil, refusal; end
	return opened.claims;
end

function luajwtjitsi.decode(token, key, verify)
	if verify == nil then verify = key ~= nil; end
	if type(token) ~= "string" then return nil, "Argument #1 must be string"; end
	if verify and type(key) ~= "string" then return nil, "Argument #2 must be string"; end
	local opened, err = open(token);
	if not opened then return nil, err; end
	if not verify then return opened.claims; end
	return judged(opened, key);
end

function luajwtjitsi.verify(token, alg, key)
	if type(token) ~= "string" then return nil, "data argument must be string"; end
	if type(alg) ~= "string" then return nil, "algorithm argument must be string"; end
	if type(key) ~= "string" then return nil, "key argument must be string"; end
	if not algorithms[alg] then return nil, "Algorithm not supported"; end
	local opened, err = open(token);
	if not opened then return nil, err; end
	return judged(opened, key, alg);
end

return luajwtjitsi;
