-- Who may turn on microphone and camera.

local follow = module:require "follow";

follow.announce("av_moderation");
follow.rooms(module:get_option_string("muc_component"), {
	["muc-occupant-joined"] = -2, ["muc-set-affiliation"] = -1,
});
