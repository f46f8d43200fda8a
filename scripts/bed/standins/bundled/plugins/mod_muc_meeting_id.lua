-- For rooms' components: each meeting has an ID, and people who are faster than jicofo wait until it is in the room.

local jid = require "util.jid";
local queue = require "util.queue";
local st = require "util.stanza";
local uuid = require "util.uuid".generate;
local util = module:require "util";

local QUEUE_SIZE = 500;

module:depends("jitsi_permissions");
module:depends("jitsi_session");

local function unavailable(event)
	event.origin.send(st.error_reply(event.stanza, "cancel", "service-unavailable"));
	return true;
end

module:hook("muc-room-pre-create", function (event)
	local to = event.stanza.attr.to;
	if util.is_healthcheck_room(jid.bare(to)) and not util.is_focus(to) then return unavailable(event); end
end, 100);

module:hook("muc-room-created", function (event)
	if not util.is_healthcheck_room(event.room.jid) then event.room._data.meetingId = uuid(); end
end);

local function add_field(event)
	table.insert(event.form, {
		name = "muc#roominfo_meetingId", type = "text-single", label = "Id of the meeting",
		value = event.room._data.meetingId or "",
	});
end
module:hook("muc-disco#info", add_field);
module:hook("muc-config-form", add_field, 87);

local function not_from_clients() return true; end
module:hook("muc-config-submitted/muc#roomconfig_moderatedroom", not_from_clients, 99);
module:hook("muc-config-submitted/muc#roomconfig_presencebroadcast", not_from_clients, 99);
module:hook("muc-config-submitted/muc#roominfo_meetingId", function (event)
	if util.is_admin(event.actor) then event.room._data.meetingId = event.value; end
	return true;
end, 99);

-- A kick removes the affiliation too.
module:hook("muc-broadcast-presence", function (event)
	if util.presence_check_status(event.x, "307") then
		event.room:set_affiliation(event.actor, event.occupant.bare_jid, "none");
	end
end);

module:hook("muc-occupant-pre-join", function (event)
	local room, nick = event.room, event.occupant.nick;
	if util.is_healthcheck_room(room.jid) then
		if not util.is_focus(nick) then return unavailable(event); end
		return;
	end
	if room._data.jicofo_lock == false then return; end
	if util.is_focus(nick) then
		module:fire_event("jicofo-unlock-room", { room = room });
		return;
	end
	room._data.jicofo_lock = true;
	room.pre_join_queue = room.pre_join_queue or queue.new(QUEUE_SIZE);
	if not room.pre_join_queue:push(event) then module:log("error", "%s does not fit into the queue", nick); end
	return true;
end, 8);

module:hook("jicofo-unlock-room", function (event)
	local room = event.room;
	room._data.jicofo_lock = false;
	local waiting = room.pre_join_queue;
	if not waiting then return; end
	for _, entry in waiting:items() do
		if entry.origin.conn then room:handle_normal_presence(entry.origin, entry.stanza); end
	end
	room.pre_join_queue = nil;
end);

-- Nobody but jicofo itself may change jicofo's role in a room.
local function keep_focus(event)
	local origin, stanza = event.origin, event.stanza;
	local room = util.get_room_from_jid(jid.bare(stanza.attr.to));
	local query = room and stanza.tags[1];
	for item in (query and query:childtags("item") or function () end) do
		if util.is_focus(room.jid .. "/" .. (item.attr.nick or "")) or item.attr.jid and util.is_focus_jid(item.attr.jid) then
			origin.send(st.error_reply(stanza, "cancel", "not-allowed"));
			return true;
		end
	end
end
module:hook("iq-set/bare/http://jabber.org/protocol/muc#admin:query", keep_focus, 10);
module:hook("iq-set/host/http://jabber.org/protocol/muc#admin:query", keep_focus, 10);

module:hook("muc-occupant-groupchat", function (event)
	event.stanza:remove_children("nick", "http://jabber.org/protocol/nick");
end, 45);
