-- Authentication by token: ANONYMOUS for those who bring a good one in the
-- address of their connection. Stand-in for Jitsi's plugin of late 2020.

local formdecode = require "util.http".formdecode;
local uuid = require "util.uuid".generate;
local sasl = require "util.sasl";
local tokens = module:require "token/util".new(module);
if tokens == nil then return; end   -- the log has the reason; no mechanism is offered

local function remember_query(event)
	local query = event.request.url and event.request.url.query or event.request.path:match("%?(.*)");
	if not query then return; end
	local params = formdecode(query);
	if type(params) ~= "table" then return; end
	event.session.auth_token = params.token;
	event.session.jitsi_bosh_query_room = params.room;
end
module:hook_global("bosh-session", remember_query);
module:hook_global("websocket-session", remember_query);

local function no_passwords() return nil, "accounts come from tokens only"; end

local provider = {
	test_password = no_passwords, get_password = no_passwords, set_password = no_passwords,
	user_exists = no_passwords, create_user = no_passwords, delete_user = no_passwords,
};

function provider.get_sasl_handler(session)
	return sasl.new(module.host, {
		anonymous = function (self, username)
			local admitted, condition, reason = tokens:admit(session);
			self.username = prosody.events.fire_event("pre-jitsi-authentication", session) or username;
			return admitted, condition, reason;
		end;
	});
end

module:provides("auth", provider);

-- Prosody's own ANONYMOUS cannot refuse with a reason: this one can, for every
-- host of the server.
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
