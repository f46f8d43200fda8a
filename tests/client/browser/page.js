// A page that joins the meeting of its address, with Jitsi's own library and the site's own config.js, and does what
// Jitsi's page does on the way: it uses the token from the fragment, else from the query; sends visitors without one to
// the login page, if there is one; and has visitors who are sent to the lobby knock there and go in when the lobby is
// closed. The outcome is in `window.outcome` and on the screen.

const NAMES = { loading: "Loading", connecting: "Connecting", joining: "Connected", lobby: "Waiting for the host",
    joined: "In the meeting", refused: "Not let in", left: "Left", blocked: "Login window blocked" };

// The driver may set, before the page loads, how it logs in and under which name.
const { transport = "bosh", name = "Somebody" } = window.visit || {};
const room = decodeURIComponent(location.pathname.split("/").pop()).toLowerCase();
let conference;

window.outcome = { state: "loading", detail: "", role: null };

function show(state, detail = "") {
    Object.assign(window.outcome, { state, detail });
    document.getElementById("where").textContent = `${location.host}${location.pathname}`;
    const heading = document.getElementById("state");
    heading.textContent = `${name}: ${NAMES[state].toLowerCase()}`;
    heading.className = { joined: "good", lobby: "wait", refused: "bad" }[state] || "";
    document.getElementById("detail").textContent = detail;
    people();
}

function people() {
    const list = document.getElementById("people");
    list.replaceChildren();
    if (!conference || window.outcome.state !== "joined") return;
    const role = conference.isModerator() ? "moderator" : "participant";
    window.outcome.role = role;
    const others = conference.getParticipants().map(other => [other.getDisplayName(), other.getRole()]);
    for (const [who, what] of [[`${name} (me)`, role], ...others]) {
        const line = document.createElement("li");
        line.append(who || "?", Object.assign(document.createElement("b"), { textContent: what }));
        list.append(line);
    }
}

// As in Jitsi's jwt/functions and parseURLParams: the fragment takes precedence over the query. Its value is JSON, so a
// token without quotes does not count.
function token() {
    const given = part => new URLSearchParams(part.slice(1)).get("jwt");
    try {
        return JSON.parse(given(location.hash)) || given(location.search) || undefined;
    } catch {
        return given(location.search) || undefined;
    }
}

// Newer versions of the library have a separate error for the wait for a host; here it is a members-only room.
async function failed(error, ...more) {
    const { errors } = JitsiMeetJS;
    if (error === errors.conference.MEMBERS_ONLY_ERROR) {
        try {
            await conference.joinLobby(name);
            show("lobby", "You are in the lobby.");
        } catch (reason) {
            show("refused", `lobby: ${reason.message || reason}`);
        }
        return;
    }
    // Nobody is thrown out: the lobby is closed because the host has come, and the library joins the room by itself.
    if (error === errors.conference.CONFERENCE_DESTROYED && window.outcome.state === "lobby") return;
    show("refused", [error, ...more].filter(word => typeof word === "string").join(": "));
}

function join(connection) {
    const { events } = JitsiMeetJS;
    conference = connection.initJitsiConference(room, { openBridgeChannel: false, p2p: { enabled: false } });
    conference.setDisplayName(name);
    conference.on(events.conference.CONFERENCE_FAILED, failed);
    conference.on(events.conference.CONFERENCE_JOINED, () => show("joined"));
    conference.on(events.conference.CONFERENCE_LEFT, () => show("left"));
    for (const event of ["USER_JOINED", "USER_LEFT", "USER_ROLE_CHANGED", "DISPLAY_NAME_CHANGED"]) {
        conference.on(events.conference[event], people);
    }
    show("joining");
    conference.join();
}

// The first window is blocked because nobody clicked; Jitsi's page then shows a button to try again.
function blocked(retry) {
    show("blocked");
    const button = document.getElementById("login");
    button.hidden = false;
    button.onclick = () => {
        button.hidden = true;
        show("loading");
        retry();
    };
}

function connect(jwt) {
    const { events, errors } = JitsiMeetJS;
    const service = transport === "websocket" ? config.websocket : config.bosh;
    const options = { ...config, serviceUrl: `${service}?room=${room}` };
    const connection = new JitsiMeetJS.JitsiConnection(null, jwt, options);
    connection.addEventListener(events.connection.CONNECTION_ESTABLISHED, () => join(connection));
    connection.addEventListener(events.connection.CONNECTION_FAILED, (error, message) => {
        if (error !== errors.connection.PASSWORD_REQUIRED || jwt || !config.tokenAuthUrl) {
            show("refused", [error, message].filter(Boolean).join(": "));
            return;
        }
        login(room, blocked).then(
            given => {
                window.outcome.token = given;
                connect(given);
            },
            reason => show("refused", `login: ${reason.message}`));
    });
    window.leave = () => connection.disconnect();
    show("connecting");
    connection.connect();
}

JitsiMeetJS.setLogLevel(window.visit?.log || JitsiMeetJS.logLevels.ERROR);
JitsiMeetJS.init({ disableAudioLevels: true, disableThirdPartyRequests: true });
connect(token());
