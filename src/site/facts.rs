//! What was discovered about the machine, gathered once through the host before the first step.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::debian::{apt, debconf, dpkg, release::Release};
use crate::engine::step::{Obstacle, obstacle};
use crate::host::Host;
use crate::host::secret::Secret;
use crate::login::{Server, Transport};
use crate::lua::value::Value;
use crate::prosody::acceptance::MAIN;
use crate::prosody::account::Account;
use crate::prosody::config::Config;
use crate::prosody::daemon;
use crate::prosody::interpreter::Interpreter;
use crate::prosody::load_test::LoadTest;
use crate::prosody::log;
use crate::prosody::plugin::{self, Plugin, Unread};
use crate::prosody::search_path;
use crate::prosody::unit;
use crate::site::expectations::{Expectations, Foreign};
use crate::site::key_source::KeySource;
use crate::site::required_modules::required;
use crate::site::settings::{Credentials, Settings, is_credential};
use crate::site::{expectations, guests, moderators, own_module, recorders, token_keys};

/// What was discovered.
#[derive(Debug)]
pub struct Facts {
    /// The distribution.
    pub release: Release,
    /// The Jitsi site, or why there is none to work on.
    pub site: Result<Site, Obstacle>,
}

/// A Jitsi site.
#[derive(Debug)]
pub struct Site {
    /// Its domain: the virtual host that people log in to.
    pub domain: String,
    /// The component that holds its rooms.
    pub muc: String,
    /// Whether only jicofo opens rooms there.
    pub only_jicofo_opens_rooms: bool,
    /// The interpreter that runs Prosody.
    pub lua: Interpreter,
    /// Prosody's package version.
    pub prosody: String,
    /// The version of jitsi-meet-prosody.
    pub jitsi: String,
    /// Jitsi's token plugins.
    pub plugin: Plugin,
    /// Prosody's port for plain HTTP.
    pub http_port: u16,
    /// Whether one of Prosody's logs records every level.
    pub debug_log: bool,
}

/// Jitsi's package whose scripts manage token authentication.
pub const TOKENS_PACKAGE: &str = "jitsi-meet-tokens";

impl Site {
    /// That package at the version of the installed jitsi-meet-prosody, as an argument for apt.
    pub fn tokens_package(&self) -> String {
        format!("{TOKENS_PACKAGE}={}", self.jitsi)
    }

    /// Prosody's configuration as it is now, earlier steps' changes included.
    pub fn config(&self, host: &dyn Host) -> Result<Config> {
        Config::load(host, Path::new(MAIN)).context("cannot read Prosody's configuration")
    }

    /// The server to log in to, over the first transport that this configuration enables, and whether it checks rooms
    /// there.
    pub fn server(&self, config: &Config) -> Server {
        Server {
            transport: self.transports(config)[0],
            room_check: self.has_room_check(config),
            base: format!("http://127.0.0.1:{}", self.http_port),
            account: Some(self.lua.account.uid),
            muc: self.muc.clone(),
            focus: self.only_jicofo_opens_rooms.then(|| format!("focus.{}", self.domain)),
            ..Server::local(&self.domain)
        }
    }

    /// The transports that this configuration enables, BOSH first; BOSH too if it enables none.
    pub fn transports(&self, config: &Config) -> Vec<Transport> {
        match [Transport::Bosh, Transport::WebSocket].map(|transport| self.serves(config, transport)) {
            [true, true] => vec![Transport::Bosh, Transport::WebSocket],
            [false, true] => vec![Transport::WebSocket],
            [_, false] => vec![Transport::Bosh],
        }
    }

    /// Whether this configuration enables a transport.
    pub fn serves(&self, config: &Config, transport: Transport) -> bool {
        let enabled = |host| config.option(host, "modules_enabled");
        let settings = [enabled(Some(self.domain.as_str())), enabled(None)];
        settings.into_iter().flatten().any(|setting| setting.value.lists(transport.module()))
    }

    /// Whether this configuration loads the room check (`token_verification`), as far as that can be known.
    pub fn has_room_check(&self, config: &Config) -> bool {
        config
            .option(Some(&self.muc), "modules_enabled")
            .is_some_and(|setting| setting.value == Value::Computed || setting.value.lists("token_verification"))
    }

    /// What this configuration requires of tokens signed with these credentials.
    ///
    /// # Errors
    /// If a plugin cannot be read.
    pub fn expectations(&self, host: &dyn Host, config: &Config, credentials: &Credentials) -> Result<Expectations> {
        let Credentials { app_id, app_secret } = credentials;
        let wanted = expectations::read(host, config, &self.domain, app_id, app_secret.clone(), &self.plugin)?;
        let foreign =
            KeySource::configured(config, &self.domain).map(|source| Foreign { source, known: false, silent: None });
        Ok(Expectations {
            guests: guests::served(config, &self.domain),
            waits_for_host: guests::wait_for_host(config, &self.muc),
            moderators_by_token: moderators::by_token(config, &self.muc),
            recorders: recorders::promised(config, &self.domain, &self.muc),
            by_public_key: foreign.is_some() || token_keys::by_public_key(config, &self.domain),
            foreign,
            ..wanted
        })
    }

    /// The ports that clients connect to.
    pub fn client_ports(&self) -> [u16; 2] {
        [5222, self.http_port]
    }
}

impl Facts {
    /// Discovers the facts. Something missing is an [`Obstacle`] in the result; only what cannot be determined is an
    /// error.
    pub fn gather(host: &dyn Host, settings: &Settings) -> Result<Self> {
        let release = Release::read(host)?;
        let site = if !host.is_root() {
            Err(obstacle("must be run as root", "use sudo"))
        } else if !release.is_debian_family() {
            let name = if release.name.is_empty() { "this system" } else { &release.name };
            Err(obstacle(format!("{name} is not based on Debian"), "use it on Debian or Ubuntu"))
        } else {
            match site(host, settings) {
                Ok(site) => Ok(site),
                Err(error) => Err(error.downcast::<Obstacle>()?),
            }
        };
        Ok(Self { release, site })
    }

    /// Starts apt's simulation early, which a plan will need: it takes half as long as a real install.
    ///
    /// # Errors
    /// If dpkg does not answer.
    pub fn prefetch_simulation(&self, host: &dyn Host) -> Result<()> {
        let Ok(site) = &self.site else {
            return Ok(());
        };
        if !dpkg::installed(host)?.contains(TOKENS_PACKAGE) {
            host.prefetch(&apt::simulation("install", &[site.tokens_package()]));
        }
        Ok(())
    }
}

/// The site. An error is an [`Obstacle`], or means that something could not be determined.
fn site(host: &dyn Host, settings: &Settings) -> Result<Site> {
    // A few child processes take longer than all the reading, so they run in parallel with it.
    if unit::has_systemd(host)? {
        host.prefetch(&unit::question());
    }
    debconf::prefetch(host);
    host.prefetch(&dpkg::question());
    let lua = interpreter(host)?;
    host.prefetch(&search_path::question(&lua));
    same_account(host, &lua.account)?;
    let packages = dpkg::packages(host)?;
    let version = |name: &str| packages.get(name).filter(|package| package.is_installed());
    let Some(jitsi) = version("jitsi-meet-prosody") else {
        bail!(obstacle(
            "the package jitsi-meet-prosody is not installed",
            "install Jitsi Meet first: apt-get install jitsi-meet"
        ));
    };
    let config = Config::load(host, Path::new(MAIN)).map_err(|error| {
        let why = format!("Prosody's configuration has an error: {error:#}");
        obstacle(why, "fix it, then run this again; nothing was changed")
    })?;
    remember_secrets(&config);
    let plugin = plugin::read(host, &lua, &plugin_paths(&config))?;
    if let Ok(plugin) = &plugin {
        let required = required(plugin);
        host.prefetch(&LoadTest::question(host, &lua, &required, plugin.era)?);
    }
    let domain = crate::site::domain::find(host, settings, &config)?;
    let muc = crate::site::rooms::component(&config, &domain)?;
    let plugin = plugin.map_err(|why| match why {
        Unread::Unknown(why) => obstacle(why, "reinstall jitsi-meet-prosody from a Jitsi release; nothing was changed"),
        Unread::Shared(why) => obstacle(
            why,
            "make it writable only by root (chown root, chmod go-w), or remove that directory from plugin_paths; \
             nothing was changed",
        ),
    })?;
    crate::site::rooms::belong(host, &plugin, &muc, &domain)?;
    // Prosody's own packages are called prosody-0.12, prosody-13.0 and the like.
    let prosody = packages
        .iter()
        .filter(|(name, package)| is_prosody(name) && package.is_installed())
        .map(|(_, package)| package.version.clone())
        .next()
        .unwrap_or_else(|| "of its own".to_owned());
    let http_port = http_port(&config);
    let only_jicofo_opens_rooms = expectations::only_jicofo_opens_rooms(host, &config, &muc, &plugin)?;
    Ok(Site {
        domain,
        muc,
        only_jicofo_opens_rooms,
        lua,
        prosody,
        jitsi: jitsi.version.clone(),
        plugin,
        http_port,
        debug_log: log::logs_debug(&config),
    })
}

fn is_prosody(package: &str) -> bool {
    package.strip_prefix("prosody").is_some_and(|rest| {
        let version = rest.strip_prefix('-').unwrap_or_default();
        rest.is_empty() || version == "trunk" || version.starts_with(|c: char| c.is_ascii_digit())
    })
}

/// The folders of `plugin_paths`, which may be a list or a string. Jitsi's own comes last, and is included even before
/// the configuration names it.
fn plugin_paths(config: &Config) -> Vec<PathBuf> {
    let setting = config.option(None, "plugin_paths");
    let named = setting.and_then(|setting| setting.value.strings()).unwrap_or_default();
    let mut paths: Vec<PathBuf> =
        named.iter().flat_map(|path| path.split(';')).filter(|path| !path.is_empty()).map(PathBuf::from).collect();
    if !paths.iter().any(|path| path == Path::new(plugin::FOLDER)) {
        paths.push(plugin::FOLDER.into());
    }
    paths
}

fn interpreter(host: &dyn Host) -> Result<Interpreter> {
    match Interpreter::find(host) {
        Ok(Some(lua)) => Ok(lua),
        Ok(None) => bail!(obstacle("Prosody is not installed (no /usr/bin/prosody)", "install Jitsi Meet first")),
        Err(error) => {
            bail!(obstacle(format!("{error:#}"), "install Prosody from Debian or from prosody.im"))
        }
    }
}

/// A Prosody that runs as another account cannot read what is written for this one.
fn same_account(host: &dyn Host, account: &Account) -> Result<()> {
    let daemon = daemon::running(host)?;
    match daemon.and_then(|daemon| account.differs(&daemon)) {
        Some(why) => bail!(obstacle(
            why,
            "restart Prosody, or fix User= and Group= of its unit (or prosody_user and prosody_group in its \
             configuration); nothing was changed"
        )),
        None => Ok(()),
    }
}

/// Registers every host's secret, so no output shows it.
fn remember_secrets(config: &Config) {
    let named = config.hosts().filter_map(|section| section.name.as_deref());
    for host in std::iter::once(None).chain(named.map(Some)) {
        let secret = config.option(host, "app_secret");
        let text = secret.and_then(|setting| setting.value.as_str());
        if let Some(text) = text.filter(|text| is_credential(text)) {
            Secret::new(text);
        }
    }
}

/// The first of `http_ports`; 5280 is Prosody's own default.
fn http_port(config: &Config) -> u16 {
    use crate::lua::value::Value;
    let port = |value: &Value| value.as_number().map(|port| port as u16);
    let setting = config.option(None, "http_ports").map(|setting| &setting.value);
    let first = match setting {
        Some(Value::Table(fields)) => fields.first().and_then(|(_, value)| port(value)),
        Some(value) => port(value),
        None => None,
    };
    first.unwrap_or(5280)
}

/// Every file that Prosody loads for this site: a change to any of them makes the running daemon out of date.
pub fn loaded_files(site: &Site, config: &Config, modules: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = config.files().map(Path::to_owned).collect();
    files.extend(site.plugin.files.iter().cloned());
    files.push(site.lua.path.clone());
    files.extend(modules);
    files.extend(own_module::ALL.iter().map(|module| module.path()));
    files
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::FakeHost;
    use crate::prosody::era::Era;

    #[test]
    fn logins_are_made_over_an_enabled_transport() {
        let plugin = Plugin { era: Era::Bundled, era_source: String::new(), modules: [].into(), files: [].into() };
        let site = Site {
            domain: "m.org".to_owned(),
            muc: "conference.m.org".to_owned(),
            only_jicofo_opens_rooms: true,
            lua: Interpreter::debians("5.4"),
            prosody: "13.0".to_owned(),
            jitsi: "1".to_owned(),
            plugin,
            http_port: 5280,
            debug_log: false,
        };
        for (enabled, first, count) in [
            ("\"bosh\"", Transport::Bosh, 1),
            ("\"websocket\"", Transport::WebSocket, 1),
            ("\"websocket\", \"bosh\"", Transport::Bosh, 2),
            ("\"pubsub\"", Transport::Bosh, 1),
        ] {
            let host =
                FakeHost::new().file("/c", format!("VirtualHost \"m.org\"\nmodules_enabled = {{ {enabled} }}\n"));
            let config = Config::load(&host, Path::new("/c")).unwrap();
            assert_eq!(site.transports(&config).len(), count, "{enabled}");
            assert_eq!(site.server(&config).transport, first, "{enabled}");
        }
    }
}
