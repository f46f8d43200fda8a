//! Strange app IDs and secrets: accepted ones log in, rejected ones change nothing.

use crate::bed::{HOST_FILE, TOOL, says};
use crate::hostile_subject::{Subject, some};

/// A secret with characters that our own messages replace where there is only ASCII.
fn printed_unchanged(subject: &Subject) {
    let secret = "0123456789abcdef…✗✓“0123456789abcdef”";
    subject.write("/root/secret", secret.as_bytes());
    says(&subject.machine.tool(&["credentials", "rotate", "--yes", "--app-secret-file=/root/secret"]), 0, &[]);
    let show = format!("LC_ALL=C {TOOL} credentials show");
    assert_eq!(subject.machine.sh(&format!("{show} --secret-only")), secret);
    assert!(subject.machine.sh(&format!("{show} --reveal")).contains(secret));
}

/// Tries values as app ID and as secret.
fn credentials(every: usize, first: usize) {
    let subject = Subject::new();
    let mut taken = 0;
    for value in some(every, first) {
        let Ok(id) = String::from_utf8(value.clone()) else {
            continue;
        };
        // Long enough for any rule about secrets.
        subject.write("/root/secret", [b"0123456789abcdef0123456789abcdef", &value[..]].concat());
        let before = subject.read(HOST_FILE);
        let args = ["credentials", "rotate", "--yes", &format!("--app-id={id}"), "--app-secret-file=/root/secret"];
        let run = subject.survives(&args, &value);
        match run.code {
            0 => {
                taken += 1;
                println!("{id:?} is taken");
                subject.machine.assert_proved();
            }
            2 => assert!(subject.read(HOST_FILE) == before, "refused, and changed: {}", run.all()),
            _ => panic!("{id:?}: {}", run.all()),
        }
        subject.machine.sh("systemctl reset-failed prosody");
    }
    assert!(taken > 0, "none was taken");
    println!("{taken} strange ids and secrets log in");
    printed_unchanged(&subject);
    subject.assert_intact();
}

#[test]
fn accepted_strange_credentials_can_log_in() {
    credentials(37, 7);
}

mod thorough {
    use super::*;

    #[test]
    fn every_value_as_id_and_secret() {
        credentials(1, 0);
    }
}
