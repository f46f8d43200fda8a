-- A room announces since when two people have been in it.

local it = require "util.iterators";
local util = module:require "util";

local rooms = module:get_option_string("main_muc");
if not rooms then
	module:log("error", "main_muc is not set: durations are not counted");
	return;
end

util.process_host_module(rooms, function (context)
	context:hook("muc-disco#info", function (event)
		table.insert(event.form, {
			name = "muc#roominfo_created_timestamp", type = "text-single", label = "Since when the meeting has been running",
			value = event.room.created_timestamp or "",
		});
	end);
	context:hook("muc-occupant-joined", function (event)
		local room = event.room;
		if not room.created_timestamp and it.count(room:each_occupant()) > 1 then
			room.created_timestamp = ("%i"):format(os.time() * 1000);
		end
	end, -1);
end);

module:add_identity("component", "conference_duration",
	module:get_option_string("conference_duration_component", "conferenceduration." .. module.host));
