//! Prosody, as far as the program has to understand it: the Lua that runs it, the rocks in it, Jitsi's plugins, the
//! daemon itself.

pub mod acceptance;
pub mod account;
pub mod daemon;
pub mod expectations;
pub mod guests;
pub mod interpreter;
pub mod jicofo;
pub mod listening;
pub mod load_test;
pub mod loaded;
pub mod lockout;
pub mod log;
pub mod luarocks;
pub mod options;
pub mod plugin;
pub mod required;
pub mod restart;
pub mod rock_manifest;
pub mod search_path;
pub mod token_rules;
pub mod unit;
