// How somebody without a token logs in, as in Jitsi's page of August 2026 (features/authentication): the login page of
// config.js is opened with what its placeholders stand for, in a window of its own where tokenAuthInline is true, else in
// place of this page. The window comes back to static/sso.html, which hands the token over.

// 64 characters that nobody guesses.
const random = () => Array.from(crypto.getRandomValues(new Uint8Array(32)), byte => byte.toString(16).padStart(2, "0")).join("");

// The address, each placeholder replaced once. The verifier waits in the session storage, which a window that is opened
// from here gets a copy of.
async function loginAddress(room) {
    const state = { room, roomSafe: encodeURIComponent(room.toLowerCase()), tenant: "", "config.prejoinConfig.enabled": false };
    const verifier = random();
    sessionStorage.setItem("code_verifier", verifier);
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
    const challenge = btoa(String.fromCharCode(...new Uint8Array(digest)));
    return config.tokenAuthUrl
        .replace("{state}", encodeURIComponent(JSON.stringify(state)))
        .replace("{room}", room)
        .replace("{code_challenge}", challenge.replace(/=/g, "").replace(/\+/g, "-").replace(/\//g, "_"));
}

// Browsers open a window only within five seconds of a click. The one that is driven here has no such rule, so the page
// keeps it.
let clicked = -Infinity;
addEventListener("click", event => { if (event.isTrusted) clicked = event.timeStamp; }, true);
const openWindow = address => performance.now() - clicked < 5000 ? window.open(address, "_blank", "popup,width=500,height=600") : null;

// The token, or an error in words. `blocked` gets what has to be called by a click if no window may be opened now.
function loginInWindow(address, blocked) {
    return new Promise((done, failed) => {
        const nonce = random();
        sessionStorage.setItem("oauth_nonce", nonce);
        const listen = popup => {
            const end = () => {
                removeEventListener("message", heard);
                clearInterval(watch);
                popup.close();
                sessionStorage.removeItem("oauth_nonce");
                sessionStorage.removeItem("code_verifier");
            };
            const heard = ({ origin, data }) => {
                if (origin !== location.origin) return;
                if (data.type === "oauth-success") { end(); done(data.accessToken); }
                if (data.type === "oauth-error") { end(); failed(new Error(data.error)); }
            };
            addEventListener("message", heard);
            const watch = setInterval(() => { if (popup.closed) { end(); failed(new Error("the login window was closed")); } }, 500);
        };
        const attempt = () => openWindow(`${address}&nonce=${nonce}`);
        const popup = attempt();
        if (popup) listen(popup);
        else blocked(() => listen(attempt()));
    });
}

// Where a login page is configured; nothing comes of it if the browser leaves for it.
async function login(room, blocked) {
    const address = await loginAddress(room);
    if (config.tokenAuthInline === true) return loginInWindow(address, blocked);
    location.href = address;
    return new Promise(() => {});
}
