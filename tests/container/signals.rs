//! Ctrl-C, SIGTERM and a lost terminal in the middle of a run.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::bed::{FRESH, Machine, Run, TOOL, says};
use crate::story::provisioned;

/// A machine on which something has to be compiled, with a compiler that takes this long.
pub fn slow_compiler(seconds: u32) -> Machine {
    let machine = Machine::boot(provisioned());
    machine.sh(&format!(
        "set -e; /usr/bin/lua5.2 /usr/bin/luarocks remove --force lua-cjson; mv /usr/bin/gcc /usr/bin/gcc.real
         printf '#!/bin/sh\\nsleep {seconds}\\nexec /usr/bin/gcc.real \"$@\"\\n' > /usr/bin/gcc; chmod 755 /usr/bin/gcc"
    ));
    machine
}

/// Starts the tool; its output can be collected later.
pub fn start(machine: &Machine, args: &[&str]) -> std::process::Child {
    machine.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts")
}

/// Waits in the machine until this shell condition holds.
pub fn wait_until(machine: &Machine, condition: &str) {
    machine.sh(&format!("for i in $(seq 600); do if {condition}; then exit 0; fi; sleep 0.1; done; exit 1"));
}

fn signal(machine: &Machine, name: &str) {
    machine.sh(&format!("pkill -{name} -x jitsi-tokens-se"));
}

fn end_of(child: std::process::Child) -> Run {
    Run::of(&child.wait_with_output().expect("it ends"))
}

#[test]
fn sigterm_kills_a_compiling_child_and_its_descendants() {
    let machine = slow_compiler(300);
    let child = start(&machine, &["install", "--yes"]);
    wait_until(&machine, "pgrep -f '^sleep 300' >/dev/null");
    let asked = Instant::now();
    signal(&machine, "TERM");
    says(
        &end_of(child),
        130,
        &["interrupted", "completed changes are kept", "run the same command again", "uninstall"],
    );
    assert!(asked.elapsed() < Duration::from_secs(60), "it did not wait for the compiler");
    assert_eq!(machine.sh("pgrep -f '^sleep 300' || true"), "", "nothing of it is left");
    machine.sh("mv /usr/bin/gcc.real /usr/bin/gcc");
    says(&machine.tool(&["install", "--yes"]), 0, &[]);
    machine.assert_proved();
}

#[test]
fn a_second_ctrl_c_aborts_even_dpkg() {
    let machine = Machine::boot(FRESH);
    let child = start(&machine, &["install", "--yes"]);
    wait_until(&machine, "pgrep -f '[d]pkg .*--unpack' >/dev/null");
    signal(&machine, "INT");
    std::thread::sleep(Duration::from_millis(300));
    signal(&machine, "INT");
    says(
        &end_of(child),
        130,
        &["once the package manager has finished", "press Ctrl-C again", "run the same command again"],
    );
    assert_eq!(machine.sh("pgrep -x apt-get || true"), "");
    assert!(machine.is_open());
    says(&machine.tool(&["install", "--yes"]), 0, &[]);
    machine.assert_proved();
}

#[test]
fn a_lost_terminal_does_not_stop_the_run() {
    let machine = slow_compiler(2);
    machine.sh(&format!("setsid script -qefc '{TOOL} install --yes' /root/typescript >/dev/null 2>&1 </dev/null & :"));
    wait_until(&machine, "pgrep -f '^sleep 2' >/dev/null");
    machine.sh("pkill -KILL -x script");
    wait_until(&machine, "! pgrep -x jitsi-tokens-se >/dev/null");
    let log = machine.text("/var/log/jitsi-tokens-setup/install.log");
    assert!(log.contains("gcc ") && log.contains("Done: a valid token opens its room"), "{log}");
    says(&machine.tool(&["status"]), 0, &[]);
    machine.assert_proved();
}
