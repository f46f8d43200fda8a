-- The copy of luajwtjitsi that newer plugins ship: it needs no rock itself, but the
-- modules that it requires. Same answers as Jitsi's, none of the same text.

local json = require "cjson.safe";
local basexx = require "basexx";
local hmac = require "openssl.hmac";
local pkey = require "openssl.pkey";
local digest = require "openssl.digest";

local function shared_key(hash)
	local function sign(text, key) return hmac.new(key, hash):final(text); end
	return { sign = sign, check = function (text, given, key) return sign(text, key) == given; end };
end

-- A key that is not PEM is a Lua error, which nobody catches.
local function key_pair(hash)
	local function hashed(text) return digest.new(hash):update(text); end
	return {
		sign = function (text, key) return pkey.new(key):sign(hashed(text)); end;
		check = function (text, given, key) return pkey.new(key):verify(given, hashed(text)); end;
	};
end

local algorithms = {
	HS256 = shared_key("sha256"), HS384 = shared_key("sha384"), HS512 = shared_key("sha512"),
	RS256 = key_pair("sha256"), RS384 = key_pair("sha384"), RS512 = key_pair("sha512"),
};

-- Parts are what is between dots or backslashes; there must be three, wherever the dots are. What base64 cannot read is
-- a Lua error: cjson accepts one argument, and gets the reason as the second.
local function open(token)
	local parts = {};
	for part in token:gmatch("[^\\.]+") do parts[#parts + 1] = part; end
	if #parts ~= 3 then return nil, "Invalid token"; end
	local header, header_wrong = json.decode(basexx.from_url64(parts[1]));
	if header_wrong then return nil, "Invalid header"; end
	local claims, claims_wrong = json.decode(basexx.from_url64(parts[2]));
	if claims_wrong then return nil, "Invalid body"; end
	local signature, signature_wrong = basexx.from_url64(parts[3]);
	if signature_wrong then return nil, "Invalid signature"; end
	return { header = header, claims = claims, signature = signature, signed = parts[1] .. "." .. parts[2] };
end

-- No list, nil, means no restriction.
local function claim_refused(claims, name, accepted)
	if accepted == nil then return; end
	if claims[name] == nil then return "'" .. name .. "' claim is missing"; end
	for _, value in ipairs(accepted) do
		if value == "*" or value == claims[name] then return; end
	end
	return "invalid '" .. name .. "' claim";
end

local function time_refused(claims)
	for _, name in ipairs { "exp", "nbf" } do
		if claims[name] and type(claims[name]) ~= "number" then return name .. " must be number"; end
	end
	local now = os.time();
	if claims.exp and now >= claims.exp then
		local lived = claims.iat and ", valid for:" .. tostring(claims.exp - claims.iat) .. " sec" or "";
		return "Not acceptable by exp (" .. tostring(now - claims.exp) .. " sec since expired" .. lived .. ")";
	end
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
	local text = basexx.to_url64(json.encode(header)) .. "." .. basexx.to_url64(json.encode(claims));
	local signature, err = algorithms[alg].sign(text, key);
	if not signature then return nil, err; end
	return text .. "." .. basexx.to_url64(signature);
end

function luajwtjitsi.verify(token, alg, key, issuers, audiences)
	if type(token) ~= "string" then return nil, "token argument must be string"; end
	if type(alg) ~= "string" then return nil, "algorithm argument must be string"; end
	if type(key) ~= "string" then return nil, "key argument must be string"; end
	if issuers ~= nil and type(issuers) ~= "table" then return nil, "acceptedIssuers argument must be table"; end
	if audiences ~= nil and type(audiences) ~= "table" then return nil, "acceptedAudiences argument must be table"; end
	local algorithm = algorithms[alg];
	if not algorithm then return nil, "Algorithm not supported"; end

	local opened, err = open(token);
	if not opened then return nil, err; end
	if opened.header.typ ~= "JWT" then return nil, "Invalid typ"; end
	if opened.header.alg ~= alg then return nil, "Invalid or incorrect alg"; end
	if not algorithm.check(opened.signed, opened.signature, key) then return nil, "Invalid signature"; end

	local refusal = time_refused(opened.claims)
		or claim_refused(opened.claims, "iss", issuers)
		or claim_refused(opened.claims, "aud", audiences);
	if refusal then return nil, refusal; end
	return opened.claims;
end

return luajwtjitsi;
