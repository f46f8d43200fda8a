-- The token decides whether its bearer moderates; a lobby comes first, except for those whom it lets in.

local util = module:require "util";

local MUC = "http://jabber.org/protocol/muc";
local OWNING = { owner = true, moderator = true, teacher = true };

local function said(session)
	if not session.auth_token then return nil; end
	local user = session.jitsi_meet_context_user;
	local owner = user and (OWNING[user.affiliation] or user.moderator == true or user.moderator == "true");
	return owner and "owner" or "member";
end

module:hook("muc-occupant-pre-join", function (event)
	local room, occupant = event.room, event.occupant;
	if util.is_healthcheck_room(room.jid) or util.is_admin(occupant.bare_jid) then return; end
	if room:get_members_only() and (room:get_affiliation(occupant.bare_jid) or "none") == "none" then
		local join = event.stanza:get_child("x", MUC);
		local password = join and join:get_child_text("password", MUC);
		if not password or password ~= room:get_password() then return; end
	end
	local affiliation = said(event.origin);
	if not affiliation then return; end
	room:set_affiliation(true, occupant.bare_jid, affiliation);
	if affiliation == "owner" then occupant.role = "moderator"; end
end, -3.5);
