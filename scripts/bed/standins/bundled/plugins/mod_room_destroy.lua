-- The last of several plugins that decide whether a room may be destroyed.

module:hook_global("maybe-destroy-room", function (event)
	event.room:clear();
	event.room:destroy(nil, event.reason);
end, -1);
