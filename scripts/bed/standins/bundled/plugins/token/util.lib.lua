-- What auth_token and token_verification share: is this token good, and does it
-- open this room? Stand-in for Jitsi's plugin of 2026: the same options, the
-- same modules required, the same reasons given.

local basexx = require "basexx";
local have_async, async = pcall(require, "util.async");
local hex = require "util.hex";
local http = require "net.http";
local inspect = require "inspect";
local jid = require "util.jid";
local json_safe = require "cjson.safe";
local new_cache = require "util.cache".new;
local paths = require "util.paths";
local sha256 = require "util.hashes".sha256;
local jwk = module:require "token/jwk";
local jwt = module:require "luajwtjitsi";

local Tokens = {};
Tokens.__index = Tokens;

-- Reads the options of the host that `context` stands for; nil where they do not
-- make sense, after saying so in the log.
function Tokens.new(context)
	local self = setmetatable({}, Tokens);
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
	self.algorithm = context:get_option_string("signature_algorithm",
		(self.key_server or self.keys_url) and "RS256" or "HS256");
	self.keys = new_cache(context:get_option_number("jwt_pubkey_cache_size", 128));

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
	self.issuers = context:get_option_array("asap_accepted_issuers", { self.app_id });
	self.audiences = context:get_option_array("asap_accepted_audiences", { "*" });
	return self;
end

local function fetch(url)
	local wait, done = async.waiter();
	local body;
	http.request(url, nil, function (text, code)
		if code == 200 then body = text; else module:log("warn", "%s answered %s", url, tostring(code)); end
		done();
	end);
	wait();
	return body;
end

-- The public key of an id, fetched once: from a JWKS document or a key server.
function Tokens:public_key(id)
	local key = self.keys:get(id);
	if key then return key; end
	if self.keys_url then
		local document = json_safe.decode(fetch(self.keys_url) or "") or {};
		for _, entry in ipairs(document.keys or {}) do
			if entry.kid == id then key = jwk.to_pem(entry); end
		end
	else
		key = fetch(paths.join(self.key_server, hex.to(sha256(id)) .. ".pem"));
	end
	if key then self.keys:set(id, key); end
	return key;
end

-- Judges session.auth_token and notes on the session what the token allows.
-- true, or false with the SASL condition and the reason.
function Tokens:admit(session)
	local token = session.auth_token;
	if token == nil then
		if self.allow_empty then return true; end
		return false, "not-allowed", "token required";
	end

	local key = self.app_secret;
	if self.key_server then
		local head = token:match("^([^.]+)%.");
		local header = head and json_safe.decode((basexx.from_url64(head)));
		if not header then return false, "not-allowed", "bad token format"; end
		if header.kid == nil then return false, "not-allowed", "'kid' claim is missing"; end
		key = self:public_key(header.kid);
		if not key then return false, "not-allowed", "could not obtain public key"; end
	end

	local claims, reason = jwt.verify(token, self.algorithm, key, self.issuers, self.audiences);
	if not claims then return false, "not-allowed", reason; end
	if self.need_room and claims.room == nil then return false, "not-authorized", "room claim is missing"; end
	module:log("debug", "claims: %s", inspect(claims));

	session.jitsi_meet_room = claims.room;
	session.jitsi_meet_domain = claims.sub;
	local about = type(claims.context) == "table" and claims.context or {};
	session.jitsi_meet_context_user = about.user;
	session.jitsi_meet_context_group = about.group;
	session.jitsi_meet_context_features = about.features;
	session.jitsi_meet_context_room = about.room;
	return true;
end

-- With context.room.regex the claim is a Lua pattern.
local function names(session, allowed, room)
	if allowed == "*" then return true; end
	local about = session.jitsi_meet_context_room;
	if type(about) == "table" and (about.regex == true or about.regex == "true") then
		return room:match("^" .. allowed .. "$") ~= nil;
	end
	return allowed:lower() == room;
end

-- May the session enter the room with this address? true, or false with the name
-- of the jitmeet element and the reason, either of which may be missing.
function Tokens:may_enter(session, address)
	if self.allow_empty and session.auth_token == nil then return true; end
	local room, muc_host = jid.split(address);
	if room == nil then
		module:log("error", "no room name in %s", tostring(address));
		return true;
	end

	-- Since September 2025 the room has to be there before anything is compared.
	local muc = prosody.hosts[muc_host] and prosody.hosts[muc_host].modules.muc;
	if not muc or not muc.get_room_from_jid(jid.bare(address)) then
		return false, "room-does-not-exist";
	end

	local allowed, domain = session.jitsi_meet_room, session.jitsi_meet_domain;
	if not self.check_domain then
		if not allowed or names(session, allowed, room) then return true; end
		return false, "room-mismatch";
	end

	local tenant, name = room:match("^%[([^%]]+)%](.+)$");
	if not allowed or not domain or not names(session, allowed, name or room) then return false; end
	if tenant then return domain == "*" or domain:lower() == tenant; end
	return domain == "*" or muc_host == (self.muc_prefix .. "." .. domain):lower();
end

return Tokens;
