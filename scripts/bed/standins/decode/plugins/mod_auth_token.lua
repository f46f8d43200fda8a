-- Authentication by token: ANONYMOUS for clients that have a good one in the URL
-- of their connection. Stand-in for Jitsi's plugin of late 2020.

local formdecode = require "util.http".formdecode;
local uuid = require "util.uuid".generate;
local sasl = require "util.sasl";
local tokens = module:require "token/util".new(module);
if tokens == nil then return; end   -- the log has the reason; no mechanism is offered

local function remember_query(event)
	local query = event.request.url.query;
	if query == nil then return; end
	local params = formdecode(query);
	local session = event.session;
	session.auth_token = params.token;
	session.previd = params.previd;
	session.jitsi_web_query_room, session.jitsi_web_query_prefix = params.room, params.prefix or "";
	session.jitsi_bosh_query_room, session.jitsi_bosh_query_prefix = params.room, params.prefix or "";
end
module:hook_global("bosh-session", remember_query);
module:hook_global("websocket-session", remember_query);

local function no_passwords() return nil, "accounts come from tokens only"; end

local provider = {
	test_password = no_passwords, get_password = no_passwords, set_password = no_passwords,
	user_exists = no_passwords, create_user = no_passwords, delete_user = no_passwords,
};

-- What another module says about a session; { res = false, error = …, reason = … } rejects it.
local function objection(session, event)
	local answer = prosody.events.fire_event(event, session);
	if answer ~= nil and answer.res == false then return answer; end
end

-- The name of the session that is resumed.
local function resumed(session)
	for _, other in pairs(prosody.full_sessions) do
		if other.resumption_token == session.previd then return other.username; end
	end
end

function provider.get_sasl_handler(session)
	local function kept_out(condition, reason)
		module:log("warn", "no admission: %s, %s", condition, reason);
		session.auth_token = nil;
		return false, condition, reason;
	end

	return sasl.new(module.host, {
		anonymous = function (self, username)
			local no = objection(session, "pre-jitsi-authentication-fetch-key");
			if no then return kept_out(no.error, no.reason); end
			local admitted, condition, reason = tokens:admit(session);
			if admitted == false then return kept_out(condition, reason); end
			local given = prosody.events.fire_event("pre-jitsi-authentication", session);
			if given then
				self.username = given;
			elseif session.previd ~= nil then
				self.username = resumed(session);
			else
				self.username = username;
			end
			no = objection(session, "post-jitsi-authentication");
			if no then return kept_out(no.error, no.reason); end
			return admitted;
		end;
	});
end

module:provides("auth", provider);

-- Prosody's own ANONYMOUS cannot give a reason for a rejection: this one can, for
-- every host of the server.
sasl.registerMechanism("ANONYMOUS", { "anonymous" }, function (self)
	local name = uuid();
	local admitted, condition, reason = self.profile.anonymous(self, name, self.realm);
	if admitted == true then
		-- A guest host leaves the choice of a name to the mechanism.
		self.username = self.username or name;
		return "success";
	end
	return "failure", condition, reason;
end);
