//! Configurations in the shapes of real sites, `tests/fixtures/sites`, one after the other on one machine: Prosody's
//! own loader sees what was wanted and everything else as before; once installed, each is proved and undone byte for
//! byte; and what cannot be handled is rejected before anything is changed.

#[path = "../fixtures/sites.rs"]
mod fixtures;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use serde_json::Value;

use self::fixtures::{Content, Site};
use crate::bed::{DOMAIN, LISTENING, Machine, Run};
use crate::story::STATE;

/// The folder of Jitsi's plugins.
const PLUGINS: &str = "/usr/share/jitsi-meet/prosody-plugins/";

/// The base for every site: Debian's main file with the Include that Jitsi's package adds, certificates, no site.
const PRISTINE: &str = "rm -f /etc/prosody/conf.*/meet.example.org.cfg.lua; cp -a /etc/prosody /srv/pristine";

/// The value of every option, by section and name.
type Options = BTreeMap<(String, String), String>;

/// A machine on which one site after the other is put.
struct Ground {
    machine: Machine,
    /// The domain that debconf knows.
    debconf: RefCell<Option<String>>,
}

impl Ground {
    fn boot(machine: Machine, jicofo: bool) -> Self {
        if jicofo {
            machine.jicofo_answers();
        }
        machine.sh(PRISTINE);
        let debconf = RefCell::new(Some(DOMAIN.to_owned()));
        Self { machine, debconf }
    }

    /// Replaces the previous site with this one; `more` is a script that runs in between.
    fn put(&self, site: &Site, more: &str) {
        let domain = site.debconf.as_deref();
        let known = self.debconf.replace(domain.map(str::to_owned));
        let debconf = match domain {
            _ if known.as_deref() == domain => String::new(),
            Some(domain) => format!(
                "echo jitsi-meet-prosody jitsi-meet-prosody/jvb-hostname string {domain} | debconf-set-selections"
            ),
            None => "echo RESET jitsi-meet-prosody/jvb-hostname | debconf-communicate >/dev/null".into(),
        };
        let unit = "/etc/systemd/system/prosody.service.d";
        let lines = site.environment.iter();
        let lines: String = lines.map(|line| format!("Environment={line}\\n")).collect();
        let environment = if lines.is_empty() {
            format!("! test -e {unit} || {{ rm -r {unit}; systemctl daemon-reload; }}")
        } else {
            format!("mkdir -p {unit}; printf '[Service]\\n{lines}' >{unit}/env.conf; systemctl daemon-reload")
        };
        self.machine
            .sh(&format!("rm -rf /etc/prosody; cp -a /srv/pristine /etc/prosody\n{debconf}\n{environment}\n{more}"));
        if !site.runs_on {
            self.write(site);
        }
    }

    fn write(&self, site: &Site) {
        let folder = self.machine.root().join("etc/prosody");
        for (path, content) in &site.files {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            match content {
                Content::Text(text) => fs::write(&path, text).expect("a file"),
                Content::Link(target) => symlink(target, &path).expect("a link"),
            }
        }
    }

    /// Restarts Prosody with the site, or with what was there before if it cannot run with this one.
    fn start(&self, site: &Site) {
        self.machine.sh(&format!(
            "systemctl reset-failed prosody; systemctl restart prosody; {}",
            if site.refused.is_empty() { LISTENING } else { "true" }
        ));
        if site.runs_on {
            self.write(site);
        }
    }

    fn install(&self, site: &Site, more: &[&str]) -> Run {
        let options = site.options.iter().map(String::as_str);
        let args: Vec<&str> =
            ["install", "--yes", "--json"].into_iter().chain(options).chain(more.iter().copied()).collect();
        self.machine.tool(&args)
    }

    /// The credentials that the tool reports as in use.
    fn credentials(&self, site: &Site) -> (String, String) {
        let options = site.options.iter().map(String::as_str);
        let args: Vec<&str> = ["credentials", "show", "--reveal", "--json"].into_iter().chain(options).collect();
        let shown = self.machine.tool(&args).json();
        let field = |name: &str| shown[name].as_str().unwrap_or_default().to_owned();
        (field("app_id"), field("app_secret"))
    }

    /// All options of all sections, as Prosody's own loader reads them.
    fn options(&self, site: &Site) -> Options {
        let said = self.machine.sh(&format!(
            "exec env {} setpriv --reuid=prosody --regid=prosody --clear-groups \
             \"$(sed -n '1s/.*env //p' /usr/bin/prosody)\" /srv/oracle.lua all /etc/prosody/prosody.cfg.lua",
            site.environment.join(" ")
        ));
        let mut found = BTreeMap::new();
        for line in said.lines() {
            let mut fields = line.split('\t').map(str::to_owned);
            let mut next = || fields.next().expect("three fields");
            found.insert((next(), next()), next());
        }
        found
    }
}

fn because<'a>(site: &'a Site, run: &'a Run) -> impl Fn(&str) -> String + 'a {
    move |what| format!("{}: {what}: exit {}\n{}", site.name, run.code, run.all())
}

/// Insists that the run was blocked with the site's reason, and that nothing has changed.
fn refused(site: &Site, run: &Run, before: &str, after: &str) {
    let why = because(site, run);
    assert_eq!(run.code, 5, "{}", why("not refused"));
    let report = run.json();
    let steps = report["steps"].as_array().expect("steps");
    let step = steps.last().expect("a step");
    assert_eq!(step["state"], "blocked", "{}", why("not blocked"));
    let said = format!("{} {}", step["reason"].as_str().unwrap_or_default(), step["fix"].as_str().unwrap_or_default());
    for part in &site.refused {
        assert!(said.contains(part.as_str()), "{}: \"{part}\" is not in: {said}", site.name);
    }
    assert_eq!(before, after, "{}", why("refused, and something has changed"));
}

/// The entries of a list as the loader prints it; a string alone is one.
fn entries(shown: &str) -> BTreeSet<String> {
    let inner = shown.trim_matches(['[', ']']).split(',');
    let own = inner.filter(|entry| !matches!(*entry, "" | "-" | "nil"));
    own.map(str::to_owned).collect()
}

/// Insists that the wanted options are set, and all others unchanged. `new` are the credentials if the site had none.
fn assert_sees_wanted(site: &Site, before: &Options, after: &Options, (new_id, new_secret): &(String, String)) {
    let text = |value: &str| format!("s{}", hex::encode(value));
    let kept = site.credentials.as_ref();
    let id = text(kept.map_or(new_id, |(id, _)| id));
    let secret = text(kept.and_then(|(_, kept)| kept.as_ref()).unwrap_or(new_secret));
    let none = "-".to_owned();
    let mut wanted = before.clone();
    let own = |option: &str| (site.domain.clone(), option.to_owned());
    wanted.insert(own("authentication"), text("token"));
    if let Some((option, value)) = &site.sets {
        wanted.insert(own(option), text(value));
    }
    // In the global section they apply to the host too.
    for (option, value) in [("app_id", id), ("app_secret", secret)] {
        let global = ("*".to_owned(), option.to_owned());
        if wanted.get(&global) != Some(&value) {
            wanted.insert(own(option), value);
        }
    }
    let rooms = |option: &str| (site.rooms.clone(), option.to_owned());
    let mut lists = vec![
        (rooms("modules_enabled"), "token_verification", true),
        (rooms("modules_disabled"), "token_verification", false),
        (("*".to_owned(), "plugin_paths".to_owned()), PLUGINS, true),
    ];
    let recorder = format!("recorder.{}", site.domain);
    if before.keys().any(|(host, _)| *host == recorder) {
        lists.push((rooms("token_verification_allowlist"), &recorder, true));
    }
    for (key, entry, stays) in &lists {
        let (old, new) = (wanted.remove(key), after.get(key));
        let said = format!("{}: {key:?}: {old:?} became {new:?}", site.name);
        let mut list = entries(old.as_ref().unwrap_or(&none));
        // The folder may already be listed without the trailing slash.
        let known = list.contains(&text(entry.trim_end_matches('/')));
        match stays {
            true if !known => drop(list.insert(text(entry))),
            true => {}
            false => drop(list.remove(&text(entry))),
        }
        assert_eq!(entries(new.unwrap_or(&none)), list, "{said}");
    }
    let mut seen = after.clone();
    seen.retain(|key, _| !lists.iter().any(|(list, ..)| list == key));
    let keys: BTreeSet<_> = seen.keys().chain(wanted.keys()).collect();
    let differ = |key: &&&(String, String)| seen.get(**key) != wanted.get(**key);
    let other: Vec<_> = keys.iter().filter(differ).collect();
    assert!(other.is_empty(), "{}: {other:?}", site.name);
}

/// What a run changes, and what is kept of earlier runs.
const FILES: &str = "cd /; find etc/prosody var/lib/jitsi-tokens-setup -type f -exec sha256sum {} + | sort; \
                     find etc/prosody var/lib/jitsi-tokens-setup -exec stat -c '%n %F %a %U:%G' {} + | sort";

#[test]
fn prosody_sees_the_wanted_options_of_every_site() {
    let machine = Machine::boot("bookworm-bundled");
    // Everything but the configuration is in place, and nothing is restarted: other tests cover that.
    let provisioned = machine.tool(&["install", "--yes", "--quiet"]);
    assert_eq!(provisioned.code, 0, "{}", provisioned.all());
    let new = machine.credentials();
    let ground = Ground::boot(machine, false);
    fs::write(ground.machine.root().join("srv/oracle.lua"), include_str!("../../src/prosody/config/tests/oracle.lua"))
        .expect("a file");
    ground.machine.sh("cp -a /var/lib/jitsi-tokens-setup /srv/state");
    let mut sites = fixtures::all();
    sites.retain(|site| site.machine == "bookworm");
    assert!(sites.len() >= 40, "only {} sites", sites.len());
    one_by_one(&sites, |site| {
        let began = Instant::now();
        ground.put(site, "rm -r /var/lib/jitsi-tokens-setup; cp -a /srv/state /var/lib/jitsi-tokens-setup");
        if site.runs_on {
            ground.write(site);
        }
        edited_or_refused(site, &ground, &new);
        println!("{}: {:.1?}", site.name, began.elapsed());
    });
}

/// After an edit, the tool itself checks whether anything is left to do.
fn edited_or_refused(site: &Site, ground: &Ground, new: &(String, String)) {
    let edit = || ground.install(site, &["--only", "prosody-config", "--no-restart"]);
    if !site.refused.is_empty() {
        let before = ground.machine.sh(FILES);
        let run = edit();
        return refused(site, &run, &before, &ground.machine.sh(FILES));
    }
    let before = ground.options(site);
    let run = edit();
    assert_eq!(run.code, 0, "{}", because(site, &run)("not edited"));
    if site.debconf.as_deref().is_none_or(|named| named.eq_ignore_ascii_case(&site.domain)) {
        return assert_sees_wanted(site, &before, &ground.options(site), new);
    }
    // debconf's credentials are another site's: neither used nor replaced.
    let own = ground.credentials(site);
    assert!(own.0 != new.0 && own.1 != new.1, "{}", because(site, &run)("another site's credentials"));
    assert_sees_wanted(site, &before, &ground.options(site), &own);
    // So are the choices made for it.
    let first = site.debconf.as_deref().unwrap_or_default();
    ground.machine.sh(&format!(
        "echo '{{\"{first}\":{{\"login_url\":\"https://login.example.org/\"}}}}' >/var/lib/jitsi-tokens-setup/options.json"
    ));
    let plan = ground.install(site, &["--dry-run"]);
    let pending = crate::bed::steps_in(&plan.json(), "pending");
    assert!(!plan.all().contains("login.example.org"), "{}", because(site, &plan)("another site's login page"));
    assert!(!pending.contains(&"jitsi-meet-tokens".to_owned()), "{}", because(site, &plan)("debconf would change"));
}

/// Tries all sites, and names the ones that fail at the end.
fn one_by_one(sites: &[Site], life: impl Fn(&Site)) {
    let mut failed = Vec::new();
    for site in sites {
        if catch_unwind(AssertUnwindSafe(|| life(site))).is_err() {
            failed.push(site.name.as_str());
        }
    }
    println!("{} sites, {} failed", sites.len(), failed.len());
    assert!(failed.is_empty(), "{failed:?}");
}

/// Installed, proved, found in order, and undone byte for byte; or rejected.
fn site_lifecycle(site: &Site, ground: &Ground) {
    let began = Instant::now();
    ground.put(site, "");
    ground.start(site);
    let before = ground.machine.sh(STATE);
    let run = ground.install(site, &[]);
    if !site.refused.is_empty() {
        refused(site, &run, &before, &ground.machine.sh(STATE));
        println!("{}: refused, {:.1?}", site.name, began.elapsed());
        return;
    }
    let why = because(site, &run);
    assert_eq!(run.code, 0, "{}", why("not installed"));
    assert_eq!(run.json()["proof"]["verdict"], "full", "{}", why("not proved"));
    let installed = began.elapsed();
    let options: Vec<&str> = site.options.iter().map(String::as_str).collect();
    let credentials = ground.credentials(site);
    if let Some((id, secret)) = &site.credentials {
        assert_eq!(credentials.0, *id, "{}", site.name);
        let secret = secret.as_ref().unwrap_or(&credentials.1);
        assert_eq!(credentials.1, *secret, "{}", site.name);
    }
    let seen = ground.machine.matrix_of(&site.domain, &site.rooms, &credentials);
    assert_eq!(seen["ok"], true, "{}: {seen:#}", site.name);
    let again = ground.install(site, &[]);
    assert_eq!(again.code, 0, "{}", because(site, &again)("again"));
    assert_eq!(done(&again.json()), [""; 0], "{}", because(site, &again)("something to do again"));
    let status = ground.machine.tool(&[&["status", "--quiet"][..], &options].concat());
    assert_eq!(status.code, 0, "{}", because(site, &status)("status"));
    let undone = ground.machine.tool(&["uninstall", "--yes", "--json"]);
    assert_eq!(undone.code, 0, "{}", because(site, &undone)("not taken back"));
    assert_eq!(ground.machine.sh(STATE), before, "{}", because(site, &undone)("not as before"));
    println!("{}: installed after {installed:.1?}, taken back after {:.1?}", site.name, began.elapsed());
}

fn done(report: &Value) -> Vec<String> {
    crate::bed::steps_in(report, "done")
}

/// All sites that pass the filter, on one machine.
fn site_lifecycles(profile: &str, jicofo: bool, filter: impl Fn(&Site) -> bool) {
    let ground = Ground::boot(Machine::boot(profile), jicofo);
    let sites: Vec<Site> = fixtures::all().into_iter().filter(filter).collect();
    one_by_one(&sites, |site| {
        // Leftovers of a failed site must not affect the next one.
        ground.machine.sh("! test -e /var/lib/jitsi-tokens-setup/receipt.json || /opt/jitsi-tokens-setup/jitsi-tokens-setup uninstall --yes --force");
        site_lifecycle(site, &ground);
    });
}

#[test]
fn a_few_sites_are_proved_and_undone() {
    let handful = ["docker", "windows"];
    site_lifecycles("bookworm-bundled", true, |site| handful.contains(&site.name.as_str()));
}

mod thorough {
    use super::site_lifecycles;

    #[test]
    fn every_current_site_is_undone_or_rejected() {
        site_lifecycles("bookworm-bundled", true, |site| site.machine == "bookworm");
    }

    #[test]
    fn every_prosody_13_site_is_undone_or_rejected() {
        site_lifecycles("trixie-bundled", true, |site| site.machine == "trixie");
    }

    #[test]
    fn every_site_of_2020_is_undone_or_rejected() {
        site_lifecycles("bullseye-decode", false, |site| site.machine == "bullseye");
    }
}
