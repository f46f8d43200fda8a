//! The provisioning engine: steps are checked, their changes shown, recorded, made and checked again, and taken back.
//! It knows nothing of Jitsi, Prosody or tokens.

pub mod apply;
pub mod change;
pub mod exit;
pub mod leftovers;
pub mod lock;
pub mod merge;
pub mod observer;
pub mod receipt;
pub mod report;
pub mod runner;
pub mod snapshot;
pub mod step;
pub mod watch;
