//! The program from outside: arguments and files in, exact text and exit code out, on any Debian without Jitsi. What
//! happens on a machine with Jitsi is tested in containers (`scripts/bed`).

mod cli {
    mod run;

    mod blocked;
    mod completions;
    mod credentials_given;
    mod help;
    mod inspect;
    mod interop;
    mod mint;
    mod output;
    mod properties;
    mod schema;
    mod usage;
    mod verify;
}
