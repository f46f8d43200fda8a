// Drives a browser through visits to meetings. Standard input: a JSON object
//   { "transport": "bosh" | "websocket", "visits": [...], "view": the size of a window }
// where a visit is one of
//   { "who", "open": ADDRESS }            a person opens an address; returns once the outcome is known.
//                                         With "claims" and "secret", a token is made, as applications do, and put into
//                                         the fragment, or with "query": true into the query; "token" gives one.
//                                         Where the page wants a login in a separate window: "login": NAME fills in the
//                                         provider's forms, "login": true expects that no form is shown, and
//                                         "login": false closes the window
//   { "who", "until": STATE }             waits until somebody who has an address open reaches a state
//   { "who", "look": SECONDS }            looks again after a while
//   { "who", "picture": FILE }            takes a screenshot of that person's page
//   { "who", "close": true }              the person leaves
// Standard output: a JSON array with what each visit showed: { who, state, detail, role, seconds }, and the token if it
// came from a login. Each person has a separate browser profile, with one tab.

import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import puppeteer from "puppeteer-core";

const LIMIT = 30_000;
// Nothing that hangs may block the caller forever.
setTimeout(() => { process.stderr.write("the visits took too long\n"); process.exit(1); }, 300_000).unref();
const SETTLED = ["joined", "lobby", "refused", "blocked"];

const { transport, visits, log, view } = JSON.parse(readFileSync(0, "utf8"));
const browser = await puppeteer.launch({
    executablePath: "/usr/bin/chromium-headless-shell",
    // acceptInsecureCerts does not apply to a window that a page opens.
    args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-proxy-server", "--ignore-certificate-errors"],
    defaultViewport: view,
});
const pages = new Map();

function signed(claims, secret) {
    const part = value => Buffer.from(JSON.stringify(value)).toString("base64url");
    const body = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
    return `${body}.${createHmac("sha256", secret).update(body).digest("base64url")}`;
}

// In the fragment, the value is JSON.
function address({ open: start, claims, secret, query, token = claims && signed(claims, secret) }) {
    return token ? start + (query ? `?jwt=${token}` : `#jwt=%22${token}%22`) : start;
}

async function newPage(who) {
    const context = await browser.createBrowserContext();
    const page = await context.newPage();
    pages.set(who, page);
    page.on("pageerror", error => process.stderr.write(`${who}: ${error.message}\n`));
    if (log) page.on("console", message => process.stderr.write(`${who}: ${message.text()}\n`));
    await page.evaluateOnNewDocument(visit => { window.visit = visit; }, { transport, name: who, log });
    return page;
}

async function open(visit) {
    const page = pages.get(visit.who) ?? await newPage(visit.who);
    await page.goto(address(visit), { timeout: LIMIT });
    await reached(page, SETTLED);
    if (visit.login === undefined || await page.evaluate(() => window.outcome.state) !== "blocked") return;
    const opened = new Promise(done => page.once("popup", done));
    await page.click("#login");
    await logIn(await opened, visit.login);
    await reached(page, SETTLED);
}

// The provider's two pages: the login and the consent. A person who has a session there sees neither.
async function logIn(popup, name) {
    popup.setDefaultTimeout(LIMIT);
    if (name === false) {
        await popup.close();
    } else if (name !== true) {
        await popup.waitForSelector("input[name=login]");
        await popup.type("input[name=login]", name);
        await popup.type("input[name=password]", "whatever");
        await Promise.all([popup.waitForNavigation(), popup.click("[type=submit]")]);
        await popup.click("[value=consent] ~ [type=submit]");
    }
}

const reached = (page, states) =>
    page.waitForFunction(wanted => wanted.includes(window.outcome?.state), { timeout: LIMIT, polling: 20 }, states)
        .catch(error => { if (error.name !== "TimeoutError") throw error; });

async function take(visit) {
    if (visit.open) await open(visit);
    const page = pages.get(visit.who);
    if (visit.until) await reached(page, [visit.until]);
    if (visit.look) await new Promise(done => setTimeout(done, visit.look * 1000));
    if (visit.picture) await page.screenshot({ path: visit.picture });
    const outcome = await page.evaluate(() => window.outcome);
    if (visit.close) {
        await page.evaluate(() => window.leave?.());
        await page.browserContext().close();
        pages.delete(visit.who);
    }
    return outcome;
}

const seen = [];
try {
    for (const visit of visits) {
        const start = performance.now();
        const outcome = await take(visit);
        seen.push({ who: visit.who, ...outcome, seconds: (performance.now() - start) / 1000 });
    }
} finally {
    await browser.close();
}
process.stdout.write(JSON.stringify(seen));
