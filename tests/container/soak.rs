//! The same machine, installed on, damaged, repaired and undone many times: it is always proved, and nothing grows.

use crate::bed::{FRESH, HOST_FILE, Machine, says};
use crate::kill_subject::{difference, with_packages};
use crate::story::STATE;

/// What goes wrong on a machine in the course of a year.
const DAMAGE: [&str; 8] = [
    "sed -i 's/authentication = \"token\" -- do not delete me/authentication = \"anonymous\"/' HOST_FILE",
    "sed -i 's/^ *\"token_verification\";/--&/' HOST_FILE",
    "chmod 644 HOST_FILE",
    "/usr/bin/lua5.2 /usr/bin/luarocks remove --force basexx",
    "rm -f /usr/local/share/lua/5.2/basexx.lua",
    "apt-get remove -q -y jitsi-meet-tokens",
    "systemctl stop prosody",
    "sed -i '/app_secret/d' HOST_FILE",
];

/// What the product keeps for itself, in 1-KiB blocks and in files, and the bytes of its receipt.
const KEPT: &str = "du -sk /var/lib/jitsi-tokens-setup | cut -f1; find /var/lib/jitsi-tokens-setup -type f | wc -l; \
    wc -c < /var/lib/jitsi-tokens-setup/receipt.json";

/// The files on the disk, except for the machine's logs and our own.
const DISK: &str = "find /etc /usr/local /opt /root /tmp /run /var/lib/jitsi-tokens-setup /var/cache/jitsi-tokens-setup \
    -xdev -path /run/systemd -prune -o -path /run/udev -prune -o -type f -print 2>/dev/null | grep -v '^/opt/jitsi-tokens-setup/' | sort";

fn numbers(text: &str) -> Vec<u64> {
    let words = text.split_whitespace();
    words.map(|word| word.parse().expect("a number")).collect()
}

/// Makes the same choices for the same seed: `JTS_SOAK_SEED`.
fn draws() -> impl FnMut(usize) -> usize {
    let seed = std::env::var("JTS_SOAK_SEED").ok();
    let mut state = seed.and_then(|text| text.parse().ok()).unwrap_or(20_261_127_u64);
    move |below| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    }
}

fn rounds(count: usize) {
    let machine = Machine::boot(&with_packages(FRESH));
    let mut draw = draws();
    let before = machine.sh(STATE);
    let mut first: Option<(Vec<u64>, String)> = None;
    for round in 1..=count {
        says(&machine.tool(&["install", "--yes"]), 0, &[]);
        machine.assert_proved();
        let kept = numbers(&machine.sh(KEPT));
        let damage = DAMAGE[draw(DAMAGE.len())];
        println!("round {round}: {kept:?}; {damage}");
        machine.sh(&damage.replace("HOST_FILE", HOST_FILE));
        says(&machine.tool(&["install", "--yes"]), 0, &[]);
        machine.assert_proved();
        says(&machine.tool(&["uninstall", "--yes"]), 0, &[]);
        let after = machine.sh(STATE);
        assert!(after == before, "round {round}, {damage}: not as before:\n{}", difference(&before, &after));
        let disk = machine.sh(DISK);
        let (kept_first, disk_first) = first.get_or_insert_with(|| (kept.clone(), disk.clone()));
        assert_eq!(kept[1], kept_first[1], "round {round}: more files are kept");
        // A receipt contains numbers of varying length: times and process IDs.
        assert!(
            kept[0] <= kept_first[0] + 8 && kept[2] <= kept_first[2] + 256,
            "round {round}: {kept:?} are kept, {kept_first:?} in the first"
        );
        assert!(
            disk == *disk_first,
            "round {round}, {damage}: the files on the disk changed:\n{}",
            difference(disk_first, &disk)
        );
    }
}

#[test]
fn three_rounds_of_install_damage_install_uninstall() {
    rounds(3);
}

mod thorough {
    #[test]
    fn a_hundred_rounds_of_install_damage_install_uninstall() {
        super::rounds(100);
    }
}
