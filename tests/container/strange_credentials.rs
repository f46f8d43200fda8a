//! Strange app IDs and secrets: accepted ones log in, rejected ones change nothing.

use crate::bed::HOST_FILE;
use crate::hostile_subject::{Subject, some};

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
