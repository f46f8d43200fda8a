-- On the site's virtual host: a room and its lobby both stay while anybody is in one of them.

local util = module:require "util";

module:depends("room_destroy");

local rooms, lobbies = module:get_option_string("main_muc"), module:get_option_string("lobby_muc");
if not rooms or not lobbies then
	module:log("error", "there is no lasting lobby: main_muc or lobby_muc is not set");
	return;
end

local function waiting(room)
	return util.get_room_from_jid(room._data.lobbyroom or "");
end

local function destroy(room)
	prosody.events.fire_event("maybe-destroy-room", { room = room, reason = "nobody is left", caller = module.name });
end

local function left(room)
	if not room or util.is_healthcheck_room(room.jid) or not room._data.persist_lobby or room.destroying then return; end
	local lobby = waiting(room);
	if not room:has_occupant() and not (lobby and lobby:has_occupant()) then destroy(room); end
end

util.process_host_module(rooms, function (context)
	context:hook("muc-occupant-left", function (event) left(event.room); end);
end);

util.process_host_module(lobbies, function (context)
	context:hook("muc-occupant-left", function (event) left(util.get_room_from_jid(event.room.main_room_jid or "")); end);
end);

module:hook_global("create-persistent-lobby-room", function (event)
	prosody.events.fire_event("create-lobby-room", event);
	event.room._data.persist_lobby = true;
	event.room:set_persistent(true);
end);

module:hook_global("maybe-destroy-room", function (event)
	local lobby = event.room._data.persist_lobby and waiting(event.room);
	if event.caller ~= module.name and lobby and lobby:has_occupant() then return true; end
end);
