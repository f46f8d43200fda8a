//! debconf's answers are read from its own files, and asked of debconf where those are not in their usual place.

use crate::bed::{Machine, says};
use crate::story::provisioned;

#[test]
#[ignore = "needs root and the bed: scripts/test runs it"]
fn debconf_is_asked_where_root_has_a_configuration_of_its_own() {
    let machine = Machine::boot(provisioned());
    says(&machine.tool(&["status"]), 0, &[]);
    machine.sh(
        "mkdir -m 700 /root/db; sed s,/var/cache/debconf/,/root/db/, /etc/debconf.conf >/root/.debconfrc",
    );
    let elsewhere = machine.tool(&["status", "--domain", "meet.example.org"]);
    says(&elsewhere, 3, &["debconf has no credentials yet"]);
    machine.sh("cp -p /var/cache/debconf/*.dat /root/db/");
    says(&machine.tool(&["status"]), 0, &[]);
    machine.sh("rm -r /root/db /root/.debconfrc");
    says(&machine.tool(&["status"]), 0, &[]);
    machine.assert_proved();
}
