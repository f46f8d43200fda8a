-- For the MUC component: a token opens the room that it names and no other.
-- Stand-in for Jitsi's plugin of late 2020, with its habit of writing the secret
-- into the debug log and refused tokens into the log.

local st = require "util.stanza";
local is_admin = require "core.usermanager".is_admin;

local parent = module.host:match("^[^.]+%.(.+)$");
if not parent then
	module:log("error", "no host is left of %s without its first label", module.host);
	return;
end

local tokens = module:require "token/util".new(module:context(parent));
if tokens == nil then return; end

module:log("debug", "tokens for %s checked with app_id: %s app_secret: %s allow_empty_token: %s",
	module.host, tostring(tokens.app_id), tostring(tokens.app_secret), tostring(tokens.allow_empty));

local function stops(event)
	local session, stanza = event.origin, event.stanza;
	if is_admin(stanza.attr.from, module.host) then return; end
	if tokens:may_enter(session, stanza.attr.to) then return; end
	module:log("error", "the token %s does not open %s", tostring(session.auth_token), tostring(stanza.attr.to));
	session.send(st.error_reply(stanza, "cancel", "not-allowed", "Room and token mismatched"));
	return true;
end

module:hook("muc-room-pre-create", stops, 99);
module:hook("muc-occupant-pre-join", stops, 99);
