//! The parts of Prosody that the program has to understand: the Lua that runs it, the rocks it loads, Jitsi's plugins,
//! and the daemon itself.

pub mod acceptance;
pub mod account;
pub mod config;
pub mod daemon;
pub mod era;
pub mod interpreter;
pub mod listening;
pub mod load_test;
pub mod loaded;
pub mod log;
pub mod plugin;
pub mod restart;
pub mod search_path;
pub mod temporary_account;
pub mod unit;
