-- Stand-in for Jitsi's client_proxy and, on request, for the jicofo behind it: a client of Prosody that opens rooms for
-- anybody who asks, stays in them as "focus" and makes owners.
--
-- While the file /run/bed-jicofo exists, jicofo is there; otherwise nobody is, as before jicofo has started. Words in
-- the file change what it does:
--   refuse       its own authentication is on and keeps everybody out
--   slow         no room is ready yet
--   delay=S      a conference request is answered after S seconds (0)
--   owner=S      an owner is made S seconds after somebody joined (1)
-- Touching the file restarts jicofo, which reads its configuration only at the start.

local st = require "util.stanza";
local jid = require "util.jid";
local lfs = require "lfs";

local FOCUS = "http://jitsi.org/protocol/focus";
local MUC = "http://jabber.org/protocol/muc";
local MUC_ADMIN, MUC_USER = MUC .. "#admin", MUC .. "#user";
local SWITCH = "/run/bed-jicofo";
-- The package stand-in's script copies the configuration to here, since nobody else may read jicofo's folder.
local CONFIGS = { "/run/bed-jicofo.conf", "/etc/jitsi/jicofo/jicofo.conf" };
-- Seconds for which an empty room is kept for the client that requested it.
local PATIENCE = 15;

local account = module:get_option_string("target_address");
local user, host = jid.split(account);
local address = account .. "/bed";
local session, started, auto_owner;
local rooms = {};

local function words()
	local file = io.open(SWITCH);
	if not file then return nil; end
	local text = file:read("*a");
	file:close();
	local found = {};
	for word in text:gmatch("%S+") do
		local name, value = word:match("^(%w+)=(.*)$");
		found[name or word] = value or true;
	end
	return found;
end

-- The value of a path in jicofo's configuration, as text: `a.b = v` and `a { b = v }` in any mixture, the last one wins.
local function configured(wanted)
	local file = io.open(CONFIGS[1]) or io.open(CONFIGS[2]);
	if not file then return nil; end
	local path, found = {}, nil;
	for line in file:lines() do
		line = line:gsub("//.*", ""):gsub("#.*", "");
		for part in line:gmatch("[^{},]*[{},]?") do
			local text, mark = part:match("^%s*(.-)%s*([{},]?)$");
			local name, value = text:match("^([^=:%s]+)%s*[=:]%s*(.-)$");
			if mark == "{" then
				path[#path + 1] = text:match("^[^=:%s]+") or "";
			elseif name and table.concat({ table.concat(path, "."), name }, #path > 0 and "." or "") == wanted then
				found = value:gsub('^"(.*)"$', "%1");
			end
			if mark == "}" then path[#path] = nil; end
		end
	end
	file:close();
	return found;
end

local function tell(stanza)
	prosody.core_post_stanza(session, stanza, true);
end

local function leave(name)
	if not rooms[name] then return; end
	rooms[name] = nil;
	tell(st.presence({ from = address, to = name .. "/focus", type = "unavailable" }));
end

local function elect(room, name)
	local eldest;
	for _, member in pairs(room.members) do
		if member.affiliation == "owner" then return; end
		if not eldest or member.since < eldest.since then eldest = member; end
	end
	if not eldest then return; end
	tell(st.iq({ from = address, to = name, type = "set", id = "owner" })
		:tag("query", { xmlns = MUC_ADMIN }):tag("item", { affiliation = "owner", jid = jid.bare(eldest.jid) }));
end

local function elect_later(name)
	local mood = words();
	if not auto_owner or not mood then return; end
	module:add_timer(tonumber(mood.owner) or 1, function ()
		if rooms[name] then elect(rooms[name], name); end
	end);
end

local function seen(stanza)
	local name, nick = jid.bare(stanza.attr.from), jid.resource(stanza.attr.from);
	local room = rooms[name];
	if not room or not nick or nick == "focus" then return; end
	if stanza.attr.type == "unavailable" then
		room.members[nick] = nil;
		if next(room.members) then
			elect_later(name);
		elseif not room.expected then
			leave(name);
		end
	elseif not stanza.attr.type then
		local item = stanza:get_child("x", MUC_USER);
		item = item and item:get_child("item");
		local before = room.members[nick];
		room.count, room.expected = room.count + 1, false;
		room.members[nick] = {
			since = before and before.since or room.count, jid = item and item.attr.jid,
			affiliation = item and item.attr.affiliation,
		};
		if not before then elect_later(name); end
	end
end

local function receive(stanza)
	if stanza.name == "presence" then
		-- Later, not in the middle of what the room is doing.
		local copy = st.clone(stanza);
		module:add_timer(0, function () seen(copy); end);
	elseif stanza.name == "iq" and (stanza.attr.type == "get" or stanza.attr.type == "set") then
		tell(st.error_reply(stanza, "cancel", "feature-not-implemented"));
	end
	return true;
end

-- A session like that of a client that has logged in: rooms and roster see no difference.
local function log_in()
	local start = lfs.attributes(SWITCH, "modification");
	if session and started == start then return; end
	started, rooms = start, {};
	auto_owner = configured("jicofo.conference.enable-auto-owner") ~= "false";
	session = {
		type = "c2s", username = user, host = host, resource = "bed", full_jid = address, conn = true, secure = true,
		log = module._log, roster = {}, priority = 0, presence = st.presence({ from = address }), send = receive,
	};
	local all = { sessions = { bed = session }, roster = {} };
	prosody.hosts[host].sessions[user] = all;
	prosody.bare_sessions[account], prosody.full_sessions[address] = all, session;
end

local function open_room(name)
	log_in();
	if not rooms[name] then
		rooms[name] = { members = {}, count = 0 };
		tell(st.presence({ from = address, to = name .. "/focus" }):tag("x", { xmlns = MUC }):up());
	end
	rooms[name].expected = true;
	module:add_timer(PATIENCE, function ()
		if rooms[name] and next(rooms[name].members) == nil then leave(name); end
	end);
end

local function answer(stanza, mood)
	local request = stanza:get_child("conference", FOCUS);
	if mood.refuse then
		return module:send(st.error_reply(stanza, "auth", "not-authorized", "not authorized user domain"));
	end
	if mood.slow then
		return module:send(st.reply(stanza):tag("conference", { xmlns = FOCUS, room = request.attr.room, ready = "false" }));
	end
	local name = jid.prep(request.attr.room);
	local node, muc_host = jid.split(name);
	if not node or not (prosody.hosts[muc_host] or {}).modules or not prosody.hosts[muc_host].modules.muc then
		return module:send(st.error_reply(stanza, "cancel", "item-not-found"));
	end
	open_room(name);
	module:send(st.reply(stanza):tag("conference", { xmlns = FOCUS, room = name, ready = "true", focusjid = account }));
end

module:hook("iq/host", function (event)
	local stanza, mood = event.stanza, words();
	if not mood then
		event.origin.send(st.error_reply(stanza, "cancel", "service-unavailable"));
		return true;
	end
	if not stanza:get_child("conference", FOCUS) or stanza.attr.type ~= "set" then
		-- A client of its own that answers pings and nothing else; its answer takes a round.
		local reply = stanza:get_child("ping", "urn:xmpp:ping") and st.reply(stanza)
			or st.error_reply(stanza, "cancel", "feature-not-implemented");
		module:add_timer(0, function () module:send(reply); end);
		return true;
	end
	module:add_timer(tonumber(mood.delay) or 0, function () answer(stanza, mood); end);
	return true;
end);
