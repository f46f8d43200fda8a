//! Files that somebody else works on too: a writer that never stops, odd things below /etc/prosody, a host file that is
//! a mount point of its own, and an access list.

use crate::bed::{FRESH, HOST_FILE, Machine, says};

const OURS: &str = "-- line ";

/// A machine from a profile, with a stand-in for jicofo.
fn fresh(profile: &str) -> Machine {
    let machine = Machine::boot(profile);
    machine.jicofo_answers();
    machine
}

/// Appends a numbered comment every 50 ms until /root/stop exists; /root/last holds the last number written.
const WRITER: &str = "rm -f /root/stop; n=$(cat /root/last 2>/dev/null || echo 0)
    while [ ! -e /root/stop ]; do n=$((n + 1)); echo \"-- line $n\" >> FILE; echo $n > /root/last; sleep 0.05; done";

/// Runs the tool while the writer works, and returns how many lines there must be by now.
fn alongside_a_writer(machine: &Machine, args: &[&str]) -> usize {
    let script = WRITER.replace("FILE", HOST_FILE);
    let mut writer = machine.inside(&["sh", "-c", &script]).spawn().expect("the writer starts");
    let run = machine.tool(args);
    machine.sh("touch /root/stop");
    assert!(writer.wait().expect("the writer ends").success());
    says(&run, 0, &[]);
    machine.text("/root/last").trim().parse().expect("a number")
}

/// Insists that each line is there exactly once, and returns the file without them.
fn without_lines(machine: &Machine, written: usize) -> String {
    let text = machine.text(HOST_FILE);
    let mut seen: Vec<usize> = text.lines().filter_map(|line| line.strip_prefix(OURS)?.parse().ok()).collect();
    seen.sort_unstable();
    let missing: Vec<usize> = (1..=written).filter(|line| !seen.contains(line)).collect();
    assert!(missing.is_empty(), "lost of {written}: {missing:?}");
    assert_eq!(seen.len(), written, "some lines are there twice");
    let others = text.split_inclusive('\n').filter(|line| !line.starts_with(OURS));
    others.collect()
}

fn no_line_is_lost(profile: &str) {
    let machine = fresh(profile);
    let before = machine.text(HOST_FILE);
    let access = machine.access(HOST_FILE);
    let written = alongside_a_writer(&machine, &["install", "--yes"]);
    println!("{profile}: {written} lines during install");
    assert!(written > 20, "the writer was hardly there");
    assert_ne!(without_lines(&machine, written), before);
    machine.assert_proved();
    let all = alongside_a_writer(&machine, &["uninstall", "--yes"]);
    println!("{profile}: {} lines during uninstall", all - written);
    assert!(all > written, "the writer was hardly there");
    assert_eq!(without_lines(&machine, all), before);
    assert_eq!(machine.access(HOST_FILE), access);
    assert_eq!(machine.sh("ls -A /etc/prosody/conf.avail | grep -c '^\\.' || true").trim(), "0");
    assert!(machine.is_open());
}

#[test]
fn no_line_of_a_busy_writer_is_lost() {
    no_line_is_lost(FRESH);
}

/// The whole configuration, and what the program itself left behind.
const STATE: &str = "find /etc/prosody -printf '%p %y %m %u:%g %l\\n' | sort; find /etc/prosody -type f -size -1M -exec sha256sum {} + | sort; \
    ls -A /var/lib/jitsi-tokens-setup 2>/dev/null; dpkg-query -W | sha256sum";

#[test]
fn odd_files_among_the_configuration_are_harmless() {
    let machine = fresh(FRESH);
    machine.sh(
        "set -e; cd /etc/prosody; mv certs /srv/certs; ln -s /srv/certs certs; mkdir -p /srv/modules; ln -s /srv/modules modules
         mkfifo pipe conf.avail/pipe; ln -s loop loop; ln -s . again; ln -s /dev/zero endless; truncate -s 3G huge
         mkdir private; chmod 700 private; echo secret > private/file; chmod 600 private/file",
    );
    let before = machine.sh(STATE);
    let preview = machine.tool(&["install", "--dry-run"]);
    says(&preview, 0, &[]);
    assert_eq!(machine.sh(STATE), before);
    says(&machine.tool(&["install", "--yes"]), 0, &[]);
    machine.assert_proved();
    says(&machine.tool(&["status"]), 0, &[]);
    says(&machine.tool(&["uninstall", "--yes"]), 0, &[]);
    assert_eq!(machine.sh(STATE), before);
    machine.sh("! ls /run/jts.new /run/jitsi-tokens-setup.loaded /run/jitsi-tokens-setup.proved 2>/dev/null");
}

#[test]
fn includes_that_are_not_files_are_reported() {
    let machine = fresh(FRESH);
    let before = machine.sh(STATE);
    for (make, said) in [
        ("mkfifo", "odd.cfg.lua is a named pipe (FIFO), not a file"),
        ("mkdir", "odd.cfg.lua is a directory, not a file"),
        ("ln -s /dev/zero", "/dev/zero is a device, not a file"),
        ("ln -s odd.cfg.lua", "symbolic links"),
        ("truncate -s 3G", "odd.cfg.lua is too large (limit: 16 MiB)"),
    ] {
        machine.sh(&format!("{make} /etc/prosody/conf.d/odd.cfg.lua"));
        for command in [&["install", "--dry-run"][..], &["install", "--yes"], &["status"]] {
            let started = std::time::Instant::now();
            let run = machine.tool(command);
            assert_ne!(run.code, 0, "{make}: {}", run.all());
            assert!(run.all().contains(said), "{make}: {}", run.all());
            assert!(started.elapsed().as_secs() < 10, "{make} takes {:?}", started.elapsed());
        }
        machine.sh("cd /etc/prosody/conf.d; rm -f odd.cfg.lua 2>/dev/null || rmdir odd.cfg.lua");
        assert_eq!(machine.sh(STATE), before, "{make}");
    }
}

#[test]
fn a_mounted_or_replaceable_host_file_blocks() {
    let machine = fresh(FRESH);
    let before = machine.sh(STATE);
    for (make, take_back, parts) in [
        (
            format!("cp -p {HOST_FILE} /root/other; mount --bind /root/other {HOST_FILE}"),
            format!("umount {HOST_FILE}"),
            ["is a mount point", "umount"],
        ),
        (
            "chown prosody /etc/prosody/conf.avail".to_owned(),
            "chown root /etc/prosody/conf.avail".to_owned(),
            ["which the user prosody can write", "chown root /etc/prosody/conf.avail"],
        ),
    ] {
        machine.sh(&make);
        for command in [&["install", "--dry-run"][..], &["install", "--yes"]] {
            says(&machine.tool(command), 5, &parts);
        }
        machine.sh(&take_back);
        assert_eq!(machine.sh(STATE), before);
    }
    assert!(machine.is_open());
}

#[test]
fn the_host_files_acl_is_removed_and_restored() {
    let machine = fresh(FRESH);
    machine.sh(&format!("chmod o+x /etc/prosody /etc/prosody/conf.avail; chgrp prosody {HOST_FILE}"));
    // rw- for root, r-- for user 33 (www-data), the group and the mask, --- for others; as the kernel stores it.
    let inside = format!("/proc/{}/root{HOST_FILE}", machine.leader());
    let entry = |tag: u16, permissions: u16, id: u32| {
        [&tag.to_le_bytes()[..], &permissions.to_le_bytes(), &id.to_le_bytes()].concat()
    };
    let list = [
        2_u32.to_le_bytes().to_vec(),
        entry(1, 6, u32::MAX),
        entry(2, 4, 33),
        entry(4, 4, u32::MAX),
        entry(16, 4, u32::MAX),
        entry(32, 0, u32::MAX),
    ]
    .concat();
    let name = "system.posix_acl_access";
    let set = || rustix::fs::setxattr(inside.as_str(), name, &list, rustix::fs::XattrFlags::empty());
    let get = || {
        let mut value = Vec::with_capacity(1024);
        let read = rustix::fs::getxattr(inside.as_str(), name, rustix::buffer::spare_capacity(&mut value));
        read.ok().map(|_| value)
    };
    set().expect("the bed's files can have access lists");
    assert!(machine.try_sh(&format!("runuser -u www-data -- cat {HOST_FILE}")).code == 0);
    let state = machine.sh(&format!("stat -c '%a %U:%G' {HOST_FILE}; sha256sum {HOST_FILE}"));
    says(&machine.tool(&["install", "--yes"]), 0, &[]);
    assert_eq!(get(), None);
    assert!(machine.try_sh(&format!("runuser -u www-data -- cat {HOST_FILE}")).code != 0);
    // Somebody lets another user in again: the step is pending, with the reason.
    set().expect("an access list");
    says(&machine.tool(&["status"]), 3, &["access list (ACL) that lets other users read it"]);
    says(&machine.tool(&["install", "--yes"]), 0, &[]);
    assert_eq!(get(), None);
    says(&machine.tool(&["uninstall", "--yes"]), 0, &[]);
    assert_eq!(get().as_deref(), Some(&list[..]));
    assert_eq!(machine.sh(&format!("stat -c '%a %U:%G' {HOST_FILE}; sha256sum {HOST_FILE}")), state);
}

mod thorough {
    use super::no_line_is_lost;

    #[test]
    fn no_line_of_a_busy_writer_is_lost_with_a_current_jitsi() {
        no_line_is_lost("bookworm-bundled");
    }
}
