//! The architecture, checked on the source text: which module may use which, what may appear in one place only, and
//! whether the bed's profiles are complete. An exception to a rule gets a line in a list here, with its reason. What a
//! lint can check is in Cargo.toml and clippy.toml.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test ends where something is wrong")]
#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a test looks at the machine itself"
)]

mod architecture {
    mod documents;
    mod layers;
    mod messages;
    mod places;
    mod profiles;
    mod source;
    mod versions;
}
