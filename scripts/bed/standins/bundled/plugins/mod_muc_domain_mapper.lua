-- Tenants: room@conference.tenant.DOMAIN outside is [tenant]room@conference.DOMAIN inside, for every stanza of every host.

local filters = require "util.filters";
local util = module:require "util";

if not module:get_option_string("muc_mapper_domain_base") then
	module:log("warn", "muc_mapper_domain_base is not set: nothing is mapped");
	return;
end

local function outside(stanza)
	local conference = stanza.name == "iq" and stanza:get_child("conference");
	if conference then conference.attr.room = util.room_jid_match_rewrite(conference.attr.room); end
	if stanza.attr.to then stanza.attr.to = util.room_jid_match_rewrite(stanza.attr.to); end
	if stanza.attr.from then stanza.attr.from = util.internal_room_jid_match_rewrite(stanza.attr.from); end
end

local function map(stanza, session)
	if not stanza.skipMapping and session.type ~= "s2sout"
		and (stanza.name == "message" or stanza.name == "iq" or stanza.name == "presence") then
		outside(stanza);
	end
	return stanza;
end

local function hook_session(session) filters.add_filter(session, "stanzas/out", map); end
function module.load() filters.add_filter_hook(hook_session); end
function module.unload() filters.remove_filter_hook(hook_session); end

local function going(event)
	local attr = event.stanza.attr;
	if attr.to then attr.to = util.room_jid_match_rewrite(attr.to); end
end

local function coming(event)
	local attr = event.stanza.attr;
	if attr.from then attr.from = util.internal_room_jid_match_rewrite(attr.from); end
end

local function add_host(host)
	module:log("info", "rooms' addresses are mapped on %s", host);
	local context = module:context(host);
	for _, kind in ipairs { "message", "presence", "iq" } do
		for _, target in ipairs { "host", "bare", "full" } do
			context:hook(kind .. "/" .. target, coming);
			context:hook("pre-" .. kind .. "/" .. target, going);
		end
	end
end

prosody.events.add_handler("host-activated", add_host);
for host in pairs(prosody.hosts) do add_host(host); end
