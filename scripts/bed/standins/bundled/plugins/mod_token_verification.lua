-- For the MUC component: a token opens the room that it names and no other.
-- Stand-in for Jitsi's plugin of 2026, with its habit of writing the secret into
-- the debug log and refused tokens into the log.

local st = require "util.stanza";
local jid = require "util.jid";
local util = module:require "util";

-- If the first label of a host is not all letters and digits, the cut is in the middle of it.
local parent = module.host:match("%w+.(%w.+)");
if not parent then
	module:log("error", "no host is left of %s without its first label", module.host);
	return;
end

local tokens = module:require "token/util".new(module:context(parent));
if tokens == nil then return; end

module:log("debug", "tokens for %s checked with app_id: %s app_secret: %s allow_empty_token: %s",
	module.host, tostring(tokens.app_id), tostring(tokens.app_secret), tostring(tokens.allow_empty));

local allowlist = module:get_option_set("token_verification_allowlist", {});
module:hook_global("config-reloaded", function ()
	allowlist = module:get_option_set("token_verification_allowlist", {});
end);

local function exempt(session, from)
	local _, domain = jid.split(from);
	return util.is_admin(from) or session.type == "s2sin"
		or allowlist:contains(domain) or allowlist:contains(jid.bare(from));
end

local function stops(event)
	local session, stanza = event.origin, event.stanza;
	if exempt(session, stanza.attr.from) then return; end
	local allowed, element, reason = tokens:may_enter(session, stanza.attr.to);
	if allowed then return; end
	if not element and not reason then reason = "Room and token mismatched"; end
	module:log("error", "the token %s does not open %s: %s",
		tostring(session.auth_token), tostring(stanza.attr.to), tostring(element or reason));
	local reply = st.error_reply(stanza, "cancel", "not-allowed", reason);
	if element then reply:tag(element, { xmlns = "http://jitsi.org/jitmeet" }); end
	session.send(reply);
	return true;
end

module:hook("muc-room-pre-create", stops, 99);
module:hook("muc-occupant-pre-join", stops, 99);

-- If so configured, only people who came with a token may change a room's settings.
local guarded = module:get_option_boolean("token_verification_require_token_for_moderation");
local function settings(event)
	local session, stanza = event.origin, event.stanza;
	if not guarded or util.is_admin(stanza.attr.from) then return; end
	if session.auth_token and session.jitsi_meet_room then return; end
	session.send(st.error_reply(stanza, "cancel", "not-allowed", "Room modification disabled for guests"));
	return true;
end
module:hook("iq-set/bare/http://jabber.org/protocol/muc#owner:query", settings, -1);
module:hook("iq-set/host/http://jabber.org/protocol/muc#owner:query", settings, -1);
