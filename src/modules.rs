//! Which Lua modules and Debian packages this site needs, and which of them are there.

use std::collections::BTreeSet;

use anyhow::Result;

use crate::debian::dpkg;
use crate::facts::Site;
use crate::host::Host;
use crate::probe::Era;
use crate::prosody::interpreter::LoadTest;
use crate::prosody::luarocks::DECODE_CLOSURE;

/// The modules that must load: what the plugins require, and in the decode era what the tutorial's rock requires.
pub fn wanted(site: &Site) -> BTreeSet<String> {
    let mut modules = site.plugin.modules.clone();
    // Judged by what it does, not by whether it loads: see `LoadTest::jwt`.
    modules.remove("luajwtjitsi");
    if site.plugin.era == Era::Decode {
        modules.extend(
            DECODE_CLOSURE
                .iter()
                .flat_map(|rock| rock.modules)
                .map(|module| (*module).to_owned()),
        );
    }
    modules
}

/// What Prosody's Lua can load of them. One child, however often it is asked for between two changes.
pub fn test(host: &dyn Host, site: &Site) -> Result<LoadTest> {
    let modules: Vec<String> = wanted(site).into_iter().collect();
    site.lua.load_test(host, &modules, site.plugin.era)
}

/// Whether everything that the plugins load is there and does its work.
pub fn complete(host: &dyn Host, site: &Site) -> Result<bool> {
    let test = test(host, site)?;
    let jwt = host.assumed().jwt_function || test.jwt.as_ref().is_none_or(Result::is_ok);
    Ok(jwt
        && wanted(site)
            .iter()
            .all(|module| test.loads(host, module).is_ok()))
}

/// The Debian packages that are needed: in the decode era the tutorial's, all of them, and the compiler that they
/// take for granted; later only if something has to be built.
fn packages(host: &dyn Host, site: &Site) -> Result<Vec<String>> {
    let lua = &site.lua.version;
    let build = ["luarocks", "libssl-dev", "gcc", "libc6-dev", "make"].map(str::to_owned);
    // `liblua5.2`, as the tutorial has it, is no package: apt takes it for a pattern.
    let headers = [format!("liblua{lua}-dev")];
    Ok(match site.plugin.era {
        Era::Decode => ["git", "cmake"]
            .map(str::to_owned)
            .into_iter()
            .chain(build)
            .chain(headers)
            .collect(),
        Era::Verify | Era::Bundled if complete(host, site)? => Vec::new(),
        Era::Verify | Era::Bundled => build.into_iter().chain(headers).collect(),
    })
}

/// The needed packages that are not installed.
pub fn missing_packages(host: &dyn Host, site: &Site) -> Result<Vec<String>> {
    let installed = dpkg::installed(host)?;
    Ok(packages(host, site)?
        .into_iter()
        .filter(|name| !installed.contains(name))
        .collect())
}
