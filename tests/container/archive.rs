//! A release that has left the mirrors: a Debian 11 that calls itself 10, whose mirrors answer 404.

use crate::bad_network::Mirror;
use crate::bed::{FRESH, Machine, says};
use crate::tree::{differences, tree};

const ARCHIVE: &str = "http://127.0.0.1:8098/debian";

#[test]
fn debian_10_uses_the_archive_until_uninstall() {
    let machine = Machine::boot(FRESH);
    machine.sh(
        "sed -i 's/^VERSION_ID=.*/VERSION_ID=\"10\"/' /etc/os-release
         cd /srv/bed && ln -s debian debian-security
         sed -i '1i Valid-Until: Sat, 01 Jan 2022 00:00:00 UTC' debian/dists/bullseye/Release
         cd /etc/apt/sources.list.d && rm debian.list
         echo '127.0.0.1 ftp.de.debian.org security.debian.org gone.example' >> /etc/hosts
         echo 'deb [trusted=yes] http://ftp.de.debian.org/debian bullseye main' > old.list
         printf 'Types: deb\\nURIs: http://security.debian.org/debian-security\\nSuites: bullseye\\nComponents: main\\nTrusted: yes\\n' > new.sources
         printf '# ours\\ndeb   [trusted=yes]  http://gone.example/debian  x  main\\n' > foreign.list
         printf 'Types: deb\\nURIs:  http://gone.example/other\\nSuites: x\\nComponents: main\\nTrusted: yes\\n' > foreign.sources",
    );
    let _mirror = Mirror::serve(&machine, 80, "srv/bed", "404", "");
    let _archive = Mirror::serve(&machine, 8098, "srv/bed", "none", "");
    let foreign = "cd /etc/apt/sources.list.d; sha256sum foreign.* jitsi-stable.list";
    let (before, theirs) = (tree(&machine.root().join("etc/apt")), machine.sh(foreign));

    let install = machine.tool(&["install", "--yes", "--apt-archive", ARCHIVE]);
    says(&install, 0, &["is no longer on the mirrors", "gone.example"]);
    machine.assert_proved();
    assert_eq!(machine.sh(foreign), theirs);
    machine.sh("cd /etc/apt/sources.list.d; rm foreign.list foreign.sources; apt-get -q update");
    // Without the option the archive is rejected: its date had really passed.
    let dated = machine.try_sh(
        "cd /etc/apt; cp -r sources.list.d /tmp/kept; sed -i 's/check-valid-until=no//; /^Check-Valid-Until/d' sources.list.d/*
         rm -rf /var/lib/apt/lists/*; apt-get -q update; rm -r sources.list.d; mv /tmp/kept sources.list.d",
    );
    assert!(dated.all().contains("expired"), "{}", dated.all());

    says(&machine.tool(&["uninstall", "--yes"]), 0, &[]);
    let after = tree(&machine.root().join("etc/apt"));
    let left = differences(&before, &after);
    let left: Vec<&String> = left.iter().filter(|line| !line.contains("foreign")).collect();
    assert!(left.is_empty(), "{left:#?}");
}
