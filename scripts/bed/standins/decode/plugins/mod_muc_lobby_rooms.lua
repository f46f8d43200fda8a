-- Lobbies: people who are not on the list of a members-only room are sent to a second room, for a moderator to decide.
-- Stand-in for Jitsi's plugin of late 2020, as far as somebody who wants to enter notices it.

local jid = require "util.jid";
local st = require "util.stanza";
local is_healthcheck_room = module:require "util".is_healthcheck_room;

local MUC = "http://jabber.org/protocol/muc";

local main_host, lobby_host = module:get_option_string("main_muc"), module:get_option_string("lobby_muc");
if not main_host or not lobby_host then
	module:log("error", "lobbies need 'main_muc' and 'lobby_muc'");
	return;
end

local welcome;
local function read_option() welcome = module:get_option_set("muc_lobby_whitelist", {}); end
read_option();
module:hook_global("config-reloaded", read_option);

-- Calls `ready` once the host is there.
local function once_there(host, ready)
	if prosody.hosts[host] then return ready(module:context(host), prosody.hosts[host]); end
	prosody.events.add_handler("host-activated", function (name)
		if name == host then ready(module:context(host), prosody.hosts[host]); end
	end);
end

local lobbies;   -- the MUC service of the lobby's component

local function serve_lobbies(muc)
	lobbies = muc;
	module:add_identity("component", "lobbyrooms", lobby_host);
	-- Everybody has the same affiliation in a lobby as in its room.
	lobbies.room_mt.get_affiliation = function (room, address)
		return room.main_room and room.main_room:get_affiliation(address) or "none";
	end
end

once_there(lobby_host, function (_, host)
	if host.modules.muc then return serve_lobbies(host.modules.muc); end
	host.events.add_handler("module-loaded", function (event)
		if event.module == "muc" then serve_lobbies(host.modules.muc); end
	end);
end);

local function open_lobby(room)
	local address = jid.node(room.jid) .. "@" .. lobby_host;
	if not lobbies or lobbies.get_room_from_jid(address) then return; end
	local lobby = lobbies.create_room(address);
	lobby:set_persistent(true);
	lobby.main_room = room;
	room._data.lobbyroom = address;
	room:save(true);
	return true;
end

local function close_lobby(room)
	local lobby = lobbies and room._data.lobbyroom and lobbies.get_room_from_jid(room._data.lobbyroom);
	room._data.lobbyroom = nil;
	if not lobby then return; end
	lobby:set_persistent(false);
	lobby:destroy();
end

once_there(main_host, function (context)
	context:hook("muc-config-submitted", function (event)
		if jid.node(event.actor) == "focus" then return; end
		if not event.fields["muc#roomconfig_membersonly"] then close_lobby(event.room); return; end
		if open_lobby(event.room) then event.status_codes["104"] = true; end
	end);
	context:hook("muc-room-destroyed", function (event) close_lobby(event.room); end);
	-- Before Prosody's own refusal, at -5.
	context:hook("muc-occupant-pre-join", function (event)
		local room, stanza = event.room, event.stanza;
		if is_healthcheck_room(room.jid) or not room:get_members_only() then return; end
		local join = stanza:get_child("x", MUC);
		if not join then return; end
		local from = stanza.attr.from;
		local affiliation = room:get_affiliation(from);
		local password = join:get_child_text("password", MUC);
		if welcome:contains(jid.host(from)) or welcome:contains(jid.bare(from))
			or password and password == room:get_password() then
			if not affiliation then
				event.occupant.role = "participant";
				room:set_affiliation(true, jid.bare(from), "member");
				room:save();
			end
			return;
		end
		if affiliation and affiliation ~= "none" then return; end
		local reply = st.error_reply(stanza, "auth", "registration-required"):up();
		reply.tags[1].attr.code = "407";
		reply:tag("x", { xmlns = MUC }):up();
		reply:tag("lobbyroom"):text(room._data.lobbyroom or ""):up();
		event.origin.send(reply:tag("x", { xmlns = MUC }));
		return true;
	end, -4);
end);
