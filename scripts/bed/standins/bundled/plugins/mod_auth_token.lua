-- Authentication by token: ANONYMOUS for clients that have a good one in the URL
-- of their connection. Stand-in for Jitsi's plugin of 2026.

local uuid = require "util.uuid".generate;
local sasl = require "util.sasl";
local tokens = module:require "token/util".new(module);
if tokens == nil then return; end

module:depends("jitsi_session");

local function no_passwords() return nil, "there are no accounts"; end

local provider = {
	test_password = no_passwords, get_password = no_passwords, set_password = no_passwords,
	user_exists = no_passwords, create_user = no_passwords, delete_user = no_passwords,
};

-- Another module's refusal: { res = false, error = …, reason = … }.
local function vetoed(session, event)
	local answer = prosody.events.fire_event(event, session);
	if answer == nil or answer.res ~= false then return false; end
	module:log("warn", "%s: %s, reason: %s", event, tostring(answer.error), tostring(answer.reason));
	session.auth_token = nil;
	return true, answer.error, answer.reason;
end

local function previous_name(session)
	for _, other in pairs(prosody.full_sessions) do
		if other.resumption_token == session.previd then return other.username; end
	end
end

function provider.get_sasl_handler(session)
	return sasl.new(module.host, {
		anonymous = function (self, username)
			local veto, condition, reason = vetoed(session, "pre-jitsi-authentication-fetch-key");
			if veto then return false, condition, reason; end

			local admitted;
			admitted, condition, reason = tokens:admit(session);
			if not admitted then
				module:log("warn", "token refused: %s, reason: %s", tostring(condition), tostring(reason));
				session.auth_token = nil;
				return false, condition, reason;
			end
			if prosody.events.fire_event("jitsi-access-ban-check", session) == false then
				return false, "not-allowed", "user is banned";
			end

			local given = prosody.events.fire_event("pre-jitsi-authentication", session);
			if given then
				self.username = given;
			elseif session.previd ~= nil then
				self.username = previous_name(session);
			else
				self.username = username;
			end
			veto, condition, reason = vetoed(session, "post-jitsi-authentication");
			if veto then return false, condition, reason; end
			return true;
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
