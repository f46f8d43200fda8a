-- Shared by the other plugins: addresses of rooms with and without a tenant, who is who, hosts that come up later.
-- Each plugin loads its own copy, as with Jitsi's.

local jid = require "util.jid";
local http = require "net.http";
local async = require "util.async";
local timer = require "util.timer";
local new_cache = require "util.cache".new;

local HTTP_TIMEOUT = 30;

local prefix = module:get_option_string("muc_mapper_domain_prefix", "conference");
local base = module:get_option_string("muc_mapper_domain_base", module.host);
local muc_domain = module:get_option_string("muc_mapper_domain", prefix .. "." .. base);
local virtual_host = "^" .. prefix:gsub("%p", "%%%0") .. "%.([^%.]+)%." .. base:gsub("%p", "%%%0") .. "$";

local every_admin = module:context("*"):get_option_set("admins", {}) / jid.prep;
local host_admins = module:get_option_inherited_set("admins", {}) / jid.prep;

local to_internal, to_virtual, tenants = new_cache(1000), new_cache(1000), new_cache(1000);

local util = {};

function util.is_feature_allowed(feature, features, is_moderator)
	if not features then return is_moderator; end
	return features[feature] == "true" or features[feature] == true;
end

-- "[tenant]room" gives tenant and room, "room" gives nil and room.
function util.extract_subdomain(node)
	local known = tenants:get(node);
	if not known then
		local tenant, room = node:match("^%[([^%]]+)%](.+)$");
		known = { tenant = tenant, room = room or node };
		tenants:set(node, known);
	end
	return known.tenant, known.room;
end

-- room@conference.tenant.DOMAIN is [tenant]room@conference.DOMAIN inside.
function util.room_jid_match_rewrite(address)
	local known = to_internal:get(address);
	if known then return known; end
	local node, host, resource = jid.split(address);
	local tenant = host and host:match(virtual_host);
	known = tenant and jid.join(node and "[" .. tenant .. "]" .. node, muc_domain, resource) or address;
	to_internal:set(address, known);
	return known;
end

function util.internal_room_jid_match_rewrite(address)
	local known = to_virtual:get(address);
	if known then return known; end
	local node, host, resource = jid.split(address);
	known = address;
	if node and host == muc_domain then
		local tenant, room = util.extract_subdomain(node);
		if tenant then known = jid.join(room, prefix .. "." .. tenant .. "." .. base, resource); end
	end
	to_virtual:set(address, known);
	return known;
end

function util.get_room_from_jid(address)
	local _, host = jid.split(address);
	local component = prosody.hosts[host];
	local muc = component and component.modules.muc;
	return muc and muc.get_room_from_jid(address) or nil;
end

-- Only the option counts, neither roles nor Prosody's own list.
function util.is_admin(address)
	local bare = jid.bare(address);
	return every_admin:contains(bare) or host_admins:contains(bare);
end

function util.is_focus(nick)
	return nick ~= nil and nick:sub(-#"/focus") == "/focus";
end

function util.is_focus_jid(address)
	return jid.node(address) == "focus";
end

function util.is_healthcheck_room(address)
	local name = "__jicofo-health-check";
	return address:sub(1, #name) == name;
end

function util.presence_check_status(x, code)
	for status in (x and x:childtags("status") or function () end) do
		if status.attr.code == code then return true; end
	end
	return false;
end

-- Calls back with the context of a host, at once or as soon as the host is there.
function util.process_host_module(name, callback)
	local function activated(host)
		if host == name then callback(module:context(host), host); end
	end
	if prosody.hosts[name] then
		activated(name);
	else
		prosody.events.add_handler("host-activated", activated, -100);
	end
end

-- The body of a document and its max-age; tried again after each timeout, `retries` times.
function util.http_get_with_retry(url, retries)
	local wait, done = async.waiter();
	local body, code, max_age, answered;
	local function try()
		http.request(url, { headers = { ["User-Agent"] = "Prosody (" .. prosody.version .. ")" }, method = "GET" },
			function (text, status, response)
				if answered then return; end
				answered, code = true, status;
				if status == 200 or status == 204 then
					body = text;
					max_age = ((response or {}).headers or {})["cache-control"];
					max_age = max_age and max_age:match("age=(%w+)");
				else
					module:log("warn", "%s answered %s", url, tostring(status));
				end
				done();
			end);
	end
	try();
	timer.add_task(HTTP_TIMEOUT, function ()
		if answered then return; end
		if retries < 1 then
			answered = true;
			done();
			return;
		end
		retries = retries - 1;
		try();
		return HTTP_TIMEOUT;
	end);
	wait();
	return body, code, max_age;
end

return util;
