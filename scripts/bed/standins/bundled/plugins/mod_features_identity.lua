-- Components announce themselves through the virtual host.

module:hook("jitsi-add-identity", function (event)
	module:add_identity("component", event.name, event.host);
end);
