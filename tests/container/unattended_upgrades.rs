//! Debian's unattended-upgrades is running when the tool is started, as on the first night of a fresh machine.

mod thorough {
    use crate::bed::{FRESH, Machine, says};
    use crate::signals::wait_until;

    /// A package with a newer version that is slow to install.
    const UPGRADE: &str = r#"set -e
        mkdir -p /srv/slow
        for version in 1 2; do
            folder=/tmp/slow-$version
            mkdir -p $folder/DEBIAN
            printf 'Package: slow\nVersion: %s\nArchitecture: all\nMaintainer: Nobody <nobody@example.org>\nDescription: slow to upgrade\n' \
                $version > $folder/DEBIAN/control
            printf '#!/bin/sh\n[ "$2" != 1 ] || sleep 8\n' > $folder/DEBIAN/postinst
            chmod 755 $folder/DEBIAN/postinst
            dpkg-deb --build $folder /srv/slow/slow_${version}_all.deb
        done
        dpkg -i /srv/slow/slow_1_all.deb
        rm /srv/slow/slow_1_all.deb
        cd /srv/slow
        { dpkg-deb --field slow_2_all.deb; stat -c 'Size: %s' slow_2_all.deb
          echo "SHA256: $(sha256sum < slow_2_all.deb | cut -d' ' -f1)"; echo 'Filename: ./slow_2_all.deb'; } > Packages
        echo 'deb [trusted=yes] file:/srv/slow ./' > /etc/apt/sources.list.d/slow.list
        apt-get update -q
        echo 'Unattended-Upgrade::Origins-Pattern { "site="; };' > /etc/apt/apt.conf.d/99slow"#;

    #[test]
    fn unattended_upgrades_are_awaited_until_the_timeout() {
        let machine = Machine::boot_with(FRESH, &["unattended-upgrades"]);
        machine.sh(UPGRADE);
        machine.sh("setsid unattended-upgrade >/tmp/upgrade.log 2>&1 </dev/null &");
        wait_until(&machine, "pgrep -f 'postinst configure 1' >/dev/null");
        says(&machine.tool(&["install", "--yes", "--lock-timeout", "1s"]), 1, &["unattended-upgr", "--lock-timeout"]);
        assert!(machine.is_open(), "people can join as before");
        says(&machine.tool(&["install", "--yes"]), 0, &["waiting: the package database is locked", "unattended-upgr"]);
        machine.assert_proved();
        let version = machine.sh("dpkg-query -W -f '${Version} ${Status}' slow; dpkg --audit");
        assert_eq!(version, "2 install ok installed");
    }
}
