//! jicofo, which opens rooms and, unless told otherwise, makes somebody in each of them an owner.

pub mod config;
pub mod daemon;
