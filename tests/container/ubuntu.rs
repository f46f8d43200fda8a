//! A release is examined, whatever it calls itself. Ubuntu's own packages are not available here.

use crate::bed::{FRESH, Machine, Run};

#[test]
fn ubuntu_is_treated_like_debian() {
    let machine = Machine::boot(FRESH);
    let changes = |run: &Run| {
        assert_eq!(run.code, 0, "{}", run.all());
        let mut steps = run.json()["steps"].as_array().expect("steps").clone();
        assert!(steps.len() > 8, "{steps:#?}");
        for step in &mut steps {
            step["seconds"].take();
        }
        steps
    };
    let as_debian = changes(&machine.tool(&["install", "--dry-run", "--json", "--app-id", "demo"]));
    for (version, name) in [("20.04", "focal"), ("22.04", "jammy"), ("24.04", "noble")] {
        machine.sh(&format!(
            "rm /etc/os-release; printf '%s\\n' 'NAME=\"Ubuntu\"' 'VERSION_ID=\"{version}\"' 'VERSION_CODENAME={name}' \
             'ID=ubuntu' 'ID_LIKE=debian' 'PRETTY_NAME=\"Ubuntu {version} LTS\"' > /etc/os-release"
        ));
        let as_ubuntu = changes(&machine.tool(&["install", "--dry-run", "--json", "--app-id", "demo"]));
        assert_eq!(as_ubuntu, as_debian, "{version}");
    }
    machine.sh("printf 'ID=fedora\\nPRETTY_NAME=Fedora\\n' > /etc/os-release");
    let run = machine.tool(&["install", "--dry-run"]);
    assert_eq!(run.code, 5, "{}", run.all());
}
