-- Tells moderators in their own presence what they may do, if their token does not say so.

local filters = require "util.filters";
local jid = require "util.jid";
local util = module:require "util";

local MUC_USER = "http://jabber.org/protocol/muc#user";

local base = module:get_option_string("muc_mapper_domain_base");
if not base then
	module:log("warn", "muc_mapper_domain_base is not set: no permissions are sent");
	return;
end
-- muc_meeting_id loads this module on the breakout rooms too, where it has nothing to do.
if module.host ~= module:get_option_string("muc_mapper_domain_prefix", "conference") .. "." .. base then return; end

local default = module:get_option("jitsi_default_permissions", {
	livestreaming = true, recording = true, transcription = true, ["outbound-call"] = true, ["create-polls"] = true,
	["send-groupchat"] = true, flip = true, ["live-translation"] = true, ["live-translation-subscribe"] = true,
});

module:hook("muc-pre-set-affiliation", function (event)
	local room = event.room;
	room.send_default_permissions_to = room.send_default_permissions_to or {};
	room.send_default_permissions_to[event.jid] = true;
end);

local function is_moderator(x)
	for item in x:childtags("item") do
		if item.attr.role == "moderator" then return true; end
	end
end

local function add_permissions(stanza, session)
	if not stanza.attr or not stanza.attr.to or stanza.name ~= "presence" or stanza.attr.type == "unavailable"
		or util.is_focus(stanza.attr.from) then return stanza; end
	local to = jid.bare(stanza.attr.to);
	local x = not util.is_admin(to) and stanza:get_child("x", MUC_USER);
	if not x or not util.presence_check_status(x, "110") then return stanza; end
	local room = util.get_room_from_jid(util.room_jid_match_rewrite(jid.bare(stanza.attr.from)));
	local wanted = room and room.send_default_permissions_to;
	if not wanted then return stanza; end
	if session.auth_token and session.jitsi_meet_context_features then
		wanted[to] = nil;
		return stanza;
	end
	if not is_moderator(x) or not wanted[to] then return stanza; end
	wanted[to] = nil;
	session.jitsi_meet_context_features = session.jitsi_meet_context_features or default;
	stanza:tag("permissions", { xmlns = "http://jitsi.org/jitmeet" });
	for name, value in pairs(session.jitsi_meet_context_features) do
		stanza:tag("p", { name = name, val = tostring(value) }):up();
	end
	stanza:up();
	return stanza;
end

filters.add_filter_hook(function (session) filters.add_filter(session, "stanzas/out", add_permissions, -2); end);
