-- Telephone dial-in through a hosted service; link this file into conf.d to use it.
VirtualHost "jigasi.meet.jitsi"
    modules_enabled = {
        "ping";
        "bosh";
        "muc_password_check";
    }
    authentication = "token"
    app_id = "jitsi";
    asap_key_server = "https://keys.example.org/jitsi-components/prod"
    asap_accepted_issuers = { "jaas-components" }
    asap_accepted_audiences = { "jigasi.jitmeet.example.com" }
