//! A Prosody that has just been started and does not answer yet, as after a killed run whose `systemctl` went on.

use crate::bed::{Machine, says};
use crate::signals::wait_until;
use crate::story::provisioned;

/// The pid file names the new process; whether its web port is open by then is chance.
const STARTED: &str = "pid=$(systemctl show -p MainPID --value prosody) && [ \"$pid\" != \"$(cat /run/old)\" ] &&
    [ \"$(cat /run/prosody/prosody.pid 2>/dev/null)\" = \"$pid\" ]";

#[test]
fn a_starting_prosody_is_awaited() {
    let machine = Machine::boot(provisioned());
    machine.sh("echo 'os.execute(\"sleep 4\")' >> /usr/lib/prosody/modules/mod_posix.lua");
    for command in [&["verify"][..], &["install", "--yes"]] {
        machine.sh("systemctl show -p MainPID --value prosody > /run/old; systemctl restart --no-block prosody");
        wait_until(&machine, STARTED);
        says(&machine.tool(command), 0, &[]);
    }
}
