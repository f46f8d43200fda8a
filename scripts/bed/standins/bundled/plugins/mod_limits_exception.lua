-- jicofo and the bridges may send as much as they like.

local unlimited = module:get_option_inherited_set("unlimited_jids", {});
local stanza_size = module:get_option_number("unlimited_size", 10 * 1024 * 1024);
if unlimited:empty() then return; end

module:hook("authentication-success", function (event)
	local session = event.session;
	if not unlimited:contains(session.username .. "@" .. session.host) then return; end
	if session.conn and session.conn.setlimit then
		session.conn:setlimit(0);
	else
		session.throttle = nil;
	end
	if session.stream and session.stream.set_stanza_size_limit then session.stream:set_stanza_size_limit(stanza_size); end
end);
