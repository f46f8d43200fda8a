-- Written by jitsi-tokens-setup: chooses the key with which Jitsi's plugin checks a token. The keys are in a file that
-- only root can write; it is read at each login, so a change needs no restart.
-- RS256: the public key that the token names by its kid. HS256, HS384, HS512: an earlier secret, until it expires.

local base64 = require "util.encodings".base64;
local json = require "util.json";
local hmac = require "openssl.hmac";

local FILE = "/etc/prosody/jts-token-keys." .. module.host .. ".json";
-- Proof keys: their private halves are only in the memory of the program that makes the logins.
local PROOF_FILE = "/run/jitsi-tokens-setup.proof-keys.json";
local PROOF_LASTS = 600; -- seconds
local LARGEST = 1024 * 1024;

-- Jitsi's plugin then gets the keys by itself.
local by_key_source = module:get_option("asap_key_server") or module:get_option("cache_keys_url");
local algorithm = module:get_option_string("signature_algorithm", "HS256");
local by_public_key = algorithm:sub(1, 2) == "RS";
local digest = ({ HS256 = "sha256", HS384 = "sha384", HS512 = "sha512" })[algorithm];

local function read(path)
	local file = io.open(path, "r");
	if not file then return {}; end
	local text = file:read(LARGEST);
	file:close();
	local ok, content = pcall(json.decode, text or "");
	return ok and type(content) == "table" and content or {};
end

local function decoded(text)
	local padded = text:gsub("-", "+"):gsub("_", "/") .. ("="):rep(-#text % 4);
	return base64.decode(padded);
end

-- The entries of a list in a file that are tables and have not expired. With `may_last` an entry needs no end; with
-- `longest`, its end must be at most that many seconds away.
local function entries(path, name, may_last, longest)
	local found, now, list = {}, os.time(), read(path)[name];
	for _, entry in ipairs(type(list) == "table" and list or {}) do
		local ends = type(entry) == "table" and entry["until"];
		if type(ends) == "number" and now < ends and (not longest or ends <= now + longest) or ends == nil and may_last then
			table.insert(found, entry);
		end
	end
	return found;
end

local function public_key(kid)
	for _, entry in ipairs(entries(FILE, "keys", true)) do
		if entry.kid == kid then return entry.pem; end
	end
	for _, entry in ipairs(entries(PROOF_FILE, "keys", false, PROOF_LASTS)) do
		if entry.kid == kid then return entry.pem; end
	end
end

local function refuse(reason) return { res = false, error = "not-allowed", reason = reason }; end

local function by_kid(session, token)
	local head = token:match("^([^.\\]+)%.");
	local ok, header = pcall(json.decode, head and decoded(head) or "");
	if not ok or type(header) ~= "table" then return refuse("bad token format"); end
	if type(header.kid) ~= "string" then return refuse("'kid' claim is missing"); end
	if header.alg ~= algorithm then return refuse("Invalid or incorrect alg"); end
	local key = public_key(header.kid);
	if type(key) ~= "string" then return refuse("could not obtain public key"); end
	session.public_key = key;
end

-- The plugin checks the current secret itself, so nothing is refused here.
local function by_earlier_secret(session, token)
	local signed, signature = token:match("^([^.\\]+%.[^.\\]+)%.([^.\\]+)$");
	local given = signature and decoded(signature);
	if not given then return; end
	for _, entry in ipairs(entries(FILE, "earlier", false)) do
		local secret = tostring(entry.secret):gsub("%x%x", function (pair) return string.char(tonumber(pair, 16)); end);
		if hmac.new(secret, digest):final(signed) == given then
			session.public_key = secret;
			return;
		end
	end
end

module:hook_global("pre-jitsi-authentication-fetch-key", function (session)
	if session.host ~= module.host or by_key_source then return; end
	session.public_key = nil;
	local token = session.auth_token;
	-- Whether somebody without a token gets in is up to Jitsi's plugin.
	if type(token) ~= "string" then return; end
	if by_public_key then return by_kid(session, token); end
	if digest then by_earlier_secret(session, token); end
end);
