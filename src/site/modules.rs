//! Which Lua modules this site needs, which of them load in Prosody's Lua, and who provides the others.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;

use crate::debian::dpkg;
use crate::host::{FileKind, Host};
use crate::luarocks::known;
use crate::prosody::era::Era;
use crate::prosody::load_test::{LoadTest, Trouble, linked};
use crate::site::facts::Site;
use crate::site::required_modules::required;

pub use crate::site::provider::{Provider, changes, hiding_a_rock, move_aside};
pub use crate::site::required_modules::closure;

/// A module that does not load as it should.
#[derive(Debug)]
pub struct Missing {
    /// Its name.
    pub module: String,
    /// What is wrong.
    pub trouble: Trouble,
    /// Who provides it.
    pub provider: Provider,
}

/// Tests which of them Prosody's Lua can load. One child process, however often this is called between two changes.
pub fn test(host: &dyn Host, site: &Site) -> Result<LoadTest> {
    LoadTest::run(host, &site.lua, &required(&site.plugin), site.plugin.era)
}

/// What is wrong with `luajwtjitsi`; none if it works, or is not needed.
pub fn jwt_trouble(host: &dyn Host, test: &LoadTest) -> Result<Option<Trouble>> {
    let Some(Err(trouble)) = &test.jwt else {
        return Ok(None);
    };
    let over = host.assumed().jwt_function || trouble.behind && is_cleared(host, trouble)?;
    Ok((!over).then(|| trouble.clone()))
}

/// Whether `luajwtjitsi` itself must be reinstalled. Its missing dependencies are provided separately; with them in
/// place the rock may work.
pub fn needs_rock(site: &Site, trouble: &Trouble) -> bool {
    let underneath = closure(site.plugin.era).iter().any(|module| trouble.why.contains(&format!("module '{module}'")));
    !trouble.behind && !underneath
}

/// The modules that do not load as they should.
pub fn missing(host: &dyn Host, site: &Site) -> Result<Vec<Missing>> {
    let test = test(host, site)?;
    let mut found = Vec::new();
    for (module, loaded) in &test.modules {
        let Err(trouble) = loaded else { continue };
        // A luajwtjitsi that works has what it needs, whatever that is.
        let only_for_rock = !site.plugin.modules.contains(module);
        if only_for_rock && site.plugin.era == Era::Verify && test.jwt == Some(Ok(())) {
            continue;
        }
        let provider = crate::site::provider::of(host, &site.lua, site.plugin.era, module, trouble)?;
        if !is_resolved(host, site, module, trouble, &provider)? {
            found.push(Missing { module: module.clone(), trouble: trouble.clone(), provider });
        }
    }
    Ok(found)
}

/// Whether the changes of a preview have resolved a trouble.
fn is_resolved(host: &dyn Host, site: &Site, module: &str, trouble: &Trouble, provider: &Provider) -> Result<bool> {
    if host.assumed().modules.iter().any(|known| known == module) {
        return Ok(true);
    }
    match provider {
        Provider::Behind => is_cleared(host, trouble),
        Provider::Link { target, .. } => {
            let place = linked(module, &site.lua);
            let is_link = host.stat(&place)?.is_some_and(|s| s.kind == FileKind::Link);
            Ok(!host.is_live() && is_link && host.read_link(&place)? == *target)
        }
        Provider::Package(_) | Provider::Rock(_) => Ok(false),
    }
}

fn is_cleared(host: &dyn Host, trouble: &Trouble) -> Result<bool> {
    for file in &trouble.in_the_way {
        if host.exists(file)? {
            return Ok(false);
        }
    }
    Ok(!host.is_live())
}

/// The Debian packages that are needed. In the decode era: those of the common how-to (docs/speed.md) and the compiler
/// that it takes for granted, without its cmake, which takes a quarter of the time and builds no rock of the closure.
/// Later: only what the missing modules need.
fn packages(host: &dyn Host, site: &Site) -> Result<Vec<String>> {
    let lua = &site.lua.version;
    let build = ["gcc", "libc6-dev", "make"].map(str::to_owned);
    // The how-to's `liblua5.2` is not a package: apt reads it as a pattern. Even a pure Lua rock only builds with the
    // headers installed.
    let mut rocks = vec!["luarocks".to_owned(), format!("liblua{lua}-dev")];
    // A Prosody with its own interpreter does not depend on Debian's, which luarocks runs on.
    if !host.exists(Path::new(&format!("/usr/bin/lua{lua}")))? {
        rocks.push(format!("lua{lua}"));
    }
    if site.plugin.era == Era::Decode {
        let tutorial = ["git", "libssl-dev"].map(str::to_owned);
        return Ok(tutorial.into_iter().chain(rocks).chain(build).collect());
    }
    let mut names = BTreeSet::new();
    for missing in missing(host, site)? {
        match missing.provider {
            Provider::Behind | Provider::Link { package: None, .. } => {}
            Provider::Package(package) | Provider::Link { package: Some(package), .. } => {
                names.insert(package.to_owned());
            }
            Provider::Rock(rock) => {
                names.extend(rocks.iter().cloned());
                if !known(&rock).is_some_and(|rock| rock.pure) {
                    names.extend(build.iter().cloned());
                    names.insert("libssl-dev".to_owned());
                }
            }
        }
    }
    let jwt = jwt_trouble(host, &test(host, site)?)?;
    if jwt.is_some_and(|trouble| needs_rock(site, &trouble)) {
        names.extend(rocks);
    }
    Ok(names.into_iter().collect())
}

/// The needed packages that are not installed.
pub fn missing_packages(host: &dyn Host, site: &Site) -> Result<Vec<String>> {
    let installed = dpkg::installed(host)?;
    Ok(packages(host, site)?.into_iter().filter(|name| !installed.contains(name)).collect())
}

/// The modules that load once these packages are installed.
pub fn provided_by_packages(host: &dyn Host, site: &Site) -> Result<Vec<String>> {
    Ok(missing(host, site)?
        .into_iter()
        .filter(|missing| matches!(missing.provider, Provider::Package(_)))
        .map(|missing| missing.module)
        .collect())
}

/// What is wrong with these modules, and who provides them, on one line.
pub fn why(missing: &[Missing]) -> String {
    let texts: Vec<String> = missing
        .iter()
        .map(|missing| {
            let trouble = missing.trouble.text(&missing.module);
            format!("{trouble} ({})", missing.provider)
        })
        .collect();
    texts.join("; ")
}
