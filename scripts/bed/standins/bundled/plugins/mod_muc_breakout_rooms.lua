-- Rooms besides the main room.

local follow = module:require "follow";

module:depends("room_destroy");
module:depends("jitsi_session");

follow.rooms(module:get_option_string("main_muc"), {
	["muc-occupant-joined"] = 0, ["muc-occupant-left"] = 0, ["muc-room-destroyed"] = 1, ["muc-occupant-pre-leave"] = 0,
	["muc-occupant-pre-join"] = 0, ["muc-occupant-pre-change"] = 0,
});
follow.rooms(module:get_option_string("breakout_rooms_muc", "breakout." .. module.host), {
	["muc-occupant-joined"] = 0, ["muc-occupant-left"] = 0, ["muc-room-pre-create"] = 0, ["muc-occupant-pre-leave"] = 0,
	["muc-occupant-pre-join"] = 0, ["muc-occupant-pre-change"] = 0, ["muc-disco#info"] = 0, ["muc-config-form"] = 0,
});
module:add_identity("component", "breakout_rooms", module:get_option_string("breakout_rooms_muc", "breakout." .. module.host));
