//! The modules that must load: what the plugins require, and what the rock that they use requires.

use std::collections::BTreeSet;

use crate::luarocks::{DECODE_CLOSURE, VERIFY_CLOSURE};
use crate::prosody::era::Era;
use crate::prosody::plugin::Plugin;

/// All of them, sorted.
pub fn required(plugin: &Plugin) -> Vec<String> {
    let mut modules = plugin.modules.clone();
    // Judged by what it does, not by whether it loads: see `LoadTest::jwt`.
    modules.remove("luajwtjitsi");
    modules.extend(closure(plugin.era));
    modules.into_iter().collect()
}

/// What the era's luajwtjitsi requires.
pub fn closure(era: Era) -> BTreeSet<String> {
    let modules: Vec<&str> = match era {
        Era::Decode => DECODE_CLOSURE.iter().flat_map(|rock| rock.modules).copied().collect(),
        Era::Verify => VERIFY_CLOSURE.into(),
        Era::Bundled => Vec::new(),
    };
    modules.into_iter().map(str::to_owned).collect()
}
