-- Adds a room's password to the joins of hosts and accounts that need not know it.

local jid_split = require "util.jid".split;

local MUC = "http://jabber.org/protocol/muc";
local listed = module:get_option_set("muc_password_whitelist");

module:hook("muc-occupant-pre-join", function (event)
	local room, stanza = event.room, event.stanza;
	local user, domain = jid_split(stanza.attr.from);
	if not listed or not user or not (listed:contains(domain) or listed:contains(user .. "@" .. domain)) then return; end
	local x = stanza:get_child("x", MUC);
	if not x then x = stanza:tag("x", { xmlns = MUC }); end
	x:maptags(function (tag) if tag.name ~= "password" then return tag; end end);
	x:tag("password", { xmlns = MUC }):text(room:get_password()):up();
end, -7);

module:hook_global("config-reloaded", function () listed = module:get_option_set("muc_password_whitelist"); end);
