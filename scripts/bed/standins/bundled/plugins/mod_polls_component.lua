-- Polls in a meeting. There is no module "polls" any more, although the template still names it.

local follow = module:require "follow";

follow.announce("polls");
local base = module:get_option_string("muc_mapper_domain_base");
follow.rooms(base and module:get_option_string("muc_mapper_domain_prefix", "conference") .. "." .. base, {
	["muc-room-created"] = 0, ["muc-occupant-joined"] = 0, ["jitsi-polls-update"] = 0,
});
