-- Who has spoken for how long.

local follow = module:require "follow";

follow.announce("speakerstats");
follow.rooms(module:get_option_string("muc_component"), {
	["muc-room-created"] = -1, ["muc-occupant-joined"] = -1, ["muc-occupant-pre-leave"] = -1, ["muc-room-destroyed"] = 1,
});
