//! Runs every fixture. `BLESS_FIXTURES=1` rewrites the expected results; review them before trusting them.

mod fuzz;
mod generate;
mod options;
mod oracle;
mod properties;
mod reading;
mod sentences;
mod speed;

use std::fs;
use std::path::{Path, PathBuf};

use super::edit::{Edit, Guests, Wanted, token_authentication};
use crate::host::fake::FakeHost;
use crate::host::secret::Secret;
use crate::prosody::config::Config;

const MAIN: &str = "/etc/prosody/prosody.cfg.lua";
const SITE: &str = "/etc/prosody/conf.avail/meet.example.org.cfg.lua";

/// What every site needs, and nothing else.
fn wanted(app_secret: &Secret) -> Wanted<'_> {
    Wanted {
        domain: "meet.example.org",
        muc: "conference.meet.example.org",
        app_id: "my_app",
        app_secret,
        plugin_dir: "/usr/share/jitsi-meet/prosody-plugins/",
        host_options: &[],
        room_options: &[],
        room_modules: &[],
        host_modules: &[],
        guests: Guests::LeaveAsIs,
        let_in: &[],
    }
}

fn edit_with(config: &Config, app_id: &str, secret: &str) -> Edit {
    token_authentication(config, &Wanted { app_id, ..wanted(&Secret::unlisted(secret)) }).unwrap()
}

fn edit(config: &Config) -> Edit {
    edit_with(config, "my_app", "s3cret")
}

/// Debian's layout: a main file that includes links to the real ones.
fn host(site: &[u8]) -> FakeHost {
    FakeHost::new()
        .file(MAIN, "modules_enabled = { \"roster\" }\nVirtualHost \"localhost\"\nInclude \"conf.d/*.cfg.lua\"\n")
        .file(SITE, site)
        .linked("/etc/prosody/conf.d/meet.example.org.cfg.lua", SITE)
}

fn load(site: &[u8]) -> anyhow::Result<Config> {
    Config::load(&host(site), Path::new(MAIN))
}

fn fixtures(suffix: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/prosody");
    let mut all: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.retain(|path| path.to_string_lossy().ends_with(suffix));
    all.sort();
    all
}

/// Whether a fixture is the main file of a server that has no other.
fn is_main(fixture: &Path) -> bool {
    fixture.to_string_lossy().contains(".main.")
}

fn load_fixture(fixture: &Path, bytes: &[u8]) -> anyhow::Result<Config> {
    if is_main(fixture) {
        return Config::load(&FakeHost::new().file(MAIN, bytes), Path::new(MAIN));
    }
    load(bytes)
}

/// What a fixture becomes: its text afterwards, or the refusal in words.
fn outcome(fixture: &Path, site: &[u8]) -> (bool, Vec<u8>) {
    let config = match load_fixture(fixture, site) {
        Ok(config) => config,
        Err(error) => return (false, format!("{error:#}\n").into_bytes()),
    };
    match edit(&config) {
        Edit::Unchanged => (true, site.to_vec()),
        Edit::Changed(mut files) => {
            assert_eq!(files.len(), 1, "only the site's file changes");
            let file = files.remove(0);
            let path = if is_main(fixture) { MAIN } else { SITE };
            assert_eq!(file.path, Path::new(path));
            let shown = format!("{file:?}");
            assert!(shown.contains(path) && !shown.contains("s3cret"), "{shown}");
            (true, file.after)
        }
        Edit::Refused { file, line, why, lines } => {
            (false, format!("{}:{line}: {why}\n{}\n", file.display(), lines.join("\n")).into_bytes())
        }
    }
}

#[test]
fn every_fixture_matches_its_expected_output() {
    let bless = std::env::var_os("BLESS_FIXTURES").is_some();
    assert!(fixtures(".in.lua").len() >= 40);
    for input in fixtures(".in.lua") {
        let site = fs::read(&input).unwrap();
        let (edited, text) = outcome(&input, &site);
        let name = input.to_string_lossy().replace(".in.lua", if edited { ".out.lua" } else { ".refused.lua" });
        if bless {
            fs::write(&name, &text).unwrap();
        }
        let expected = fs::read(&name).unwrap_or_default();
        let (expected, text) = (String::from_utf8_lossy(&expected), String::from_utf8_lossy(&text));
        assert!(expected == text, "{name}:\n{}", diffy::create_patch(&expected, &text));
        if edited {
            assert_eq!(
                edit(&load_fixture(&input, &fs::read(&name).unwrap()).unwrap()),
                Edit::Unchanged,
                "{name} again"
            );
        }
    }
}
