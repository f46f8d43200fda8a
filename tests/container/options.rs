//! Every option of `install` that controls how tokens are judged: set one after the other on one machine, seen in the
//! plan, proved by the tool's logins and by an independent client, and undone.

use serde_json::Value;

use crate::bed::{DOMAIN, HOST_FILE, Machine, Run, steps_in, written};

const GUEST: &str = "guest.meet.example.org";

/// A machine that requires tokens.
struct Site {
    machine: Machine,
    before: String,
}

/// Bytes, mode and owner of what the options change.
const STATE: &str = "stat -c '%n %a %U:%G' /etc/prosody/conf.avail/* /etc/jitsi/meet/*; sha256sum /etc/prosody/conf.avail/* /etc/jitsi/meet/*";

const PAGE: &str = "var config = {
    hosts: {
        domain: 'meet.example.org',
        // anonymousdomain: 'guest.example.com',
        muc: 'conference.meet.example.org',
    },
};
";

impl Site {
    fn installed(profile: &str) -> Self {
        let machine = Machine::boot(profile);
        machine.sh(&format!(
            "set -e; touch /run/bed-jicofo; mkdir -p /etc/jitsi/meet; cat > /etc/jitsi/meet/{DOMAIN}-config.js <<'END'\n{PAGE}END"
        ));
        let before = machine.sh(STATE);
        let site = Self { machine, before };
        site.install(&[]);
        site
    }

    fn run(&self, options: &[&str]) -> Run {
        let all = [&["install", "--yes", "--json"], options].concat();
        self.machine.tool(&all)
    }

    /// Sets options; the plan shows them first, and a second run has nothing to do.
    fn install(&self, options: &[&str]) -> Value {
        let plan = self.machine.tool(&[&["install", "--dry-run", "--json"], options].concat());
        assert_eq!(plan.code, 0, "{}", plan.all());
        let plan = plan.json();
        assert_eq!(plan["pending"], true, "{options:?}: {plan:#}");
        let run = self.run(options);
        assert_eq!(run.code, 0, "{options:?}: {}", run.all());
        let report = run.json();
        assert_eq!(steps_in(&report, "done"), steps_in(&plan, "pending"), "{options:?}");
        let again = self.run(options).json();
        assert_eq!(steps_in(&again, "done"), [""; 0], "{options:?}: {again:#}");
        assert_eq!(again["exit_code"], 0, "{options:?}: {again:#}");
        report
    }

    fn refused(&self, options: &[&str], words: &[&str]) {
        let file = self.machine.sh(STATE);
        let run = self.run(options);
        assert_eq!(run.code, 5, "{options:?}: {}", run.all());
        for word in words {
            assert!(run.stdout.contains(word), "{word}: {}", run.all());
        }
        assert_eq!(self.machine.sh(STATE), file, "{options:?}: something was changed");
    }

    /// The outcome of one login of the independent client, without a token or with one signed according to `sign`.
    fn login(&self, host: &str, sign: Option<&[&str]>) -> String {
        let mut options = vec!["--host", host, "--http-host", DOMAIN];
        let (app_id, secret) = self.machine.credentials();
        let (_secret, key) = written(&secret);
        if let Some(sign) = sign {
            options.extend(["--secret-file", &key, "--iss", &app_id]);
            options.extend(sign);
        }
        let seen = self.machine.login(&options);
        seen["login"].as_str().unwrap_or_default().to_owned()
    }

    /// Uninstalls; everything is as before the first install.
    fn assert_undone(self) {
        let run = self.machine.tool(&["uninstall", "--yes"]);
        assert_eq!(run.code, 0, "{}", run.all());
        assert_eq!(self.machine.sh(STATE), self.before);
    }
}

fn probe(report: &Value, id: &str) -> Value {
    let probes = report["proof"]["probes"].as_array().cloned().unwrap_or_default();
    let found = probes.into_iter().find(|probe| probe["id"] == id);
    found.unwrap_or_else(|| panic!("no probe \"{id}\": {report:#}"))
}

/// The options of both eras.
fn common(site: &Site) {
    let report = site.install(&["--audience", "app", "--audience", "other"]);
    assert_eq!(probe(&report, "wrong-audience")["outcome"], "refused");
    assert_eq!(site.login(DOMAIN, Some(&["--aud", "other"])), "accepted");
    assert_eq!(site.login(DOMAIN, Some(&["--aud", "jitsi"])), "refused");

    let app_id = site.machine.credentials().0;
    site.install(&["--issuer", &app_id, "--issuer", "partner", "--audience", "*"]);
    assert_eq!(site.login(DOMAIN, Some(&["--iss", "partner"])), "accepted");
    assert_eq!(site.login(DOMAIN, Some(&["--iss", "stranger"])), "refused");

    assert_eq!(site.login(DOMAIN, None), "refused");
    let report = site.install(&["--allow-empty-token"]);
    assert_eq!(probe(&report, "no-token")["outcome"], "accepted");
    assert_eq!(site.login(DOMAIN, None), "accepted");
    // An option that is left out stays set; "off" unsets it.
    let file = site.machine.sh(STATE);
    assert_eq!(site.run(&[]).code, 0);
    assert_eq!(site.machine.sh(STATE), file);
    let report = site.install(&["--allow-empty-token=off"]);
    assert_eq!(probe(&report, "no-token")["ok"], true);
    assert_eq!(site.login(DOMAIN, None), "refused");
}

/// The virtual host for guests and the web page that names it.
fn guests(site: &Site) {
    let report = site.install(&["--guests", "--web-config"]);
    assert_eq!(probe(&report, "guest-alone")["outcome"], "accepted");
    assert_eq!(site.login(GUEST, None), "accepted");
    assert_eq!(site.login(DOMAIN, None), "refused");
    let text = site.machine.text(HOST_FILE);
    let section = format!("VirtualHost \"{GUEST}\"\n    authentication = 'jitsi-anonymous'\n");
    assert!(text.contains(&section), "{text}");
    every_proof_includes_guests(site);
    a_reinstalled_package_leaves_the_guests_alone(site);
    let page = site.machine.text(&format!("/etc/jitsi/meet/{DOMAIN}-config.js"));
    let named = format!("anonymousdomain: '{GUEST}',");
    assert_eq!(page, PAGE.replace("// anonymousdomain: 'guest.example.com',", &named));
}

/// `status`, `verify` and a plain `install` log in as a guest where there is a host for guests.
fn every_proof_includes_guests(site: &Site) {
    for (command, id) in [
        (&["status", "--json"][..], "guest"),
        (&["verify", "--json"], "guest-alone"),
        (&["install", "--yes", "--json"], "guest"),
    ] {
        let run = site.machine.tool(command);
        assert_eq!(run.code, 0, "{command:?}: {}", run.all());
        assert_eq!(probe(&run.json(), id)["outcome"], "accepted");
    }
}

/// The package's script changes every "anonymous" in the file to "token"; the guests' has different quotes.
fn a_reinstalled_package_leaves_the_guests_alone(site: &Site) {
    let machine = &site.machine;
    let file = machine.text(HOST_FILE);
    machine.sh("apt-get install -q -y --reinstall jitsi-meet-tokens; DEBIAN_FRONTEND=noninteractive dpkg-reconfigure jitsi-meet-tokens");
    assert_eq!(machine.text(HOST_FILE), file);
    // Its script may have restarted Prosody, which then needs a moment.
    assert_eq!(site.run(&[]).code, 0);
    assert_eq!(site.login(GUEST, None), "accepted");
    assert_eq!(site.login(DOMAIN, None), "refused");
}

#[test]
fn decode_era_options_work_and_others_are_rejected() {
    let site = Site::installed("bullseye-decode");
    let util = "/usr/share/jitsi-meet/prosody-plugins/token/util.lib.lua";
    site.refused(&["--signature-algorithm", "HS384"], &["signature_algorithm", util]);
    let moderation = ["token_verification_require_token_for_moderation", "mod_token_verification.lua"];
    without_support(&site, moderation[0], || {
        site.refused(&["--moderators-need-token"], &moderation);
    });
    let report = site.install(&["--domain-check", "on"]);
    assert_eq!(probe(&report, "other-site-room")["ok"], true);
    common(&site);
    site.assert_undone();
}

/// Runs `act` while the plugin does not know this option.
fn without_support(site: &Site, option: &str, act: impl Fn()) {
    let plugin = "/usr/share/jitsi-meet/prosody-plugins/mod_token_verification.lua";
    site.machine.sh(&format!("cp -p {plugin} /root/plugin; sed -i s/{option}/another_option/ {plugin}"));
    act();
    site.machine.sh(&format!("mv /root/plugin {plugin}"));
}

/// A page that is missing, or too much of a program, is rejected before anything is changed.
fn odd_pages(site: &Site) {
    let page = format!("/etc/jitsi/meet/{DOMAIN}-config.js");
    site.machine.sh(&format!("mv {page} /etc/jitsi/meet/other.js; echo 'config.hosts = hosts();' > {page}"));
    site.refused(&["--guests", "--web-config"], &[&format!("{page}:1"), GUEST]);
    site.machine.remove(&page);
    site.refused(&["--guests", "--web-config"], &[&page, "do not use --web-config"]);
    site.machine.sh(&format!("mv /etc/jitsi/meet/other.js {page}"));
}

fn bundled_era_options(profile: &str) {
    let site = Site::installed(profile);
    let report = site.install(&["--signature-algorithm", "HS384"]);
    assert_eq!(probe(&report, "other-algorithm")["ok"], true);
    assert_eq!(site.login(DOMAIN, Some(&["--alg", "HS384"])), "accepted");
    assert_eq!(site.login(DOMAIN, Some(&["--alg", "HS256"])), "refused");
    site.install(&["--signature-algorithm", "HS256"]);

    site.install(&["--require-room", "off"]);
    assert_eq!(site.login(DOMAIN, Some(&["--claim-room", ""])), "accepted");
    let report = site.install(&["--require-room", "on"]);
    assert_eq!(probe(&report, "no-room-claim")["ok"], true);
    assert_eq!(site.login(DOMAIN, Some(&["--claim-room", ""])), "refused");

    site.install(&["--domain-check", "off"]);
    let moderation = "token_verification_require_token_for_moderation";
    without_support(&site, moderation, || {
        site.refused(&["--moderators-need-token"], &[moderation, "mod_token_verification.lua"]);
    });
    site.install(&["--moderators-need-token"]);
    let text = site.machine.text(HOST_FILE);
    assert!(text.contains(&format!("{moderation} = true\n")), "{text}");

    common(&site);
    site.assert_undone();
}

#[test]
fn guests_and_their_host_in_the_web_page() {
    let site = Site::installed("bookworm-bundled");
    odd_pages(&site);
    guests(&site);
    site.assert_undone();
}

mod thorough {
    #[test]
    fn bundled_era_options_work_on_debian_12() {
        super::bundled_era_options("bookworm-bundled");
    }

    #[test]
    fn bundled_era_options_work_on_debian_13() {
        super::bundled_era_options("trixie-bundled");
    }
}
