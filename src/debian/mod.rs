//! The parts of Debian that the program deals with: packages, their sources, and debconf's answers.

pub mod apt;
pub mod debconf;
mod debconf_files;
pub mod dpkg;
pub mod locks;
pub mod recorded;
pub mod release;
pub mod removal;
pub mod removal_script;
pub mod sources;
