-- Ends a meeting for everybody; on the virtual host it only announces where that is done.

module:depends("jitsi_session");

local component = module:get_option_string("end_conference_component");
if component then
	module:add_identity("component", "end_conference", component);
	return;
end

local follow = module:require "follow";

follow.announce("end_conference");
follow.rooms(module:get_option_string("muc_component"), {});
