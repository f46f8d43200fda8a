-- Ends a meeting for everybody. On a virtual host, where older configurations load it, it no longer does anything.

if module:get_option_string("end_conference_component") then
	module:log("warn", "remove end_conference from the modules of the virtual host");
	module:depends("features_identity");
	return;
end

module:depends("jitsi_session");

local follow = module:require "follow";

follow.announce("end_conference");
follow.rooms(module:get_option_string("muc_component"), {});
