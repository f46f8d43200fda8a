// A real OpenID provider, npm's oidc-provider, at https://id.DOMAIN:8443, with its own pages for login and consent.
// Its only client is Jitsi's page; anybody may log in. Lines of JSON on standard input change its behavior while it
// runs, each answered with "ready":
//   keys      names of its signing keys; the first one signs (["one"]). A name that is left out is a discarded key
//   life      how long an access token is valid, in seconds (300)
//   audience  the audience of access tokens (the client)
//   typ       the "typ" in their header ("JWT"; providers that follow RFC 9068 use "at+jwt")
//   cache     the Cache-Control of the key set (null: none, the provider's default)
//   cors      whether the page may request tokens from its own address (true)
//   down      whether it refuses connections (false)

import { generateKeyPairSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import { createInterface } from "node:readline";
import Provider from "oidc-provider";
import { serve } from "./names.mjs";

const [domain, client] = process.argv.slice(2);
const host = `id.${domain}`;
const site = `https://${domain}`;
const DEFAULTS = { keys: ["one"], life: 300, audience: client, typ: "JWT", cache: null, cors: true, down: false };
const keys = new Map();
let state, answer;

function key(name) {
    if (!keys.has(name)) {
        const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
        keys.set(name, { ...privateKey.export({ format: "jwk" }), kid: name, use: "sig", alg: "RS256" });
    }
    return keys.get(name);
}

// Sessions, codes and grants survive: all instances share its in-memory store.
function provider() {
    const made = new Provider(`https://${host}:8443`, {
        clients: [{
            client_id: client,
            redirect_uris: [`${site}/static/sso.html`],
            token_endpoint_auth_method: "none",
            response_types: ["code"],
            grant_types: ["authorization_code"],
        }],
        jwks: { keys: state.keys.map(key) },
        claims: { openid: ["sub"], profile: ["name"], email: ["email"] },
        clientBasedCORS: (_, origin) => state.cors && origin === site,
        cookies: { keys: ["of no worth"] },
        features: {
            resourceIndicators: {
                enabled: true,
                defaultResource: () => site,
                useGrantedResource: () => true,
                getResourceServerInfo: () => ({
                    scope: "", audience: state.audience, accessTokenTTL: state.life, accessTokenFormat: "jwt",
                    jwt: { sign: { alg: "RS256" } },
                }),
            },
        },
        formats: { customizers: { jwt: (_, __, token) => { token.header = { ...token.header, typ: state.typ }; } } },
    });
    made.use(async (ctx, next) => {
        await next();
        if (ctx.path === "/jwks" && state.cache) ctx.set("Cache-Control", state.cache);
    });
    return made.callback();
}

const tls = { cert: readFileSync("/srv/browser/id.crt"), key: readFileSync("/srv/browser/id.key") };
const server = createServer(tls, (request, response) => answer(request, response));

async function become(wanted) {
    state = { ...DEFAULTS, ...wanted };
    answer = provider();
    if (state.down && server.listening) {
        const closed = new Promise(done => server.close(done));
        server.closeAllConnections();
        await closed;
    } else if (!state.down && !server.listening) {
        await new Promise(done => server.listen(8443, "127.0.0.1", done));
    }
    process.stdout.write("ready\n");
}

await serve(host);
await become({});
for await (const line of createInterface({ input: process.stdin })) await become(JSON.parse(line));
process.exit();
