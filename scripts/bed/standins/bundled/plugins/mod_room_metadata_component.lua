-- What the people of a meeting are told about it, addresses of the turn server included.

module:depends("external_services");

local follow = module:require "follow";

follow.announce("room_metadata");
follow.rooms(module:get_option_string("muc_component"), {
	["muc-room-created"] = -1, ["room-metadata-changed"] = 0, ["muc-broadcast-presence"] = 0, ["muc-occupant-left"] = 0,
});
follow.rooms(module:get_option_string("breakout_rooms_component"), { ["muc-room-created"] = -1 });
