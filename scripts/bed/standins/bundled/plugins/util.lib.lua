-- Helpers of the other plugins: room addresses with and without a tenant.

local jid = require "util.jid";

local util = {};

function util.is_feature_allowed(session, feature)
	local features = session.jitsi_meet_context_features;
	if features == nil then return true; end
	return features[feature] == true or features[feature] == "true";
end

function util.room_name(address)
	local node = jid.node(address);
	return node and node:match("^%[[^%]]+%](.+)$") or node;
end

return util;
