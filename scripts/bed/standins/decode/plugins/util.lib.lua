-- Helpers of the other plugins: room addresses with and without a tenant, and web requests. Stand-in for Jitsi's of late
-- 2020. Like it, this defines globals of the module that requires it.

local jid = require "util.jid";
local http = require "net.http";
local timer = require "util.timer";
local have_async, async = pcall(require, "util.async");

local PATIENCE = 30;   -- seconds for one request

local prefix = module:get_option_string("muc_mapper_domain_prefix", "conference");
local base = module:get_option_string("muc_mapper_domain_base", module.host);
local muc_domain = module:get_option_string("muc_mapper_domain", prefix .. "." .. base);

local function literally(text) return (text:gsub("%p", "%%%0")); end
local of_tenant = "^" .. literally(prefix) .. ".([^%.]+)%." .. literally(base);

local util = {};

function starts_with(text, start) return text:sub(1, #start) == start; end

-- Splits "[tenant]room" into tenant and room.
function extract_subdomain(node)
	if not starts_with(node, "[") then return nil, node; end
	return node:match("^%[([^%]]+)%](.+)$");
end

-- Queries to a tenant's component without a room, by their ID: the answer must come from where they were sent.
local asked = {};

-- room@conference.tenant.DOMAIN is [tenant]room@conference.DOMAIN inside.
function util.room_jid_match_rewrite(address, stanza)
	local node, host, resource = jid.split(address);
	if not host or host == muc_domain or not starts_with(host, prefix) then return address; end
	local tenant = host:match(of_tenant);
	if not tenant then return address; end
	if node then return jid.join("[" .. tenant .. "]" .. node, muc_domain, resource); end
	if stanza and stanza.attr.id then asked[stanza.attr.id] = stanza.attr.to; end
	return jid.join(nil, muc_domain, resource);
end

-- The way back.
function util.internal_room_jid_match_rewrite(address, stanza)
	local node, host, resource = jid.split(address);
	if host ~= muc_domain or not node then
		local id = stanza and stanza.attr.id;
		local origin = id and asked[id];
		if not origin then return address; end
		asked[id] = nil;
		return origin;
	end
	local tenant, room = extract_subdomain(node);
	if not (tenant and room) then return address; end
	return jid.join(room, prefix .. "." .. tenant .. "." .. base, resource);
end

function util.is_feature_allowed(session, feature)
	local features = session.jitsi_meet_context_features;
	return features == nil or features[feature] == "true";
end

function util.is_healthcheck_room(address) return starts_with(address, "__jicofo-health-check"); end

-- The body of a page, or nil after `retries` further attempts. The caller's task waits.
function util.http_get_with_retry(url, retries)
	local wait, done = async.waiter();
	local body, answered, late;
	local function request()
		return http.request(url, nil, function (text, code)
			if late then return; end
			answered = true;
			if code == 200 or code == 204 then
				body = text;
			else
				module:log("warn", "%s answered %s", url, tostring(code));
			end
			done();
		end);
	end
	timer.add_task(PATIENCE, function ()
		if answered then return; end
		late = true;
		module:log("warn", "no answer of %s in %d seconds", url, PATIENCE);
		if not retries or retries < 1 then done(); return; end
		retries = retries - 1;
		request();
		return PATIENCE;
	end);
	request();
	wait();
	return body;
end

util.extract_subdomain = extract_subdomain;
util.have_async = have_async;

return util;
