-- Shared by auth_token and token_verification: is this token good, and does it open
-- this room? Stand-in for Jitsi's plugin of 2022 to 2025: fewer reasons, and more claims that crash it.

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
local jwt = module:require "luajwtjitsi";
local util = module:require "util";

local RETRIES = 3;

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
	self.algorithm = context:get_option_string("signature_algorithm", self.key_server and "RS256" or "HS256");
	self.issuers = context:get_option_array("asap_accepted_issuers", { self.app_id });
	self.audiences = context:get_option_array("asap_accepted_audiences", { "*" });
	self.cache = new_cache(module:get_option_number("jwt_pubkey_cache_size", 128));
end

-- Reads the options of the host that `context` is for; nil if they make no sense,
-- which it then logs. Keys at cache_keys_url alone make no sense yet.
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
	if not self.app_secret and not self.key_server then
		context:log("error", "neither 'app_secret' nor 'asap_key_server' is set");
		return nil;
	end
	if self.key_server and not have_async then
		context:log("error", "a key server needs a Prosody with util.async");
		return nil;
	end
	if self.keys_url then self:keep_keys(); end
	return self;
end

-- Certificates by their IDs; a value that is not text is a Lua error. Fetched again only if the server says when.
function Tokens:keep_keys()
	local fetcher;
	fetcher = async.runner(function ()
		local text, _, max_age = util.http_get_with_retry(self.keys_url, RETRIES);
		if text == nil then return; end
		self.listed = {};
		for id, value in pairs(json_safe.decode(text)) do
			if value:sub(1, 27) == "-----BEGIN CERTIFICATE-----" then
				self.listed[id] = ssl.loadcertificate(value):pubkey();
			end
		end
		local again = tonumber(max_age);
		if not again then return; end
		timer.add_task(again > 60 and again - 60 or again, function () fetcher:run("keys"); end);
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
	if not self.key_server then return self.app_secret, "signature verification key is missing"; end
	local head = session.auth_token:match("^([^.]*)%.");
	if not head then return nil, "Invalid token"; end
	local header, err = json_safe.decode(basexx.from_url64(head));
	if err then return nil, "bad token format"; end
	if header.kid == nil then return nil, "'kid' claim is missing"; end
	if header.alg == nil then return nil, "'alg' claim is missing"; end
	if header.alg:sub(1, 2) ~= "RS" then return nil, "'kid' claim only support with RS family"; end
	return self.listed and self.listed[header.kid] or self:public_key(header.kid), "could not obtain public key";
end

local function bind(session, claims)
	session.jitsi_meet_room = claims.room;
	session.jitsi_meet_domain = claims.sub;
	local about = claims.context;
	if about ~= nil then
		if about["user"] ~= nil then session.jitsi_meet_context_user = about["user"]; end
		if about["group"] ~= nil then session.jitsi_meet_context_group = about["group"]; end
		if about["features"] ~= nil then session.jitsi_meet_context_features = about["features"]; end
		if about["room"] ~= nil then session.jitsi_meet_context_room = about["room"]; end
	elseif claims.user_id then
		session.jitsi_meet_context_user = { id = claims.user_id };
	end
end

-- Judges session.auth_token and notes on the session what the token allows.
-- Returns true, or false with the SASL condition and the reason. If the room claim is missing, the condition is a
-- sentence: it becomes the name of an XML element, so there is no answer.
function Tokens:admit(session)
	if session.auth_token == nil then
		if self.allow_empty then return true; end
		return false, "not-allowed", "token required";
	end
	local key, why = self:key_for(session);
	if key == nil then return false, "not-allowed", why; end
	local claims, reason = jwt.verify(session.auth_token, self.algorithm, key, self.issuers, self.audiences);
	if claims == nil then
		-- This luajwtjitsi does not say yet since when.
		return false, "not-allowed", (reason:gsub("^(Not acceptable by exp) .*", "%1"));
	end
	if self.need_room and claims.room == nil then return false, "'room' claim is missing"; end
	bind(session, claims);
	prosody.events.fire_event("jitsi-authentication-token-verified", { session = session, claims = claims });
	if session.contextRequired and claims.context == nil then
		return false, "not-allowed", "jwt missing required context claim";
	end
	return true;
end

-- With context.room.regex the claim is a Lua pattern; an invalid pattern is an error.
local function claimed_room(session, allowed, room)
	if allowed == "*" then return room; end
	local about = session.jitsi_meet_context_room;
	if about and (about["regex"] == true or about["regex"] == "true") then return (room:match(allowed)); end
	return allowed;
end

-- Whether the session may enter the room with this address. Without `sub`, checking the domain is an error.
function Tokens:may_enter(session, address)
	if self.allow_empty and session.auth_token == nil then return true; end
	local room = jid.split(address);
	if room == nil then
		module:log("error", "no room name in %s", tostring(address));
		return true;
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
		return room:sub(-#ending) == ending;
	end

	local tenant, name = util.extract_subdomain(room);
	local claimed = claimed_room(session, allowed, name);
	if not claimed then return not self.need_room; end

	local domain = session.jitsi_meet_domain:lower();
	if tenant then
		if not self.muc_base then return false; end
		local expected = domain == "*" and tenant or domain;
		return jid.bare(address) == jid.join("[" .. expected .. "]" .. claimed, self.muc_domain);
	end
	return jid.bare(address) == jid.join(claimed, domain == "*" and self.muc_domain or self.muc_prefix .. "." .. domain);
end

return Tokens;
