-- Notes what the address of a connection says: room, token, tenant.

module:set_global();

local formdecode = require "util.http".formdecode;

local function remember_query(event)
	local session, request = event.session, event.request;
	local query = request.url.query;
	if query == nil then return; end
	local params = formdecode(query);
	if type(params) ~= "table" then return; end
	session.auth_token = params.token;
	session.jitsi_web_query_room = params.room;
	session.jitsi_web_query_prefix = params.prefix or "";
end

module:hook_global("bosh-session", remember_query, 1);
module:hook_global("websocket-session", remember_query, 1);
