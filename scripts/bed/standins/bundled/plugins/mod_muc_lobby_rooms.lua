-- While a room's lobby is on (members only), people without an affiliation wait in a room of the lobby's component.

local filters = require "util.filters";
local jid = require "util.jid";
local st = require "util.stanza";
local util = module:require "util";

module:depends("jitsi_session");

local MUC, JITMEET = "http://jabber.org/protocol/muc", "http://jitsi.org/jitmeet";

local rooms, lobby = module:get_option_string("main_muc"), module:get_option_string("lobby_muc");
if not rooms or not lobby then
	module:log("error", "there is no lobby: main_muc or lobby_muc is not set");
	return;
end
local listed = module:get_option_set("muc_lobby_whitelist", {});
local named = module:get_option_boolean("muc_lobby_check_display_name_required", true);
local lobby_muc;

local function attach(room)
	if room._data.lobbyroom or not lobby_muc then return; end
	local address = jid.node(room.jid) .. "@" .. lobby;
	local waiting = lobby_muc.create_room(address);
	waiting:set_persistent(true);
	waiting.main_room_jid = room.jid;
	room._data.lobbyroom = address;
end

-- Tells those who wait where to go now; Jitsi's page enters that room by itself.
local function detach(room, next_room, message)
	local waiting = lobby_muc and lobby_muc.get_room_from_jid(room._data.lobbyroom or "");
	if waiting then
		waiting:set_persistent(false);
		waiting:destroy(next_room, message or "the lobby is closed");
	end
	room._data.lobbyroom, room._data.lobby_extra_reason, room._data.lobby_skip_display_name_check = nil, nil, nil;
end

-- Those who wait do not see each other.
local function alone(stanza, session)
	local _, host, nick = jid.split(stanza.attr and stanza.attr.from);
	if stanza.name ~= "presence" or host ~= lobby or not nick then return stanza; end
	local waiting = lobby_muc.get_room_from_jid(jid.bare(stanza.attr.from));
	local x = stanza:get_child("x", MUC .. "#user");
	if not waiting or util.presence_check_status(x, "110") or stanza.attr.type == "unavailable" then return stanza; end
	local main = util.get_room_from_jid(waiting.main_room_jid or "");
	if main and main:get_affiliation(session.full_jid) == "owner" then return stanza; end
	return nil;
end

local function lobby_loaded(host)
	lobby_muc = prosody.hosts[host].modules.muc;
	if not lobby_muc then return; end
	-- In a lobby everybody is what they are in its room.
	lobby_muc.room_mt.get_affiliation = function (waiting, address)
		local main = util.get_room_from_jid(waiting.main_room_jid or "");
		return main and main:get_affiliation(address) or "none";
	end
	filters.add_filter_hook(function (session) filters.add_filter(session, "stanzas/out", alone, -1); end);
	module:add_identity("component", "lobbyrooms", lobby);
end

util.process_host_module(lobby, function (_, host)
	lobby_loaded(host);
	if not lobby_muc then
		prosody.hosts[host].events.add_handler("module-loaded", function (event)
			if event.module == "muc" then lobby_loaded(host); end
		end);
	end
end);

local function refuse(event, type, condition, code, inside)
	local reply = st.error_reply(event.stanza, type, condition);
	reply.tags[1].attr.code = code;
	inside(reply);
	event.origin.send(reply:reset():tag("x", { xmlns = MUC }));
	return true;
end

local function listed_in(room, stanza)
	local from = stanza.attr.from;
	local password = stanza:get_child("x", MUC):get_child_text("password", MUC);
	return listed:contains(jid.host(from)) or listed:contains(jid.bare(from))
		or password and password == room:get_password();
end

local function knock(event)
	local occupant, room, stanza = event.occupant, event.room, event.stanza;
	if util.is_healthcheck_room(room.jid) or not room:get_members_only() or util.is_focus(occupant.nick)
		or not stanza:get_child("x", MUC) then return; end
	local affiliation = room:get_affiliation(stanza.attr.from) or "none";
	if listed_in(room, stanza) and (affiliation == "none" or affiliation == "member") then
		occupant.role = "participant";
		room:set_affiliation(true, jid.bare(stanza.attr.from), "member");
		room:save_occupant(occupant);
		return;
	end
	local name = stanza:get_child_text("nick", "http://jabber.org/protocol/nick");
	if (not name or name == "") and not room._data.lobby_skip_display_name_check then
		return refuse(event, "modify", "not-acceptable", "406", function (reply)
			reply:tag("displayname-required", { xmlns = JITMEET, lobby = "true" }):up();
		end);
	end
	if affiliation ~= "none" then return; end
	return refuse(event, "auth", "registration-required", "407", function (reply)
		if room._data.lobby_extra_reason then reply:tag(room._data.lobby_extra_reason, { xmlns = JITMEET }):up(); end
		reply:tag("lobbyroom", { xmlns = JITMEET }):text(room._data.lobbyroom):up();
		-- Older clients look for it outside the error.
		reply:up():tag("lobbyroom"):text(room._data.lobbyroom):up();
	end);
end

util.process_host_module(rooms, function (context)
	context:hook("muc-config-submitted", function (event)
		if util.is_focus_jid(event.actor) then return; end
		if event.fields["muc#roomconfig_membersonly"] then
			attach(event.room);
		else
			detach(event.room, util.internal_room_jid_match_rewrite(event.room.jid));
		end
	end);
	context:hook("muc-room-destroyed", function (event) detach(event.room); end, 1);
	context:hook("muc-disco#info", function (event)
		if not event.room._data.lobbyroom or not event.room:get_members_only() then return; end
		table.insert(event.form, { name = "muc#roominfo_lobbyroom", label = "Address of the lobby", value = "" });
		event.formdata["muc#roominfo_lobbyroom"] = event.room._data.lobbyroom;
	end);
	context:hook("muc-occupant-pre-join", knock, -4);
	context:hook("host-disco-info-node", function (event)
		local room = named and event.origin.jitsi_web_query_room
			and util.get_room_from_jid(event.origin.jitsi_web_query_room .. "@" .. rooms);
		if room and room._data.lobbyroom and event.node == "lobbyrooms" then
			event.reply:tag("feature", { var = "http://jitsi.org/protocol/lobbyrooms#displayname_required" }):up();
		end
	end);
end);

-- The web page learns from a message that the room's configuration has changed.
local function changed(room)
	room:broadcast_message(st.message({ type = "groupchat", from = room.jid })
		:tag("x", { xmlns = MUC .. "#user" }):tag("status", { code = "104" }));
end

-- People inside already would otherwise have to leave as soon as the room is for members only.
module:hook_global("create-lobby-room", function (event)
	local room = event.room;
	for _, occupant in room:each_occupant() do
		local affiliation = room:get_affiliation(occupant.bare_jid) or "none";
		if affiliation == "none" then room:set_affiliation(true, occupant.bare_jid, "member"); end
	end
	room:set_members_only(true);
	room._data.lobby_extra_reason = event.reason;
	room._data.lobby_skip_display_name_check = event.skip_display_name_check;
	changed(room);
	attach(room);
end);

-- The room stays for members only if it was: it is up to the caller to change that.
module:hook_global("destroy-lobby-room", function (event)
	detach(event.room, event.newjid, event.message);
	changed(event.room);
end);
