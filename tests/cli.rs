//! Tests of the program from outside: arguments and files in, exact text and exit code out, on any Debian without
//! Jitsi. Behavior on a machine with Jitsi is tested in containers (`scripts/bed`).

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test ends where something is wrong")]
#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a test looks at the machine itself"
)]

mod cli {
    mod run;

    mod batch;
    mod blocked;
    mod completions;
    mod credentials_given;
    mod documented;
    mod help;
    mod hostile_values;
    mod inspect;
    mod interop;
    mod key_files;
    mod mint;
    mod mint_input;
    mod output;
    mod properties;
    mod pyjwt;
    mod schema;
    mod usage;
    mod verdicts;
    mod verify;
}
