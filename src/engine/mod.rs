//! The provisioning engine: checks steps; shows, records and applies their changes; checks again; undoes them. It knows
//! nothing about Jitsi, Prosody or tokens.

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
