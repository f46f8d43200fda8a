-- The last of several plugins that are asked whether a room may go.

module:hook_global("maybe-destroy-room", function (event)
	event.room:clear();
	event.room:destroy(nil, event.reason);
end, -1);
