var config = {
    hosts: {
        domain: 'meet.example.org',
        // anonymousdomain: 'guest.example.com',
        muc: 'conference.meet.example.org',
    },
    bosh: 'https://meet.example.org/http-bind',
    websocket: 'wss://meet.example.org/xmpp-websocket',
};
