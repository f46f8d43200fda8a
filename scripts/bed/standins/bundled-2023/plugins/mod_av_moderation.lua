-- Announces where the component of this name is.

module:depends("jitsi_session");
module:add_identity("component", "av_moderation", module:get_option_string("av_moderation_component", "avmoderation." .. module.host));
