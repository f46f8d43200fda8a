-- Shared by auth_token and token_verification: is this token good, and does it open
-- this room? Stand-in for Jitsi's plugin of 2026: the same options, the same required
-- modules, the same reasons, and the same claims that crash it.

local basexx = require "basexx";
local have_async, async = pcall(require, "util.async");
local hex = require "util.hex";
local inspect = require "inspect";
local jid = require "util.jid";
local json_safe = require "cjson.safe";
local new_cache = require "util.cache".new;
local paths = require "util.paths";
local sha256 = require "util.hashes".sha256;
local ssl = require "ssl";
local timer = require "util.timer";
local jwk = module:require "token/jwk";
local jwt = module:require "luajwtjitsi";
local util = module:require "util";

local RETRIES = 3;
-- Seconds until the next attempt without a header of the server and after a failure, and how long a removed key counts.
local REFRESH, AFTER_FAILURE, KEPT = 6 * 3600, 30, 90 * 60;

local Tokens = {};
Tokens.__index = Tokens;

local function read_options(self, context)
	self.app_id = context:get_option_string("app_id");
	self.app_secret = context:get_option_string("app_secret");
	self.key_server = context:get_option_string("asap_key_server");
	self.keys_url = context:get_option_string("cache_keys_url");
	self.allow_empty = context:get_option_boolean("allow_empty_token");
	self.check_domain = context:get_option_boolean("enable_domain_verification", true);
	self.need_room = context:get_option_boolean("asap_require_room_claim", true);
	self.muc_prefix = context:get_option_string("muc_mapper_domain_prefix", "conference");
	self.muc_base = context:get_option_string("muc_mapper_domain_base");
	self.muc_domain = self.muc_base
		and context:get_option_string("muc_mapper_domain", self.muc_prefix .. "." .. self.muc_base);
	self.algorithm = context:get_option_string("signature_algorithm");
	self.issuers = context:get_option_array("asap_accepted_issuers", { self.app_id });
	self.audiences = context:get_option_array("asap_accepted_audiences", { "*" });
	-- From the module that loads this file, not from the host that it is about.
	self.cache = new_cache(module:get_option_number("jwt_pubkey_cache_size", 128));
end

-- Reads the options of the host that `context` is for; nil if they make no sense,
-- which it then logs.
function Tokens.new(context)
	local self = setmetatable({}, Tokens);
	read_options(self, context);
	if self.allow_empty then
		context:log("warn", "empty tokens are allowed: everybody gets in");
	end
	if not self.app_id then
		context:log("error", "no 'app_id' is set");
		return nil;
	end
	if not self.app_secret and not self.key_server and not self.keys_url then
		context:log("error", "neither 'app_secret' nor 'asap_key_server' nor 'cache_keys_url' is set");
		return nil;
	end
	self.algorithm = self.algorithm or (self.key_server or self.keys_url) and "RS256" or "HS256";
	if (self.key_server or self.keys_url) and not have_async then
		context:log("error", "public keys need a Prosody with util.async");
		return nil;
	end
	if self.keys_url then self:keep_keys(); end
	return self;
end

-- A JWKS document's keys, or certificates by their ids.
function Tokens:take_keys(text)
	local gone = {};
	for id in pairs(self.listed) do gone[id] = true; end
	for name, value in pairs(json_safe.decode(text) or {}) do
		if name == "keys" and type(value) == "table" then
			for _, entry in ipairs(value) do
				if entry.kid then
					self.listed[entry.kid] = jwk.to_pem(entry);
					gone[entry.kid] = nil;
				end
			end
		elseif value:sub(1, 27) == "-----BEGIN CERTIFICATE-----" then
			self.listed[name] = ssl.loadcertificate(value):pubkey();
			gone[name] = nil;
		end
	end
	timer.add_task(KEPT, function ()
		for id in pairs(gone) do self.listed[id] = nil; end
	end);
end

-- Fetches the keys of cache_keys_url now, and again whenever they may have changed.
function Tokens:keep_keys()
	self.listed = {};
	local fetcher;
	fetcher = async.runner(function ()
		local text, code, max_age = util.http_get_with_retry(self.keys_url, RETRIES);
		local again = AFTER_FAILURE;
		if text ~= nil then
			self:take_keys(text);
			again = tonumber(max_age) or REFRESH;
			if max_age and again > 60 then again = again - 60; end
		else
			module:log("warn", "no keys from %s: %s", self.keys_url, tostring(code));
		end
		timer.add_task(again, function () fetcher:run("keys"); end);
	end);
	fetcher:run("keys");
end

-- The public key with this ID from the key server, fetched once.
function Tokens:public_key(id)
	local key = self.cache:get(id);
	if key then return key; end
	key = util.http_get_with_retry(paths.join(self.key_server, hex.to(sha256(id)) .. ".pem"), RETRIES);
	if key then self.cache:set(id, key); end
	return key;
end

-- The key to check a session's token with, or nil and the reason.
function Tokens:key_for(session)
	if session.public_key then return session.public_key; end
	if not self.key_server and not self.keys_url then return self.app_secret, "signature verification key is missing"; end
	local head = session.auth_token:match("^([^.]*)%.");
	local text = head and basexx.from_url64(head);
	if not text then return nil, "Invalid token"; end
	local header, err = json_safe.decode(text);
	if err then return nil, "bad token format"; end
	if header.kid == nil then return nil, "'kid' claim is missing"; end
	if header.alg == nil then return nil, "'alg' claim is missing"; end
	if header.alg:sub(1, 2) ~= "RS" then return nil, "'kid' claim only support with RS family"; end
	-- With cache_keys_url alone, there is no server to ask about an ID that is not listed: that is a Lua error.
	return self.listed and self.listed[header.kid] or self:public_key(header.kid), "could not obtain public key";
end

-- Copies the token's claims to the session without checking them first: a context that is null is an error.
local function bind(session, claims)
	session.jitsi_meet_room = claims.room;
	session.jitsi_meet_domain = claims.sub;
	session.jitsi_meet_auth_issuer = claims.iss;
	local about = claims.context;
	if about ~= nil then
		session.jitsi_meet_str_tenant = about["tenant"];
		if about["user"] ~= nil then session.jitsi_meet_context_user = about["user"]; end
		if about["group"] ~= nil then session.jitsi_meet_context_group = about["group"]; end
		if about["features"] ~= nil then session.jitsi_meet_context_features = about["features"]; end
		if about["room"] ~= nil then session.jitsi_meet_context_room = about["room"]; end
	elseif claims.user_id then
		session.jitsi_meet_context_user = { id = claims.user_id };
	end
end

-- Judges session.auth_token and notes on the session what the token allows.
-- Returns true, or false with the SASL condition and the reason.
function Tokens:admit(session)
	if session.auth_token == nil then
		if self.allow_empty then return true; end
		return false, "not-allowed", "token required";
	end
	local key, why = self:key_for(session);
	if key == nil then return false, "not-allowed", why; end
	local claims, reason = jwt.verify(session.auth_token, self.algorithm, key, self.issuers, self.audiences);
	if claims == nil then return false, "not-allowed", reason; end
	if self.need_room and claims.room == nil then return false, "not-authorized", "room claim is missing"; end
	if claims.sub == nil then return false, "not-authorized", "sub claim is missing"; end
	bind(session, claims);
	prosody.events.fire_event("jitsi-authentication-token-verified", { session = session, claims = claims });
	if session.contextRequired and claims.context == nil then
		return false, "not-allowed", "jwt missing required context claim";
	end
	return true;
end

-- With context.room.regex the claim, in lower case by now, is a Lua pattern; what it captures or matches must be the
-- whole name.
local function claimed_room(session, allowed, room)
	if allowed == "*" then return room; end
	local about = session.jitsi_meet_context_room;
	if about and (about["regex"] == true or about["regex"] == "true") then
		local made, found = pcall(string.match, room, allowed);
		if not made then return nil, "invalid-regex", "Room claim is not a valid Lua pattern"; end
		return found;
	end
	return allowed;
end

function Tokens:room_of(address)
	local room = jid.split(address);
	if room == nil then return nil, "invalid-room-address", "Room address is invalid"; end
	-- Since September 2025 the room must exist before anything is compared.
	local instance = util.get_room_from_jid(jid.join(room, self.muc_domain));
	if not instance then return nil, "room-does-not-exist", "Room does not exist"; end
	return room, instance;
end

-- A tenant other than the one in the page's URL: noted, and rejected where the room says so.
local function tenant_refused(session, instance)
	local tenant = session.jitsi_meet_str_tenant;
	if not tenant or tenant:lower() == session.jitsi_web_query_prefix then return false; end
	session.jitsi_meet_tenant_mismatch = true;
	return instance._data.allowUnauthenticatedAccess == false;
end

-- Whether the session may enter the room with this address: true, or false with the
-- name of the jitmeet element and the reason, either of which may be missing.
function Tokens:may_enter(session, address)
	local room, instance, why = self:room_of(address);
	if not room then return false, instance, why; end
	if self.allow_empty and session.auth_token == nil then
		if instance._data.allowUnauthenticatedAccess ~= false then return true; end
		return false, "authentication-required", "Authentication required";
	end

	local allowed = session.jitsi_meet_room;
	if type(allowed) == "string" then
		allowed = allowed:lower();
	elseif allowed then
		module:log("warn", "the room in the token is no text: %s", inspect(allowed));
	end
	if not self.check_domain then
		if not allowed or allowed == "*" or room == allowed then return true; end
		local ending = "]" .. allowed;
		if room:sub(-#ending) == ending then return true; end
		return false, "room-mismatch", "Room does not match the room from token";
	end

	local tenant, name = util.extract_subdomain(room);
	local claimed, element, reason = claimed_room(session, allowed, name);
	if element then return false, element, reason; end
	if not claimed then
		if not self.need_room then return true; end
		return false, "room-name-does-not-match", "Room name cannot be matched to the one from token.";
	end
	if tenant_refused(session, instance) then return false; end

	local domain = session.jitsi_meet_domain:lower();
	if tenant then
		if not self.muc_base then return false, "server-missing-config", "Misconfiguration of server"; end
		local expected = domain == "*" and tenant or domain;
		return jid.bare(address) == jid.join("[" .. expected .. "]" .. claimed, self.muc_domain);
	end
	return jid.bare(address) == jid.join(claimed, domain == "*" and self.muc_domain or self.muc_prefix .. "." .. domain);
end

return Tokens;
