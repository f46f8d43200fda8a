-- Stand-in for Jitsi's client_proxy and, on request, for the jicofo behind it.
-- While the file /run/bed-jicofo exists, a conference request opens the room and
-- is answered "ready"; otherwise nobody is there, as before jicofo has started.
-- If the file says "refuse", jicofo's own authentication is on and keeps everybody
-- out; if it says "slow", no room is ready yet.

local st = require "util.stanza";
local jid = require "util.jid";

local FOCUS = "http://jitsi.org/protocol/focus";

local function jicofo()
	local file = io.open("/run/bed-jicofo");
	if not file then return nil; end
	local mood = file:read("*l") or "";
	file:close();
	return mood;
end

local function open_room(address)
	local _, muc_host = jid.split(address);
	local host = prosody.hosts[muc_host];
	local muc = host and host.modules.muc;
	if not muc then return false; end
	return muc.get_room_from_jid(address) or muc.create_room(address) ~= nil;
end

module:hook("iq/host", function (event)
	local session, stanza = event.origin, event.stanza;
	local request = stanza:get_child("conference", FOCUS);
	local mood = jicofo();
	if not mood then
		session.send(st.error_reply(stanza, "cancel", "service-unavailable"));
		return true;
	end
	if not request or stanza.attr.type ~= "set" then
		session.send(stanza:get_child("ping", "urn:xmpp:ping") and st.reply(stanza)
			or st.error_reply(stanza, "cancel", "feature-not-implemented"));
		return true;
	end
	if mood == "refuse" then
		session.send(st.error_reply(stanza, "auth", "not-authorized", "not authorized user domain"));
		return true;
	end
	if mood == "slow" then
		session.send(st.reply(stanza):tag("conference", { xmlns = FOCUS, room = request.attr.room, ready = "false" }));
		return true;
	end
	local room = jid.prep(request.attr.room);
	if not room or not open_room(room) then
		session.send(st.error_reply(stanza, "cancel", "item-not-found"));
		return true;
	end
	session.send(st.reply(stanza):tag("conference", {
		xmlns = FOCUS, room = room, ready = "true", focusjid = module:get_option_string("target_address"),
	}));
	return true;
end);
