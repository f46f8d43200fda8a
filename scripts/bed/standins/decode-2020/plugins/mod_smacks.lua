-- Stream management without resumption. Stand-in for Jitsi's copy of mod_smacks, which Prosody finds before its own
-- mod_smacks, on every host that enables it.

local st = require "util.stanza";
local add_filter = require "util.filters".add_filter;

local SM = "urn:xmpp:sm:3";

module:hook("stream-features", function (event)
	if event.origin.username and not event.origin.smacks then
		event.features:tag("sm", { xmlns = SM }):tag("optional"):up():up();
	end
end);

local function counted(session)
	session.smacks, session.handled_stanza_count = SM, 0;
	add_filter(session, "stanzas/in", function (stanza)
		if not stanza.attr.xmlns then session.handled_stanza_count = session.handled_stanza_count + 1; end
		return stanza;
	end, 1000);
end

module:hook_stanza(SM, "enable", function (session)
	if session.smacks or not session.resource then
		session.send(st.stanza("failed", { xmlns = SM })
			:tag("unexpected-request", { xmlns = "urn:ietf:params:xml:ns:xmpp-stanzas" }));
		return true;
	end
	counted(session);
	session.send(st.stanza("enabled", { xmlns = SM }));
	return true;
end, 100);

module:hook_stanza(SM, "r", function (session)
	if not session.smacks then return; end
	session.send(st.stanza("a", { xmlns = SM, h = tostring(session.handled_stanza_count) }));
	return true;
end);

module:hook_stanza(SM, "a", function (session) return session.smacks and true or nil; end);
