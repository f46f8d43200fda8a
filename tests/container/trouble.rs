//! Trouble on a real machine: one clear sentence, the documented exit code, nothing half-done, and a rerun that finishes.

use crate::bed::{FRESH, HOST_FILE, Machine, says, steps_in};
use crate::story::provisioned;

fn host_file_hash(machine: &Machine) -> String {
    machine.sh(&format!("sha256sum {HOST_FILE}; stat -c '%a %U:%G %i' {HOST_FILE}"))
}

#[test]
fn a_lua_error_is_reported_with_file_and_line() {
    let machine = Machine::boot(FRESH);
    machine.sh(&format!("echo 'foo = = 1' >> {HOST_FILE}"));
    let before = host_file_hash(&machine);
    let line = machine.sh(&format!("wc -l < {HOST_FILE}"));
    let run = machine.tool(&["install", "--yes"]);
    says(&run, 5, &["meet.example.org.cfg.lua", &format!(":{}", line.trim()), "nothing was changed"]);
    assert_eq!(host_file_hash(&machine), before);
}

#[test]
fn the_domain_option_selects_one_of_several_sites() {
    let machine = Machine::boot(FRESH);
    machine.sh(&format!(
        "printf 'UNREGISTER jitsi-meet-prosody/jvb-hostname\\n' | debconf-communicate jitsi-meet-prosody
         sed 's/meet.example.org/other.example.org/g' {HOST_FILE} > /etc/prosody/conf.d/other.cfg.lua"
    ));
    says(&machine.tool(&["install", "--yes"]), 5, &["--domain", "meet.example.org", "other.example.org"]);
    says(
        &machine.tool(&["install", "--yes", "--domain", "no.example.org"]),
        5,
        &["no.example.org", "other.example.org"],
    );
    let plan = machine.tool(&["install", "--dry-run", "--json", "--domain", "other.example.org"]);
    assert_eq!(plan.json()["domain"], "other.example.org");
}

#[test]
fn other_distributions_are_blocked() {
    let machine = Machine::boot(FRESH);
    machine.sh("rm /etc/os-release; printf 'ID=fedora\\nPRETTY_NAME=\"Fedora 40\"\\n' > /etc/os-release");
    says(&machine.tool(&["install", "--yes"]), 5, &["Fedora 40 is not based on Debian"]);
}

#[test]
fn install_without_jitsi_or_prosody_is_blocked() {
    let machine = Machine::boot(FRESH);
    machine.sh("dpkg --remove jitsi-meet-prosody");
    says(&machine.tool(&["install", "--yes"]), 5, &["jitsi-meet-prosody is not installed"]);
    machine.sh("dpkg --remove prosody");
    says(&machine.tool(&["install", "--yes"]), 5, &["Prosody is not installed"]);
    says(&machine.tool(&["status"]), 5, &["Prosody is not installed"]);
}

#[test]
fn install_without_terminal_or_yes_changes_nothing() {
    let machine = Machine::boot(FRESH);
    let before = host_file_hash(&machine);
    says(&machine.tool(&["install"]), 2, &["--yes", "luarocks install"]);
    assert_eq!(host_file_hash(&machine), before);
    assert_eq!(machine.sh("ls /var/lib | grep -c jitsi-tokens || true").trim(), "0");
}

#[test]
fn the_prompt_offers_yes_no_and_explain() {
    let machine = Machine::boot(provisioned());
    machine.chmod("644", HOST_FILE);
    let ask = |answers: &str| {
        machine.try_sh(&format!(
            "(sleep 1; printf '{answers}') | script -qec '/opt/jitsi-tokens-setup/jitsi-tokens-setup install' /dev/null"
        ))
    };
    says(
        &ask("explain\\nno\\n"),
        1,
        &["Apply these changes? [yes/No/explain]", "Makes Prosody require a token", "connect"],
    );
    assert_eq!(machine.mode(HOST_FILE), "644");
    says(&ask("yes\\n"), 0, &["a valid token opens its room and no other"]);
    assert_eq!(machine.mode(HOST_FILE), "640");
}

#[test]
fn a_running_apt_is_awaited_and_named() {
    let machine = Machine::boot(FRESH);
    machine.sh(
        "setsid perl -e 'use Fcntl; open(F, \">/var/lib/dpkg/lock-frontend\"); \
         my $lock = pack(\"s s x4 l! l! i x4\", F_WRLCK, 0, 0, 0, 0); fcntl(F, F_SETLK, $lock) or die; sleep 600' >/dev/null 2>&1 </dev/null & sleep 0.5; pgrep perl",
    );
    let run = machine.tool(&["install", "--yes", "--lock-timeout", "2s"]);
    says(&run, 1, &["held by process", "(perl)", "waiting:", "--lock-timeout"]);
    assert!(machine.is_open(), "people can join as before");
    assert_eq!(machine.tool(&["status", "-q"]).code, 3);
}

#[test]
fn an_interrupted_install_is_finished_by_a_rerun() {
    let machine = Machine::boot(FRESH);
    let child = machine
        .command(&["install", "--yes"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn();
    let child = child.expect("it starts");
    // Once dpkg is at work.
    machine.sh("for i in $(seq 600); do pgrep -f '[d]pkg .*--unpack' >/dev/null && break; sleep 0.1; done; pgrep -f '[d]pkg .*--unpack'; pkill -INT -x jitsi-tokens-se");
    let output = child.wait_with_output().expect("it ends");
    let said = crate::bed::text(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(
        said.contains("once the package manager has finished") && said.contains("run the same command again"),
        "{said}"
    );
    assert_eq!(machine.sh("dpkg --audit").trim(), "", "dpkg was waited for");
    assert!(machine.is_open());
    says(&machine.tool(&["install", "--yes"]), 0, &[]);
    machine.assert_proved();
    says(&machine.tool(&["uninstall", "--yes"]), 0, &["as before the install: accepted"]);
    assert!(machine.is_open());
}

#[test]
fn an_unavailable_fork_is_replaced_by_upstreams_rock() {
    let machine = Machine::boot(provisioned());
    machine.remove_rock("luajwtjitsi");
    machine.sh("mv /srv/bed/git /srv/bed/gone");
    let run = machine.tool(&["install", "--yes", "--json"]);
    says(&run, 0, &["could not be used; installed luajwtjitsi 2.0-0", "2.0-0"]);
    assert_eq!(machine.sh("ls /usr/local/lib/luarocks/rocks/luajwtjitsi").trim(), "2.0-0");
    machine.assert_proved();
}

#[test]
fn a_rerun_succeeds_after_a_missing_rocks_server() {
    let machine = Machine::boot(provisioned());
    machine.remove_rock("basexx");
    machine.sh("mv /srv/bed/rocks /srv/bed/gone");
    let run = machine.tool(&["install", "--yes"]);
    says(&run, 1, &["Failed at rock-basexx", "luarocks install --deps-mode=none basexx", "run the same command again"]);
    machine.sh("mv /srv/bed/gone /srv/bed/rocks");
    says(&machine.tool(&["install", "--yes"]), 0, &[]);
}

#[test]
fn a_failed_compilation_shows_its_first_error_and_log() {
    let machine = Machine::boot(provisioned());
    machine.remove_rock("lua-cjson");
    machine.sh("mv /usr/include/lua5.2/lua.h /root/");
    let run = machine.tool(&["install", "--yes"]);
    says(&run, 1, &["Failed at rock-luajwtjitsi", "lua.h", "error:", "/var/log/jitsi-tokens-setup/install.log"]);
    assert!(machine.text("/var/log/jitsi-tokens-setup/install.log").contains("gcc "));
}

#[test]
fn a_missing_package_is_reported() {
    let machine = Machine::boot(FRESH);
    machine.sh(
        "rm -f /etc/apt/sources.list.d/*debian* /etc/apt/sources.list; rm -rf /var/lib/apt/lists/*; apt-get update -qq",
    );
    let run = machine.tool(&["install", "--yes"]);
    says(&run, 1, &["Failed at apt-packages", "E: "]);
    assert!(machine.is_open());
}

#[test]
fn a_failed_package_script_is_reported_with_its_output() {
    let machine = Machine::boot(FRESH);
    machine.sh("set -e; dpkg-divert --local --rename --add /usr/bin/update-alternatives >/dev/null
         printf '#!/bin/sh\necho update-alternatives: out of luck >&2; exit 7\n' > /usr/bin/update-alternatives
         chmod 755 /usr/bin/update-alternatives");
    let run = machine.tool(&["install", "--yes"]);
    says(
        &run,
        1,
        &[
            "Failed at apt-packages",
            "script subprocess returned error exit status 7",
            "out of luck",
            "/var/log/jitsi-tokens-setup/install.log",
        ],
    );
    machine.sh("rm /usr/bin/update-alternatives; dpkg-divert --local --rename --remove /usr/bin/update-alternatives >/dev/null");
    says(&machine.tool(&["install", "--yes"]), 0, &[]);
}

#[test]
fn a_receipt_on_a_full_disk_prevents_changes() {
    let machine = Machine::boot(provisioned());
    machine.sh(&format!(
        "sed -i 's/authentication = \"token\" -- do not delete me/authentication = \"anonymous\"/' {HOST_FILE}
         cp -a /var/lib/jitsi-tokens-setup /root/kept
         mount -t tmpfs -o size=256k,mode=700 none /var/lib/jitsi-tokens-setup
         cp -a /root/kept/. /var/lib/jitsi-tokens-setup/
         dd if=/dev/zero of=/var/lib/jitsi-tokens-setup/ballast bs=4k 2>/dev/null || true"
    ));
    let before = host_file_hash(&machine);
    says(&machine.tool(&["install", "--yes"]), 1, &["No space left on device", "nothing was changed"]);
    assert_eq!(host_file_hash(&machine), before);
    machine.remove("/var/lib/jitsi-tokens-setup/ballast");
    says(&machine.tool(&["install", "--yes"]), 0, &[]);
}

#[test]
fn a_secret_full_of_special_characters_works() {
    let machine = Machine::boot(provisioned());
    let secret = r#"q"uo'te\back/sl&sh[br]*.^$`tick` ü ]] --"#;
    let file = machine.root().join("root/secret");
    std::fs::write(&file, format!("{secret}\n")).expect("a file");
    machine.chmod("600", "/root/secret");
    let run =
        machine.tool(&["install", "--yes", "--json", "--app-id", "my app/1", "--app-secret-file", "/root/secret"]);
    says(&run, 0, &[]);
    assert!(!run.all().contains("q\"uo"), "{}", run.all());
    assert_eq!(steps_in(&run.json(), "done"), ["prosody-config", "jitsi-meet-tokens", "prosody-restart"]);
    assert_eq!(machine.credentials(), ("my app/1".to_owned(), secret.to_owned()));
    machine.assert_proved();
    assert!(!machine.text("/var/cache/debconf/passwords.dat").contains("q\"uo"));
    // Jitsi's own removal script must neither show the secret nor break on it; the tool then repairs what it did.
    says(&machine.try_apt_get("remove", "jitsi-meet-tokens"), 0, &[]);
    says(&machine.tool(&["install", "--yes"]), 0, &[]);
    assert_eq!(machine.matrix("my app/1", secret)["ok"], true);
}

#[test]
fn a_single_step_requires_earlier_steps() {
    let machine = Machine::boot(FRESH);
    says(&machine.tool(&["install", "--yes", "--only", "prosody-config"]), 5, &["apt-packages", "needed first"]);
    assert!(machine.is_open());
    let machine = Machine::boot(provisioned());
    machine.chmod("644", HOST_FILE);
    let run = machine.tool(&["install", "--yes", "--json", "--only", "prosody-config"]);
    says(&run, 0, &[]);
    assert_eq!(steps_in(&run.json(), "done"), ["prosody-config", "prosody-restart"]);
}

#[test]
fn no_restart_leaves_the_change_pending() {
    let machine = Machine::boot(provisioned());
    machine.chmod("644", HOST_FILE);
    let pid = machine.prosody_pid();
    says(&machine.tool(&["install", "--yes", "--no-restart"]), 0, &["--no-restart"]);
    assert_eq!(machine.prosody_pid(), pid);
    assert_eq!(machine.tool(&["status", "-q"]).code, 3);
}

#[test]
fn verify_distinguishes_stopped_from_unconfigured_servers() {
    let machine = Machine::boot(provisioned());
    machine.systemctl("stop", "prosody");
    says(&machine.tool(&["verify"]), 4, &["systemctl start prosody"]);
    let machine = Machine::boot(FRESH);
    says(&machine.tool(&["verify"]), 4, &["not set up", "install"]);
}

#[test]
fn a_secret_typed_on_a_terminal_is_not_echoed() {
    let machine = Machine::boot(provisioned());
    let typed = "typed-by-hand-4711";
    // The pause is for the prompt, which turns off the echo.
    let run = machine.try_sh(&format!(
        "(sleep 2; echo {typed}; sleep 1) | script -qec '/opt/jitsi-tokens-setup/jitsi-tokens-setup install --dry-run --app-secret-file -' /dev/null"
    ));
    says(&run, 0, &["App secret:", "app_secret", "prosody-config"]);
    assert!(!run.all().contains(typed), "{}", run.all());
}
