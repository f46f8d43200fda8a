//! A slow reader: strace delays reads of the tool and of every child. Either the tool reports a child's whole output,
//! or the run fails and says so; a part is never mistaken for the whole.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::bed::{Machine, Run, says};
use crate::story::provisioned;

/// Runs the tool with its reads, and those of all its children, delayed.
fn delayed_run(machine: &Machine, delay: &str, args: &[&str]) -> Run {
    let inner = machine.command(args);
    let output = Command::new("strace")
        .args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=read", "-e"])
        .arg(format!("inject=read:{delay}"))
        .arg(inner.get_program())
        .args(inner.get_args())
        .stdin(Stdio::null())
        .output()
        .expect("strace runs");
    Run::of(&output)
}

fn without_times(run: &Run) -> Value {
    let mut report = run.json();
    for step in report["steps"].as_array_mut().into_iter().flatten() {
        step.as_object_mut().map(|step| step.remove("seconds"));
    }
    // Its sentence contains the time of the last whole proof.
    report["steps"].take()
}

fn status_is_the_same(machine: &Machine, delay: &str) {
    let prompt = machine.tool(&["status", "--json"]);
    let late = delayed_run(machine, delay, &["status", "--json"]);
    assert_eq!(late.code, prompt.code, "{delay}: {}", late.all());
    assert_eq!(without_times(&late), without_times(&prompt), "{delay}");
}

mod thorough {
    use super::*;

    /// Every read by 50 ms, some by a quarter of a second, a few by two seconds: the longer the delay, the fewer reads
    /// are delayed, since a run makes a thousand of them.
    const DELAYS: [&str; 3] = ["delay_enter=50000", "delay_enter=250000:when=1+5", "delay_enter=2000000:when=3+60"];

    #[test]
    fn results_do_not_depend_on_read_delays() {
        for delay in DELAYS {
            let machine = Machine::boot(provisioned());
            status_is_the_same(&machine, delay);
            machine.remove_rock("basexx");
            status_is_the_same(&machine, delay);
            let install = delayed_run(&machine, delay, &["install", "--yes"]);
            assert_eq!(install.code, 0, "{delay}: {}", install.all());
            machine.assert_proved();
            says(&machine.tool(&["status"]), 0, &[]);
            let uninstall = delayed_run(&machine, delay, &["uninstall", "--yes"]);
            assert_eq!(uninstall.code, 0, "{delay}: {}", uninstall.all());
            assert!(machine.is_open(), "{delay}");
        }
    }
}
