-- Files shared in a meeting.

local follow = module:require "follow";

follow.announce("file-sharing");
follow.rooms(module:get_option_string("muc_component"), {
	["muc-occupant-joined"] = -10,
});
