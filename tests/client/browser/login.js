// How a person without a token logs in, as on Jitsi's page of August 2026 (features/authentication): config.js's login
// page is opened with its placeholders filled in, in a separate window if tokenAuthInline is true, else in place of
// this page. The window returns to static/sso.html, which hands over the token.

// 64 characters that nobody can guess.
const random = () => Array.from(crypto.getRandomValues(new Uint8Array(32)), byte => byte.toString(16).padStart(2, "0")).join("");

// The address, with each placeholder replaced once. The verifier is kept in session storage, of which a window opened
// from here gets a copy.
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

// Browsers open a window only within five seconds of a click. The browser driven here has no such rule, so the page
// enforces it.
let clicked = -Infinity;
addEventListener("click", event => { if (event.isTrusted) clicked = event.timeStamp; }, true);
const openWindow = address => performance.now() - clicked < 5000 ? window.open(address, "_blank", "popup,width=500,height=600") : null;

// The token, or an error in words. If no window may be opened now, `blocked` gets a function to call from a click.
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

// Logs in with the configured login page; never resolves if the browser leaves for that page.
async function login(room, blocked) {
    const address = await loginAddress(room);
    if (config.tokenAuthInline === true) return loginInWindow(address, blocked);
    location.href = address;
    return new Promise(() => {});
}
