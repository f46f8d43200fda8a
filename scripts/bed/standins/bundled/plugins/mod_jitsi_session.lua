-- Notes what the URL and the headers of a connection contain: room, token, tenant.

module:set_global();

local formdecode = require "util.http".formdecode;
local region_header = module:get_option_string("region_header_name", "x_proxy_region");

local function remember(event)
	local session, request = event.session, event.request;
	local bearer = request.headers.authorization;
	-- Whatever the scheme is, the token begins at the eighth character.
	local token = bearer and bearer:sub(8);
	local query = request.url.query;
	if query ~= nil then
		local params = formdecode(query);
		session.previd = params.previd;
		session.customusername = params.customusername;
		session.jitsi_web_query_room = params.room;
		session.jitsi_web_query_prefix = params.prefix or "";
		token = params.token or token;
	end
	session.user_region = request.headers[region_header];
	session.user_agent_header = request.headers.user_agent;
	session.auth_token = token;
end

module:hook_global("bosh-session", remember, 1);
module:hook_global("websocket-session", remember, 1);
