//! What is true of this machine and its Jitsi site, read once.

pub mod credentials;
pub mod domain;
pub mod expectations;
pub mod facts;
pub mod guests;
pub mod key_source;
pub mod lockout;
pub mod login_page;
pub mod moderators;
pub mod modules;
pub mod oidc;
pub mod own_module;
pub mod policy;
pub mod policy_options;
pub mod proof_key;
pub mod provider;
pub mod recorded;
pub mod recorders;
pub mod remembered;
pub mod required_modules;
pub mod rooms;
pub mod settings;
pub mod token_keys;
pub mod token_rules;
pub mod view;
pub mod web_config;
