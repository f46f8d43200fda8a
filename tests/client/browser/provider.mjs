// A real OpenID provider, npm's oidc-provider, at https://id.DOMAIN:8443, with its own pages for the login and the consent.
// Its one client is Jitsi's page; anybody may log in. What it does is changed while it runs by lines of JSON on standard
// input, each answered with "ready":
//   keys      names of its signing keys; the first signs (["one"]). A name that is gone is a key thrown away
//   life      how long an access token is valid, in seconds (300)
//   audience  whom access tokens are for (the client)
//   typ       what their header says that they are ("JWT"; providers that follow RFC 9068 say "at+jwt")
//   cache     the Cache-Control of the key set (null: none, as the provider does by itself)
//   cors      whether the page may ask for tokens from its own address (true)
//   down      whether it does not listen (false)

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

// Sessions, codes and grants stay: its store in memory is one for all of them.
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
