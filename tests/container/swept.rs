//! Containers of an interrupted test run are ended by the next run, and leave nothing behind.

use std::path::PathBuf;
use std::process::Command;

use crate::bed::{FRESH, bed, done, text};

#[test]
fn only_orphaned_containers_are_stopped() {
    let mut child = Command::new("true").spawn().expect("true");
    child.wait().expect("it ends");
    let (gone, mine) = (format!("cut-off-{}-0", child.id()), format!("cut-off-{}-0", std::process::id()));
    for name in [&gone, &mine] {
        done(&mut bed("up", &[name, FRESH, "--no-boot", "--no-sync"]));
    }
    done(&mut bed("sweep", &[]));
    let is_up = |name: &str| bed("root", &[name]).output().expect("bed").status.success();
    assert!(!is_up(&gone));
    assert!(is_up(&mine));
    let run = PathBuf::from(text(&done(&mut bed("root", &[&mine])).stdout).trim());
    let run = run.parent().and_then(|dir| dir.parent()).expect("a folder");
    assert!(run.join(format!(".{mine}.lock")).exists());
    assert!(!run.join(format!(".{gone}.lock")).exists());
    done(&mut bed("down", &[&mine]));
    assert!(!run.join(format!(".{mine}.lock")).exists());
}
