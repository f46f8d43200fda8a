//! Another user was in /tmp first: every name that one run used there is occupied in the next run by a link to
//! something that must not be touched.

use std::collections::BTreeSet;
use std::process::Command;

use crate::bed::{FRESH, Machine, says, text};
use crate::kill_subject::with_packages;

/// The names that a run and its children created directly below /tmp and /var/tmp.
fn names_of_a_run(machine: &Machine) -> BTreeSet<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("trace");
    let inner = machine.command(&["install", "--yes"]);
    let output = Command::new("strace")
        .args(["-f", "-qq", "-e", "trace=open,openat,creat,mkdir,mkdirat,symlink,rename", "-o"])
        .arg(&file)
        .arg(inner.get_program())
        .args(inner.get_args())
        .output()
        .expect("strace runs");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let trace = std::fs::read_to_string(&file).expect("a trace");
    let makes = |line: &&str| line.contains("O_CREAT") || !line.contains("open");
    let quoted = trace.lines().filter(makes).flat_map(|line| line.split('"'));
    let below = quoted.filter_map(|path| {
        let folder = ["/tmp/", "/var/tmp/"].into_iter().find(|folder| path.starts_with(folder))?;
        let name = path[folder.len()..].split('/').next()?;
        (!name.is_empty()).then(|| format!("{folder}{name}"))
    });
    below.collect()
}

#[test]
fn symlinks_planted_in_tmp_are_not_followed() {
    let layer = with_packages(FRESH);
    let names = names_of_a_run(&Machine::boot(&layer));
    assert!(!names.is_empty(), "gcc and luarocks work in /tmp");
    println!("{names:?}");
    let machine = Machine::boot(&layer);
    machine.sh("echo precious > /root/precious; chmod 666 /root/precious; mkdir -m 777 /srv/theirs");
    for (number, name) in names.iter().enumerate() {
        let target = if number % 2 == 0 { "/root/precious" } else { "/srv/theirs" };
        machine.sh(&format!("runuser -u nobody -- ln -s {target} '{name}'"));
    }
    let before = machine.sh("ls -l /tmp | sort");
    says(&machine.tool(&["install", "--yes"]), 0, &[]);
    assert_eq!(machine.sh("cat /root/precious; ls -A /srv/theirs"), "precious\n");
    assert_eq!(machine.sh("ls -l /tmp | sort"), before, "what is theirs stays");
    machine.assert_proved();
    says(&machine.tool(&["uninstall", "--yes"]), 0, &[]);
    assert!(machine.is_open());
}
