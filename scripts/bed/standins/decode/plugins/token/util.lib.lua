-- Shared by auth_token and token_verification: is this token good, and does it open
-- this room? Stand-in for Jitsi's plugin of late 2020: the same options, the same
-- required modules, the same reasons, and the same crashes.

local basexx = require "basexx";
local have_async, async = pcall(require, "util.async");
local hex = require "util.hex";
local jwt = require "luajwtjitsi";
local jid = require "util.jid";
local json_safe = require "cjson.safe";
local paths = require "util.paths";
local sha256 = require "util.hashes".sha256;
local new_cache = require "util.cache".new;
local helpers = module:require "util";

local cache_size = module:get_option_number("jwt_pubkey_cache_size", 128);

local Tokens = {};
Tokens.__index = Tokens;

-- Reads the options of the host that `context` is for; nil if they make no sense,
-- which it then logs.
function Tokens.new(context)
	local self = setmetatable({}, Tokens);
	self.app_id = context:get_option_string("app_id");
	self.app_secret = context:get_option_string("app_secret");
	self.key_server = context:get_option_string("asap_key_server");
	self.allow_empty = context:get_option_boolean("allow_empty_token");
	self.check_domain = context:get_option_boolean("enable_domain_verification", false);
	self.muc_prefix = context:get_option_string("muc_mapper_domain_prefix", "conference");
	self.muc_base = context:get_option_string("muc_mapper_domain_base");
	self.muc_domain = self.muc_base
		and context:get_option_string("muc_mapper_domain", self.muc_prefix .. "." .. self.muc_base);
	self.keys = new_cache(cache_size);

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
	self.issuers = context:get_option_array("asap_accepted_issuers", { self.app_id });
	self.audiences = context:get_option_array("asap_accepted_audiences", { "*" });
	self.need_room = context:get_option_boolean("asap_require_room_claim", true);
	if self.key_server and not have_async then
		context:log("error", "a key server needs a Prosody with util.async");
		return nil;
	end
	return self;
end

-- The public key with this ID, fetched once from the key server.
function Tokens:public_key(id)
	local key = self.keys:get(id);
	if key then return key; end
	key = helpers.http_get_with_retry(paths.join(self.key_server, hex.to(sha256(id)) .. ".pem"), 3);
	if key ~= nil then self.keys:set(id, key); end
	return key;
end

local function among(list, value)
	for _, accepted in ipairs(list) do
		if accepted == value or accepted == "*" then return true; end
	end
	return false;
end

-- The claims of a token, or nil and the reason for rejecting it.
function Tokens:claims_of(token, key)
	local claims, reason = jwt.decode(token, key, true);
	if claims == nil then return nil, reason; end
	if claims.alg == "none" or claims.alg == "" then return nil, "'alg' claim must not be empty"; end
	if claims.iss == nil then return nil, "'iss' claim is missing"; end
	if not among(self.issuers, claims.iss) then return nil, "Invalid issuer ('iss' claim)"; end
	if self.need_room and claims.room == nil then return nil, "'room' claim is missing"; end
	if claims.aud == nil then return nil, "'aud' claim is missing"; end
	if not among(self.audiences, claims.aud) then return nil, "Invalid audience ('aud' claim)"; end
	return claims;
end

-- Judges session.auth_token and notes on the session what the token allows.
-- Returns true, or false with the SASL condition and the reason.
function Tokens:admit(session)
	local token = session.auth_token;
	if token == nil then
		if self.allow_empty then return true; end
		return false, "not-allowed", "token required";
	end

	-- A key that another module has put on the session counts only if there is a key server too.
	local key = session.public_key;
	if not key and self.key_server then
		local head = token:match("^([^.]*)%.");
		if not head then return nil, "Invalid token"; end   -- nil is not a rejection: this fails without a reason
		local header, unreadable = json_safe.decode(basexx.from_url64(head));
		if unreadable then return false, "not-allowed", "bad token format"; end
		if header.kid == nil then return false, "not-allowed", "'kid' claim is missing"; end
		key = self:public_key(header.kid);
		if key == nil then return false, "not-allowed", "could not obtain public key"; end
	end

	local claims, reason = self:claims_of(token, self.key_server and key or self.app_secret);
	if claims == nil then return false, "not-allowed", reason; end

	session.jitsi_meet_room = claims.room;
	session.jitsi_meet_domain = claims.sub;
	-- JSON's null is not nil: it has no fields, and indexing it is a Lua error.
	local about = claims.context;
	if about ~= nil then
		session.jitsi_meet_context_user = about.user;
		session.jitsi_meet_context_group = about.group;
		session.jitsi_meet_context_features = about.features;
	end
	return true;
end

-- Whether the session may enter the room with this address. Claims that are not text end in a Lua error, and so does a
-- token without `sub` if domains are checked.
function Tokens:may_enter(session, address)
	if self.allow_empty and session.auth_token == nil then return true; end
	local room = jid.node(address);
	if room == nil then
		module:log("error", "no room name in %s", tostring(address));
		return true;
	end

	local allowed = session.jitsi_meet_room;
	if not self.check_domain then
		-- No room was noted: this session is not ours to judge (a guest host's).
		return not allowed or room == string.lower(allowed) or allowed == "*";
	end

	-- With domains checked the whole address must be the one that the token names.
	local tenant, name = helpers.extract_subdomain(room);
	local domain = session.jitsi_meet_domain;
	if allowed == "*" then allowed = name or room; end
	local wanted;
	if tenant then
		local named = domain == "*" and tenant or domain;
		if not self.muc_base then
			module:log("warn", "tenants need 'muc_mapper_domain_base'");
			return false;
		end
		wanted = jid.join("[" .. string.lower(named) .. "]" .. string.lower(allowed), self.muc_domain);
	else
		local at = domain == "*" and self.muc_domain or self.muc_prefix .. "." .. domain;
		wanted = jid.join(string.lower(allowed), string.lower(at));
	end
	return jid.bare(address) == wanted;
end

return Tokens;
