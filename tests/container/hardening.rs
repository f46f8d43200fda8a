//! A file's attributes survive along with its text; an unwritable file is reported before anything is changed.

use crate::bed::{DOMAIN, FRESH, HOST_FILE, Machine, says};
use crate::story::provisioned;

/// The layers have neither setfattr nor setfacl: this machine's Python does it through the container's files.
fn attribute(machine: &Machine, script: &str) -> String {
    let file = machine.root().join(HOST_FILE.trim_start_matches('/'));
    let output = std::process::Command::new("python3")
        .args(["-c", &format!("import os, sys\npath = sys.argv[1]\n{script}")])
        .arg(&file)
        .output()
        .expect("python3 runs");
    assert!(output.status.success(), "{}", crate::bed::text(&output.stderr));
    crate::bed::text(&output.stdout)
}

/// An access list as the kernel stores it: version, then (tag, permissions, id) each. Owner rw, user 65534 r, group r,
/// mask r, others r.
const SET_LIST: &str = "import struct
none = 0xffffffff
entries = [(1, 6, none), (2, 4, 65534), (4, 4, none), (16, 4, none), (32, 4, none)]
os.setxattr(path, 'system.posix_acl_access', struct.pack('<I', 2) + b''.join(struct.pack('<HHI', *entry) for entry in entries))
os.setxattr(path, 'user.note', b'keep me')";

const SHOW: &str = "import struct
data = os.getxattr(path, 'system.posix_acl_access')[4:]
print([struct.unpack('<HHI', data[at:at + 8])[:2] for at in range(0, len(data), 8)], os.getxattr(path, 'user.note'))";

/// Prints the names of the file's extended attributes.
const NAMES: &str = "print(os.listxattr(path))";

#[test]
fn links_acls_and_attributes_of_the_host_file_survive() {
    let machine = Machine::boot(provisioned());
    // As an older run would have found it: a hard link in conf.d instead of the symbolic one, and a hard-linked backup.
    let name = HOST_FILE.rsplit('/').next().expect("a name");
    machine.sh(&format!(
        "set -e; sed -i 's/authentication = \"token\" -- do not delete me/authentication = \"anonymous\"/' {HOST_FILE}
         rm -r /var/lib/jitsi-tokens-setup
         ln -f {HOST_FILE} /etc/prosody/conf.d/{name}; mkdir /srv/backup; ln {HOST_FILE} /srv/backup/"
    ));
    attribute(&machine, SET_LIST);
    let state = format!(
        "cd /etc/prosody; stat -c '%n %a %u:%g %h' conf.*/{name}; sha256sum conf.*/{name} /srv/backup/{name}; readlink conf.d/localhost.cfg.lua"
    );
    let (before, list_before) = (machine.sh(&state), attribute(&machine, SHOW));
    assert!(list_before.contains("(2, 4)") && list_before.contains("keep me"), "{list_before}");

    let install = machine.tool(&["install", "--yes"]);
    says(&install, 0, &["1 more hard link(s) elsewhere", "keep the old content"]);
    machine.assert_proved();
    let inodes =
        machine.sh(&format!("stat -c %i /etc/prosody/conf.avail/{name} /etc/prosody/conf.d/{name} | uniq | wc -l"));
    assert_eq!(inodes.trim(), "1", "both names are the same file still");
    assert!(machine.text(&format!("/srv/backup/{name}")).contains("\"anonymous\""));
    // Mode 0640 is for Prosody alone: what let other users in is gone until the file is restored.
    let names = attribute(&machine, NAMES);
    assert!(names.contains("user.note") && !names.contains("posix_acl"), "{names}");

    says(&machine.tool(&["uninstall", "--yes"]), 0, &[]);
    // Our first write detached the file from its name in the backup.
    let links = |text: &str| text.replace(" 3\n", " 2\n");
    assert_eq!(links(&machine.sh(&state)), links(&before));
    assert_eq!(attribute(&machine, SHOW), list_before);
}

#[test]
fn only_root_and_prosody_can_read_the_secret() {
    let machine = Machine::boot(provisioned());
    let seen = machine.sh(&format!(
        "stat -c '%a %U:%G' {HOST_FILE}; readlink /etc/prosody/conf.d/{DOMAIN}.cfg.lua
         runuser -u prosody -- cat {HOST_FILE} | grep -c app_secret; runuser -u nobody -- cat {HOST_FILE} 2>/dev/null | grep -c app_secret
         stat -c '%a %U:%G' /var/lib/jitsi-tokens-setup /var/lib/jitsi-tokens-setup/backups
         stat -c %a /var/lib/jitsi-tokens-setup/receipt.json /var/lib/jitsi-tokens-setup/backups/* | sort -u; true"
    ));
    let wanted = format!("640 root:prosody\n{HOST_FILE}\n1\n0\n700 root:root\n700 root:root\n600\n");
    assert_eq!(seen, wanted);
}

#[test]
fn a_host_file_in_an_unreadable_folder_is_reported() {
    let machine = Machine::boot(provisioned());
    machine.sh(&format!("chmod 640 {HOST_FILE}; chmod 700 /etc/prosody/conf.avail; sleep 0.1; touch {HOST_FILE}"));
    says(&machine.tool(&["install", "--yes"]), 5, &["Prosody's user cannot read", HOST_FILE, "directories above"]);
}

#[test]
fn read_only_file_systems_block_before_any_change() {
    let machine = Machine::boot(FRESH);
    let state = "cd /; stat -c '%n %i %Z' etc/prosody/conf.*/* usr/local/share/lua var/lib/dpkg/status; ls var/lib var/log; dpkg-query -W | sha256sum";
    let before = machine.sh(state);
    for (folder, said) in [
        ("/etc/prosody", "meet.example.org.cfg.lua is on a file system that is mounted read-only"),
        ("/usr/local", "/usr/local is on a file system that is mounted read-only"),
        ("/usr", "/usr is on a file system that is mounted read-only"),
        ("/var/lib", "is on a file system that is mounted read-only"),
        ("/var/log", "/var/log is on a file system that is mounted read-only"),
    ] {
        machine.sh(&format!("mount --bind {folder} {folder} && mount -o remount,bind,ro {folder}"));
        let run = machine.tool(&["install", "--yes"]);
        says(&run, 5, &[said, "mount it writable"]);
        machine.sh(&format!("umount -l {folder}"));
        assert_eq!(machine.sh(state), before, "after {folder} was read-only");
    }
    assert!(machine.is_open());
}

#[test]
fn chattr_flags_are_reported_with_the_fix() {
    let machine = Machine::boot(provisioned());
    // On a file system of its own: the bed's does not support the flag everywhere.
    machine.sh(&format!(
        "set -e; sed -i 's/authentication = \"token\" -- do not delete me/authentication = \"anonymous\"/' {HOST_FILE}
         cp -a /etc/prosody /root/kept; mount -t tmpfs -o mode=755 none /etc/prosody; cp -a /root/kept/. /etc/prosody/"
    ));
    let file = machine.root().join(HOST_FILE.trim_start_matches('/'));
    let flag = |sign: &str, path: &str| {
        let inside = format!("/proc/{}/root{path}", machine.leader());
        std::process::Command::new("chattr").args([sign, &inside]).status().is_ok_and(|status| status.success())
    };
    assert!(file.exists());
    let state = format!("sha256sum {HOST_FILE}; dpkg-query -W | sha256sum");
    let before = machine.sh(&state);
    let folder = HOST_FILE.rsplit_once('/').unwrap().0;
    for (on, off, path, words) in [
        ("+i", "-i", HOST_FILE, "is immutable"),
        ("+a", "-a", HOST_FILE, "is append-only"),
        ("+a", "-a", folder, "is append-only"),
    ] {
        assert!(flag(on, path), "this machine's kernel has no chattr {on} on tmpfs");
        for command in ["install", "uninstall"] {
            let run = machine.tool(&[command, "--yes"]);
            says(&run, 5, &[words, &format!("chattr -i -a {path}`")]);
            assert_eq!(machine.sh(&state), before);
        }
        assert!(flag(off, path));
    }
    says(&machine.tool(&["install", "--yes"]), 0, &[]);
}

#[test]
fn a_debug_log_causes_a_warning() {
    let machine = Machine::boot(provisioned());
    machine.sh("sed -i 's|^\\([[:space:]]*\\)info = \"/var/log/prosody/prosody.log\"|\\1debug = \"/var/log/prosody/prosody.log\"|' /etc/prosody/prosody.cfg.lua; grep -q 'debug = \"/var' /etc/prosody/prosody.cfg.lua");
    for command in [&["status"][..], &["install", "--yes"]] {
        let run = machine.tool(command);
        assert!(run.all().contains("debug log contains the app secret"), "{}", run.all());
        assert_eq!(run.all().matches("debug log contains the app secret").count(), 1, "{}", run.all());
    }
}
