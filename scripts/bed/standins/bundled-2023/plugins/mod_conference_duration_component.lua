-- Tells people how long the meeting has been going on.

module:require "follow".rooms(module:get_option_string("muc_component"), { ["muc-occupant-joined"] = -1 });
