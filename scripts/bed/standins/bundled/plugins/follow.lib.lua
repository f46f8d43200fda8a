-- For the stand-ins of components that watch meetings: hooks what Jitsi's hook, and keeps a record of each room as they
-- do, but sends nothing. So a join costs as much as in Jitsi, and the same hook priorities are in use.

local cjson = require "cjson.safe";
local jid = require "util.jid";
local st = require "util.stanza";
local util = module:require "util";

local records = {};

local function note(name, event)
	local room = event.room;
	if not room or util.is_healthcheck_room(room.jid) then return; end
	local record = records[room.jid] or { events = {}, people = {} };
	records[room.jid] = record;
	record.events[#record.events + 1] = name;
	if event.occupant then record.people[event.occupant.nick] = event.occupant.bare_jid; end
	if name == "muc-room-destroyed" then records[room.jid] = nil; end
end

local function message(event)
	local origin, stanza = event.origin, event.stanza;
	if not stanza.attr.from or origin.type ~= "c2s" then return; end
	local text = stanza:get_child_text("json-message", "http://jitsi.org/jitmeet");
	local asked = text and cjson.decode(text);
	local room = type(asked) == "table" and type(asked.room) == "string" and util.get_room_from_jid(jid.bare(asked.room));
	if not room or not room:get_occupant_by_real_jid(stanza.attr.from) then
		origin.send(st.error_reply(stanza, "cancel", "not-allowed"));
	end
	return true;
end

local follow = {};

-- `events` maps names to priorities; they are events of the rooms' host `host`.
function follow.rooms(host, events)
	if not host then
		module:log("error", "the rooms' component is not named: %s does nothing", module.name);
		return;
	end
	util.process_host_module(host, function (context)
		for name, priority in pairs(events) do
			context:hook(name, function (event) note(name, event); end, priority);
		end
	end);
end

-- `name` is what the virtual host announces; messages to the component must come from people in the room they name.
function follow.announce(name)
	local main = module:get_option_string("muc_mapper_domain_base");
	if main then
		util.process_host_module(main, function (context)
			context:fire_event("jitsi-add-identity", { name = name, host = module.host });
		end);
	end
	module:hook("message/host", message);
end

return follow;
