-- Everybody gets in, nobody keeps an account: the default of a new Jitsi. A token that is sent is forgotten.

module:depends("jitsi_session");

local uuid = require "util.uuid".generate;
local sasl = require "util.sasl";
local function no_passwords() return nil, "there are no accounts"; end

local provider = {
	test_password = no_passwords, get_password = no_passwords, set_password = no_passwords,
	user_exists = no_passwords, create_user = no_passwords, delete_user = no_passwords,
};

function provider.get_sasl_handler(session)
	return sasl.new(module.host, {
		anonymous = function (self, username)
			local resumed = false;
			for _, other in pairs(session.previd and prosody.full_sessions or {}) do
				if other.resumption_token == session.previd then self.username, resumed = other.username, true; end
			end
			if not session.previd then self.username = username; end
			if not resumed then session.auth_token = nil; end
			return true;
		end;
	});
end

module:provides("auth", provider);

sasl.registerMechanism("ANONYMOUS", { "anonymous" }, function (self)
	local name = uuid();
	local admitted, condition, reason = self.profile.anonymous(self, name, self.realm);
	if admitted ~= true then return "failure", condition, reason; end
	self.username = self.username or name;
	return "success";
end);
