//! Debian, as far as the program has to understand it: packages, their sources, and debconf's answers.

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
