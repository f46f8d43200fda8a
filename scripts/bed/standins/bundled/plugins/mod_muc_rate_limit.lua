-- Only so many people per second enter and leave a room (3 and 5), jicofo included; the others wait in a queue.

local queue = require "util.queue";
local throttle = require "util.throttle";
local timer = require "util.timer";
local st = require "util.stanza";

local QUEUE_SIZE = 1000;

local joins = module:get_option_number("muc_rate_joins", 3);
local leaves = module:get_option_number("muc_rate_leaves", 5);

local function serve(room, line, rate, handle)
	timer.add_task(1, function ()
		if room.destroying or not room[line] then return; end
		for _ = 1, rate do
			local entry = room[line]:pop();
			if entry then handle(entry); end
		end
		if room[line]:count() > 0 then return 1; end
		room[line] = nil;
	end);
end

-- True if the event has to wait.
local function waits(room, event, name, rate, handle)
	local bucket, line = name .. "_throttle", name .. "_line";
	room[bucket] = room[bucket] or throttle.create(rate, 1);
	local early = not room[bucket]:poll(1);
	if not early and not room[line] then return; end
	if not room[line] then
		room[line] = queue.new(QUEUE_SIZE);
		serve(room, line, rate, handle);
	end
	return room[line]:push(event);
end

module:hook("muc-occupant-pre-join", function (event)
	local room, stanza = event.room, event.stanza;
	if stanza.delayed_join_skip then
		stanza.delayed_join_skip = nil;
		return;
	end
	return waits(room, event, "bed_join", joins, function (entry)
		if not entry.origin.conn then return; end
		entry.stanza.delayed_join_skip = true;
		room:handle_normal_presence(entry.origin, entry.stanza);
	end);
end, 9);

module:hook("muc-room-destroyed", function (event)
	event.room.bed_join_line, event.room.bed_leave_line = nil, nil;
end, 1);

module:hook("muc-occupant-pre-leave", function (event)
	local room, occupant = event.room, event.occupant;
	local role = occupant.role;
	local later = waits(room, event, "bed_leave", leaves, function (entry)
		room:publicise_occupant_status(entry.occupant,
			st.stanza("x", { xmlns = "http://jabber.org/protocol/muc#user" }), nil, nil, nil, entry.role);
		module:fire_event("muc-occupant-left",
			{ room = room, nick = entry.occupant.nick, occupant = entry.occupant, origin = entry.origin, stanza = entry.stanza });
	end);
	if not later then return; end
	event.role = role;
	occupant.role = nil;
	room:save_occupant(occupant);
	return true;
end);
