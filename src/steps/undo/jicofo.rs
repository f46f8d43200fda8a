//! jicofo runs with its restored configuration.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;

use crate::engine::change::Change;
use crate::engine::step::Check;
use crate::engine::watch::File;
use crate::jicofo::config::file;
use crate::jicofo::daemon::{Restart, is_stale};
use crate::site::view::Context;

pub fn check(cx: &Context) -> Result<Check> {
    let file = file(cx.host);
    let is_its = |path: &str| Path::new(path) == file;
    if !cx.entries.iter().any(|entry| entry.which(&File).is_some_and(is_its)) {
        return Check::not_needed("its configuration was not changed");
    }
    match is_stale(cx.host) {
        Ok(false) => Check::satisfied("jicofo runs with its current configuration"),
        Ok(true) => Check::pending("jicofo must restart to load its configuration", [Change::Act(Arc::new(Restart))]),
        Err(error) => Check::error_or_blocked(error),
    }
}
