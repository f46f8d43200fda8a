//! The architecture, read from the source text: who may use whom, what belongs in one place only, and whether the bed's
//! profiles are complete. A rule that must be broken gets a line in a list here, with its reason; a line that is no
//! longer needed fails as well, so that the lists only hold what is true.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test ends where something is wrong")]

mod architecture {
    mod layers;
    mod places;
    mod profiles;
    mod source;
}
