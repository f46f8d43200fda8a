//! Broken servers, each correctly named by `verify`. One machine is broken and repaired again, so that each case starts
//! from the same good one; small servers of the tests play the web server in front.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use serde_json::json;

use crate::bed::{HOST_FILE, Machine};
use crate::rooms::{restart, with_tokens};

/// A server of the tests in the container's network, stopped on drop.
pub struct Front(Child);

impl Front {
    /// Starts a web server.
    pub fn start(machine: &Machine, args: &[&str]) -> Self {
        Self::of(machine, "front.py", args)
    }

    /// Starts whatever this script of `tests/client` plays.
    pub fn of(machine: &Machine, script: &str, args: &[&str]) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/client").join(script);
        let script = script.display().to_string();
        let mut command = machine.beside(&[&["python3", &script], args].concat());
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("its output");
        BufReader::new(stdout).read_line(&mut line).expect("it speaks");
        assert_eq!(line.trim(), "ready", "{args:?}");
        Self(child)
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What is wrong with the output of `verify`; `None` if it exits 4 and has all the words.
fn unnamed(machine: &Machine, args: &[&str], words: &[&str]) -> Option<String> {
    let run = machine.tool(&[&["verify"], args].concat());
    let said = run.all();
    let missing: Vec<&&str> = words.iter().filter(|word| !said.contains(**word)).collect();
    (run.code != 4 || !missing.is_empty()).then(|| format!("{args:?}: exit {}, without {missing:?}:\n{said}", run.code))
}

struct Case {
    name: &'static str,
    /// What breaks the server.
    script: &'static str,
    restart: bool,
    args: &'static [&'static str],
    words: &'static [&'static str],
}

const PLUGINS: &str = "/usr/share/jitsi-meet/prosody-plugins";

const CASES: [Case; 9] = [
    Case {
        name: "plugin not loaded",
        script: "rm /usr/local/share/lua/5.4/basexx.lua",
        restart: true,
        args: &[],
        words: &["the token plugin is not loaded", "Error initializing module 'auth_token'"],
    },
    Case {
        name: "plugin crashed",
        script: "sed -i 's/jwt\\.verify(/jwt.decode(/' PLUGINS/token/util.lib.lua
                 grep -q 'jwt.decode(' PLUGINS/token/util.lib.lua",
        restart: true,
        args: &["--transport", "bosh"],
        words: &["the token plugin crashes", "attempt to call"],
    },
    Case {
        name: "room check off",
        script: "sed -i 's/^ *\"token_verification\";/--&/' HOST_FILE",
        restart: true,
        args: &[],
        words: &["every token opens every room", "token_verification is not loaded"],
    },
    Case {
        name: "other secret",
        script: "sed -i 's/app_secret=\"[0-9A-F]*\"/app_secret=\"FEDCBA9876543210FEDCBA9876543210\"/' HOST_FILE",
        restart: false,
        args: &[],
        words: &["another app_secret than its configuration", "restart Prosody"],
    },
    Case {
        name: "Prosody down",
        script: "systemctl stop prosody",
        restart: false,
        args: &[],
        words: &["connection refused by http://127.0.0.1:5280/http-bind", "systemctl start prosody"],
    },
    Case {
        name: "encryption demanded over BOSH",
        script: "sed -i 's/c2s_require_encryption = false/c2s_require_encryption = true/; s/consider_bosh_secure = true/consider_bosh_secure = false/' HOST_FILE",
        restart: true,
        args: &["--transport", "bosh"],
        words: &["requires encryption", "consider_bosh_secure = true", "if the web server in front uses TLS"],
    },
    Case {
        name: "encryption demanded over WebSocket",
        script: "sed -i 's/c2s_require_encryption = false/c2s_require_encryption = true/; s/consider_websocket_secure = true/consider_websocket_secure = false/' HOST_FILE",
        restart: true,
        args: &[],
        words: &["over WebSocket: Prosody requires encryption", "consider_websocket_secure = true"],
    },
    Case {
        name: "WebSocket off",
        script: "sed -i 's/^ *\"websocket\";/--&/' HOST_FILE",
        restart: true,
        args: &["--transport", "websocket"],
        words: &["mod_websocket is not enabled", "check that \"websocket\" is in the host's modules_enabled"],
    },
    Case {
        name: "clock two hours off",
        script: "sed -i '1i local os = setmetatable({ time = function () return require(\"os\").time() + 7200; end }, { __index = os });' PLUGINS/luajwtjitsi.lib.lua",
        restart: true,
        args: &[],
        words: &["the clocks of Prosody's machine and this machine differ", "timedatectl"],
    },
];

const KEEP: &str = "mkdir /root/good; cp -a HOST_FILE PLUGINS /usr/local/share/lua/5.4 /root/good/";
const REPAIR: &str = "cat /root/good/meet.example.org.cfg.lua > HOST_FILE
rm -rf PLUGINS /usr/local/share/lua/5.4
cp -a /root/good/prosody-plugins /usr/share/jitsi-meet/; cp -a /root/good/5.4 /usr/local/share/lua/";

fn on(machine: &Machine, script: &str) {
    let script = script.replace("HOST_FILE", HOST_FILE).replace("PLUGINS", PLUGINS);
    machine.sh(&format!("set -e\n{script}"));
}

fn assert_good(machine: &Machine) {
    let good = machine.tool(&["verify"]);
    assert_eq!(good.code, 0, "{}", good.all());
}

#[test]
fn verify_diagnoses_each_broken_server() {
    let machine = with_tokens("bookworm-bundled");
    on(&machine, "touch /run/bed-jicofo");
    assert_good(&machine);
    on(&machine, KEEP);
    let mut wrong = Vec::new();
    for case in &CASES {
        on(&machine, case.script);
        if case.restart {
            restart(&machine);
        }
        let unnamed = unnamed(&machine, case.args, case.words);
        wrong.extend(unnamed.map(|what| format!("{}: {what}", case.name)));
        on(&machine, REPAIR);
        restart(&machine);
    }
    assert_good(&machine);
    // A site may serve WebSocket alone.
    on(&machine, "sed -i 's/^ *\"bosh\";/--&/' HOST_FILE");
    restart(&machine);
    assert_good(&machine);
    let status = machine.tool(&["status", "--json"]).json();
    assert_eq!(
        (&status["proof"]["verdict"], &status["proof"]["probes"][0]["transport"]),
        (&json!("full"), &json!("websocket"))
    );
    on(&machine, REPAIR);
    restart(&machine);
    wrong.extend(wrong_web_servers(&machine));
    on(&machine, "systemctl stop prosody");
    let stranger = Front::start(&machine, &["5280", "page"]);
    wrong.extend(unnamed(&machine, &[], &["not served by Prosody (a web page)", "ss -ltnp"]));
    drop(stranger);
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

fn wrong_web_servers(machine: &Machine) -> Vec<String> {
    let mut wrong = Vec::new();
    let _fronts = [
        Front::start(machine, &["8502", "status", "502"]),
        Front::start(machine, &["8404", "status", "404"]),
        Front::start(machine, &["8200", "page"]),
        Front::start(machine, &["8025", "babble"]),
    ];
    for transport in ["bosh", "websocket"] {
        for (port, words) in [
            (8502, ["does not reach Prosody (HTTP 502", "systemctl start prosody"]),
            (8404, ["it answers with HTTP 404", "configure the web server to proxy"]),
            (8200, ["it answers with a web page", "configure the web server to proxy"]),
            (8025, ["not served by Prosody", "without --url"]),
            (9999, ["the web server is not running", "systemctl status nginx"]),
        ] {
            let url = format!("http://127.0.0.1:{port}");
            wrong.extend(unnamed(machine, &["--url", &url, "--transport", transport], &words));
        }
    }
    wrong
}

/// A certificate authority of our own, and a certificate that it signed.
const CERTIFICATES: &str = "mkdir -p /root/tls; cd /root/tls
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.pem 2>/dev/null
openssl req -newkey rsa:2048 -nodes -subj /CN=meet -keyout server.key -out server.csr 2>/dev/null
printf 'basicConstraints=CA:FALSE\\nsubjectAltName=DNS:meet.example.org,IP:127.0.0.1\\n' > extra
openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile extra -out server.pem 2>/dev/null
cat server.key server.pem > both.pem";

#[test]
fn verify_works_over_tls_with_a_trusted_certificate() {
    let machine = with_tokens("bookworm-bundled");
    on(&machine, "touch /run/bed-jicofo");
    on(&machine, CERTIFICATES);
    let certificate = machine.root().join("root/tls/both.pem").display().to_string();
    let _front = Front::start(&machine, &["8443", "proxy", &certificate]);
    let url = ["--url", "https://127.0.0.1:8443"];
    for transport in ["bosh", "websocket"] {
        let args = [&url[..], &["--transport", transport]].concat();
        let words = ["is not trusted", "for a self-signed certificate, use --insecure"];
        let what = unnamed(&machine, &args, &words);
        assert_eq!(what, None);
    }
    let proved = |args: &[&str]| {
        let run = machine.tool(&[&["verify", "--json"], args].concat());
        assert_eq!(run.code, 0, "{}", run.all());
        let why = run.json()["proof"]["reason"].as_str().unwrap_or_default().to_owned();
        assert!(why.contains("over BOSH; the logins tested over WebSocket agree"), "{why}");
    };
    proved(&[&url[..], &["--insecure"]].concat());
    on(&machine, "mkdir -p /etc/ssl/certs; cat /root/tls/ca.pem >> /etc/ssl/certs/ca-certificates.crt");
    proved(&url);
}
