-- Everybody gets in, nobody keeps an account: what a new Jitsi starts with.

module:depends("jitsi_session");

local sasl = require "util.sasl";
local function no_passwords() return nil, "there are no accounts"; end

local provider = {
	test_password = no_passwords, get_password = no_passwords, set_password = no_passwords,
	user_exists = no_passwords, create_user = no_passwords, delete_user = no_passwords,
};

function provider.get_sasl_handler()
	return sasl.new(module.host, {
		anonymous = function (self, username)
			self.username = username;
			return true;
		end;
	});
end

module:provides("auth", provider);
