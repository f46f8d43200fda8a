//! The tutorial, followed word for word, ends with nobody able to log in; the tool repairs that wreck.

use crate::bed::{FRESH, Machine, steps_in};

#[test]
fn the_tutorials_damage_is_repaired() {
    let machine = Machine::boot(FRESH);
    let (app_id, secret) = ("tutorial_app", "0123456789ABCDEF0123456789ABCDEF");
    let tutorial = machine.tutorial(app_id, secret);
    assert_eq!(tutorial.code, 0, "every command of the tutorial exits 0: {}", tutorial.all());
    let seen = machine.matrix(app_id, secret);
    assert_eq!(seen["ok"], false, "{seen:#}");
    assert_ne!(seen["cases"]["good"]["login"], "accepted", "{seen:#}");

    let install = machine.tool(&["install", "--yes", "--json"]);
    assert_eq!(install.code, 0, "{}", install.all());
    assert!(steps_in(&install.json(), "done").contains(&"rock-luajwtjitsi".to_owned()));
    assert_eq!(machine.matrix(app_id, secret)["ok"], true, "with the credentials that the tutorial's reader chose");

    // The rock 3.0-0 and the packages were there before us: they stay or are restored.
    let uninstall = machine.tool(&["uninstall", "--yes", "--json"]);
    assert_eq!(uninstall.code, 0, "{}", uninstall.all());
    // It was closed before, so there is no warning that it opens.
    assert!(!uninstall.all().contains("anyone can join"));
    let rocks = machine.sh("ls /usr/local/lib/luarocks/rocks/luajwtjitsi; dpkg-query -W -f '${db:Status-Abbrev}' jitsi-meet-tokens luarocks git");
    assert_eq!(rocks, "3.0-0\nii ii ii ");
}
