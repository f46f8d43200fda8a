//! One version everywhere: everything that is published together carries the same number.

use std::fs;
use std::path::Path;

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn text_of(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn all_version_numbers_agree() {
    let debian = text_of("scripts/debian/changelog");
    assert!(debian.starts_with(&format!("jitsi-tokens-setup ({VERSION}) ")), "{debian}");
    let changelog = text_of("CHANGELOG.md");
    let first = changelog.lines().find(|line| line.starts_with("## ")).expect("a section");
    assert_eq!(first.split(' ').nth(1), Some(VERSION), "CHANGELOG.md begins with {first}");
    let galaxy = text_of("scripts/deploy/ansible/galaxy.yml");
    assert!(galaxy.contains(&format!("\nversion: {VERSION}\n")), "{galaxy}");
}

#[test]
fn download_file_names_have_this_version() {
    let mut count = 0;
    for path in [
        "README.md",
        "docs/install.md",
        "docs/fleets.md",
        "scripts/deploy/cloud-init/user-data",
        "scripts/deploy/ansible/roles/jitsi_tokens_setup/README.md",
    ] {
        let text = text_of(path);
        for name in ["jitsi-tokens-setup_", "jitsi_tokens-setup-"] {
            for (at, _) in text.match_indices(name) {
                let after = &text[at + name.len()..];
                if after.starts_with(|c: char| c.is_ascii_digit()) {
                    count += 1;
                    assert!(after.starts_with(VERSION), "{path}: {name}{}", after.lines().next().unwrap_or_default());
                }
            }
        }
    }
    assert!(count >= 6, "only {count} names of files are found");
}
