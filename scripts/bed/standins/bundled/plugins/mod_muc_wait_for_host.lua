-- On the rooms' component: until somebody with a token is in a room, everybody else is sent to its lobby. People from
-- the site's own virtual host count as having a token, whether they do or not.

local jid = require "util.jid";
local util = module:require "util";

local site = module:get_option_string("muc_mapper_domain_base");
if not site then
	module:log("warn", "muc_mapper_domain_base is not set: nobody waits");
	return;
end
local makes_owners = not module:get_option_boolean("wait_for_host_disable_auto_owners", false);

local function of_site(session, occupant)
	return session.username and jid.host(occupant.bare_jid) == site;
end

if makes_owners then
	module:hook("muc-occupant-joined", function (event)
		local session, occupant = event.origin, event.occupant;
		if session.auth_token or of_site(session, occupant) then
			event.room:set_affiliation(true, occupant.bare_jid, "owner");
		end
	end, 2);
end

local function host_is_there(room)
	for _, occupant in room:each_occupant() do
		local session = prosody.full_sessions[occupant.jid];
		if jid.host(occupant.bare_jid) == site or session and session.auth_token then return true; end
	end
	return false;
end

module:hook("room_has_host", function (event)
	if event.session.auth_token or of_site(event.session, event.occupant) then return true; end
end);

module:hook("muc-occupant-pre-join", function (event)
	local room, occupant, session = event.room, event.occupant, event.origin;
	if util.is_admin(occupant.bare_jid) or util.is_healthcheck_room(room.jid) or room.has_host then return; end
	if host_is_there(room) then
		room.has_host = true;
	elseif module:fire_event("room_has_host", { room = room, occupant = occupant, session = session }) then
		room:set_members_only(false);
		room:set_persistent(false);
		-- Nobody had a role while the room was for members only.
		occupant.role = room:get_default_role(room:get_affiliation(occupant.bare_jid)) or "participant";
		module:fire_event("room_host_arrived", room.jid, session);
		prosody.events.fire_event("destroy-lobby-room", { room = room, newjid = util.internal_room_jid_match_rewrite(room.jid), message = "The host is here." });
	elseif not room:get_members_only() then
		prosody.events.fire_event("create-persistent-lobby-room", {
			room = room, reason = "waiting-for-host", skip_display_name_check = true,
		});
	end
end);

