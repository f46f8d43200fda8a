-- Tenants: outside, a room is room@conference.TENANT.DOMAIN; inside, it is [TENANT]room@conference.DOMAIN. Stand-in for
-- Jitsi's plugin; for every host of the server, wherever it is loaded.

local filters = require "util.filters";

if not module:get_option_string("muc_mapper_domain_base") then
	module:log("warn", "without 'muc_mapper_domain_base' nothing is mapped");
	return;
end

local util = module:require "util";
local inwards, outwards = util.room_jid_match_rewrite, util.internal_room_jid_match_rewrite;

local function rewrite(stanza, name, way)
	if stanza.attr[name] then stanza.attr[name] = way(stanza.attr[name], stanza); end
end

-- Stanzas that go out to a client trigger the events below.
local function to_client(stanza)
	if stanza.name ~= "message" and stanza.name ~= "presence" and stanza.name ~= "iq" then return stanza; end
	local conference = stanza.name == "iq" and stanza:get_child("conference");
	if conference then conference.attr.room = inwards(conference.attr.room, stanza); end
	rewrite(stanza, "to", inwards);
	rewrite(stanza, "from", outwards);
	return stanza;
end

local function watch(session) filters.add_filter(session, "stanzas/out", to_client); end

function module.load() filters.add_filter_hook(watch); end
function module.unload() filters.remove_filter_hook(watch); end

local function serve(host)
	local context = module:context(host);
	for _, kind in ipairs { "message", "presence", "iq" } do
		for _, to in ipairs { "host", "bare", "full" } do
			context:hook(kind .. "/" .. to, function (event) rewrite(event.stanza, "from", outwards); end);
			context:hook("pre-" .. kind .. "/" .. to, function (event) rewrite(event.stanza, "to", inwards); end);
		end
	end
end

prosody.events.add_handler("host-activated", serve);
for host in pairs(prosody.hosts) do serve(host); end
