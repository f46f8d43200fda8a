-- Announces where the component of this name is.

module:depends("jitsi_session");
module:add_identity("component", "room_metadata", module:get_option_string("room_metadata_component", "metadata." .. module.host));
