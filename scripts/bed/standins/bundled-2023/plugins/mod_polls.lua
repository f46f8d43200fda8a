-- Polls in a meeting.

module:depends("muc");
module:require "follow".rooms(module.host, { ["muc-room-created"] = 0, ["muc-occupant-joined"] = 0, ["message/bare"] = 0 });
