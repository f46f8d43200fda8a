-- Announces where the component of this name is.

module:depends("jitsi_session");
module:add_identity("component", "speakerstats", module:get_option_string("speakerstats_component", "speakerstats." .. module.host));
