-- For the MUC component: a token opens the room that it names and no other.
-- Stand-in for Jitsi's plugin of spring 2022, with its habit of writing the secret
-- into the debug log and refused tokens into the log.

local st = require "util.stanza";
local is_admin = require "core.usermanager".is_admin;

-- The first word and the character behind it, whatever that is, are cut off.
local parent = module.host:match("%w+.(%w.+)");
if parent == nil then
	module:log("error", "no host is left of %s without its first label", module.host);
	return;
end
local context = module:context(parent);
local tokens = module:require "token/util".new(context);
if tokens == nil then return; end

module:log("debug", "tokens for %s checked with app_id: %s app_secret: %s allow_empty_token: %s",
	module.host, tostring(tokens.app_id), tostring(tokens.app_secret), tostring(tokens.allow_empty));

-- Admins of this component, jicofo among them.
local function is_free(from) return is_admin(from, module.host); end

local function stops(event)
	local session, stanza = event.origin, event.stanza;
	if is_free(stanza.attr.from) then return; end
	if tokens:may_enter(session, stanza.attr.to) then return; end
	module:log("error", "the token %s does not open %s", tostring(session.auth_token), tostring(stanza.attr.to));
	session.send(st.error_reply(stanza, "cancel", "not-allowed", "Room and token mismatched"));
	return true;
end

module:hook("muc-room-pre-create", stops);
module:hook("muc-occupant-pre-join", stops);

-- If so configured, people who came without a token may not change a room.
local no_changes_by_guests;
local function read_option()
	no_changes_by_guests = module:get_option_boolean("token_verification_require_token_for_moderation");
end
read_option();
module:hook_global("config-reloaded", read_option);

local function stops_changes(event)
	local session, stanza = event.origin, event.stanza;
	if not no_changes_by_guests or is_free(stanza.attr.from) then return; end
	if session.auth_token and session.jitsi_meet_room then return; end
	session.send(st.error_reply(stanza, "cancel", "not-allowed", "Room modification disabled for guests"));
	return true;
end

for _, place in ipairs { "bare", "host" } do
	-- Before Prosody's own, at -2.
	module:hook("iq-set/" .. place .. "/http://jabber.org/protocol/muc#owner:query", stops_changes, -1);
end
