-- Written by jitsi-tokens-setup for plugins that have no token_affiliation yet: the token decides who moderates.
-- Owner: context.user.moderator is true, or context.user.affiliation is owner, moderator or teacher. Any other token:
-- member. No token: nothing is done.

local jid = require "util.jid";

local admins = module:get_option_inherited_set("admins", {}) / jid.prep;
local MODERATING = { owner = true, moderator = true, teacher = true };

local function affiliation_of(session)
	if not session.auth_token then return nil; end
	local user = session.jitsi_meet_context_user;
	if type(user) == "table"
		and (user.moderator == true or user.moderator == "true" or MODERATING[user.affiliation]) then
		return "owner";
	end
	return "member";
end

-- A lobby keeps out people without an affiliation, so none is given until the lobby, or a password, has let them in.
local function lobby_decides(room, occupant, stanza)
	if not room:get_members_only() then return false; end
	local known = room:get_affiliation(occupant.bare_jid);
	if known and known ~= "none" then return false; end
	local join = stanza:get_child("x", "http://jabber.org/protocol/muc");
	local password = join and join:get_child_text("password", "http://jabber.org/protocol/muc");
	return not (password and password == room:get_password());
end

-- After the hook that lets people past a lobby (-3), before the lobby itself (-4).
module:hook("muc-occupant-pre-join", function (event)
	local room, occupant = event.room, event.occupant;
	local is_check = (jid.node(room.jid) or ""):find("^__jicofo%-health%-check");
	if is_check or admins:contains(occupant.bare_jid) then return; end
	local affiliation = affiliation_of(event.origin);
	if not affiliation or lobby_decides(room, occupant, event.stanza) then return; end
	room:set_affiliation(true, occupant.bare_jid, affiliation);
	occupant.role = affiliation == "owner" and "moderator" or room:get_default_role(affiliation) or occupant.role;
end, -3.5);
