//! The user and group that Prosody runs as, from its unit or else from its configuration.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::host::Host;
use crate::host::command::Command;
use crate::host::ownership::changeable_or_target;
use crate::prosody::acceptance::MAIN;
use crate::prosody::config::Config;
use crate::prosody::daemon::Running;
use crate::prosody::unit;

/// Prosody's own default for both the user and the group.
const DEFAULT: &str = "prosody";

/// The user and group that Prosody runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The user's name.
    pub user: String,
    /// The group's name.
    pub group: String,
    /// The user ID.
    pub uid: u32,
    /// The group ID.
    pub gid: u32,
    /// The user's home directory.
    pub home: PathBuf,
}

impl Account {
    /// The account that the next start of Prosody will run as. Fails if the user or group does not exist.
    pub fn of(host: &dyn Host) -> Result<Self> {
        let unit = unit::of(host)?.unwrap_or_default();
        let of_unit = unit.user.is_some();
        let (user, group) = match unit.user {
            Some(user) => (user, unit.group),
            // Started as root, Prosody drops its privileges by itself.
            None => configured(host, unit.group)?,
        };
        let fields = entry(host, "passwd", &user)?
            .with_context(|| format!("Prosody runs as the user {user}, which does not exist"))?;
        let primary = fields.get(3).cloned().unwrap_or_default();
        let group = group.unwrap_or(primary);
        let fields_of_group = entry(host, "group", &group)?
            .with_context(|| format!("Prosody runs in the group {group}, which does not exist"))?;
        let number = |fields: &[String]| fields.get(2).and_then(|number| number.parse().ok());
        let uid: u32 = number(&fields).with_context(|| format!("the user {user} has no UID"))?;
        let gid: u32 = number(&fields_of_group).with_context(|| format!("the group {group} has no GID"))?;
        if !of_unit && (uid == 0 || gid == 0) {
            bail!(
                "Prosody is configured to run as {user}:{group} (prosody_user, prosody_group); use a dedicated account"
            );
        }
        Ok(Self {
            uid,
            gid,
            home: fields.get(5).cloned().unwrap_or_default().into(),
            user: fields[0].clone(),
            group: fields_of_group[0].clone(),
        })
    }

    /// Makes the command run as this account.
    pub fn runs(&self, command: Command) -> Command {
        command.user(&self.user, &self.group)
    }

    /// The problem if the running Prosody has another account; none if it has this one. Root is fine: Prosody has not
    /// dropped its privileges yet, or never does, and can read everything.
    pub fn differs(&self, daemon: &Running) -> Option<String> {
        let same = (daemon.uid, daemon.gid) == (self.uid, self.gid);
        (!same && daemon.uid != 0).then(|| {
            format!(
                "Prosody is configured to run as {}:{} ({}:{}), but process {} runs as {}:{}",
                self.user, self.group, self.uid, self.gid, daemon.pid, daemon.uid, daemon.gid
            )
        })
    }
}

/// The account that a Prosody started as root switches to: `prosody_user` and `prosody_group` of its configuration. A
/// user who can write the file that sets them must not choose which account root runs commands as.
fn configured(host: &dyn Host, group: Option<String>) -> Result<(String, Option<String>)> {
    // A configuration that cannot be read is reported where it is needed.
    let config = Config::load(host, Path::new(MAIN)).ok();
    let option = |name| {
        let Some(setting) = config.as_ref().and_then(|config| config.option(None, name)) else {
            return Ok(None);
        };
        if let Some(why) = changeable_or_target(host, &setting.file)? {
            bail!("{}, which sets {name}, {why}; make it writable only by root", setting.file.display());
        }
        Ok(setting.value.as_str().map(str::to_owned))
    };
    let user = option("prosody_user")?.unwrap_or_else(|| DEFAULT.to_owned());
    let group = option("prosody_group")?.or(group);
    Ok((user.clone(), Some(group.unwrap_or(user))))
}

/// A user's or group's fields in `passwd` or `group`, found by name or ID.
fn entry(host: &dyn Host, table: &str, key: &str) -> Result<Option<Vec<String>>> {
    let find = |text: &str| {
        let lines = text.lines().map(|line| line.split(':').map(str::to_owned).collect());
        let is = |fields: &Vec<String>| fields.len() > 2 && (fields[0] == key || fields[2] == key);
        lines.into_iter().find(is)
    };
    let path = Path::new("/etc").join(table);
    let known = find(&host.read_text(&path)?.unwrap_or_default());
    if known.is_some() || key.is_empty() {
        return Ok(known);
    }
    // It may be in a directory service, or allocated by systemd for this unit.
    let query = Command::query("getent").args([table, "--", key]);
    Ok(find(&host.run(&query)?.stdout))
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::host::fake::{FakeHost, output};

    fn machine(unit: &'static str) -> FakeHost {
        let tables = FakeHost::new()
            .file(
                "/etc/passwd",
                "root:x:0:0::/root:\nprosody:x:104:107::/var/lib/prosody:\nxmpp:x:900:901::/srv/xmpp:\n",
            )
            .file("/etc/group", "prosody:x:107:\nxmpp:x:901:\nchat:x:902:\n")
            .answers(move |command| match command.program.as_str() {
                "systemctl" => output(0, unit),
                "getent" => output(2, ""),
                _ => None,
            });
        if unit.is_empty() { tables } else { tables.file("/run/systemd/system/x", "") }
    }

    fn account(host: &FakeHost) -> (String, String, u32, u32) {
        let account = Account::of(host).unwrap();
        (account.user, account.group, account.uid, account.gid)
    }

    /// Without systemd, the configuration decides which account root runs commands as.
    #[test]
    fn root_and_untrusted_configurations_are_refused() {
        let main = "/etc/prosody/prosody.cfg.lua";
        let tried = |text: &str, uid: u32| {
            let host = machine("").file(main, text).access(main, 0o644, uid, 0);
            Account::of(&host).map(|account| account.user).map_err(|error| error.to_string())
        };
        assert_eq!(tried("prosody_user = 'xmpp'", 0), Ok("xmpp".to_owned()));
        for text in ["prosody_user = 'root'", "prosody_user = '0'", "prosody_group = 'root'"] {
            let host = machine("").file("/etc/group", "root:x:0:\nprosody:x:107:\n").file(main, text);
            let error = Account::of(&host).unwrap_err().to_string();
            assert!(error.contains("use a dedicated account"), "{error}");
        }
        let error = tried("prosody_user = 'xmpp'", 104).unwrap_err();
        assert!(error.contains("which sets prosody_user, can be changed by the user prosody"), "{error}");
        assert_eq!(tried("admins = { }", 104), Ok("prosody".to_owned()));
    }

    #[test]
    fn the_units_user_and_group_win() {
        let host = machine("LoadState=loaded\nUser=xmpp\nGroup=chat\n");
        assert_eq!(account(&host), ("xmpp".into(), "chat".into(), 900, 902));
        let host = machine("LoadState=loaded\nUser=xmpp\nGroup=\n");
        assert_eq!(account(&host), ("xmpp".into(), "xmpp".into(), 900, 901));
        let host = machine("LoadState=loaded\nUser=ghost\n");
        let error = Account::of(&host).unwrap_err().to_string();
        assert_eq!(error, "Prosody runs as the user ghost, which does not exist");
    }

    #[test]
    fn without_a_unit_the_configuration_decides() {
        let plain = ("prosody".into(), "prosody".into(), 104, 107);
        assert_eq!(account(&machine("")), plain);
        assert_eq!(account(&machine("LoadState=loaded\nUser=\n")), plain);
        let text = "prosody_user = \"xmpp\"\nprosody_group = \"chat\"\n";
        let host = machine("").file(MAIN, text);
        assert_eq!(account(&host), ("xmpp".into(), "chat".into(), 900, 902));
    }

    #[test]
    fn a_process_under_another_account_is_reported() {
        let account = Account::of(&machine("")).unwrap();
        let running = |uid, gid| Running { pid: 7, since: SystemTime::UNIX_EPOCH, uid, gid };
        assert_eq!(account.differs(&running(104, 107)), None);
        assert_eq!(account.differs(&running(0, 0)), None);
        let why = account.differs(&running(104, 902)).unwrap();
        assert!(why.contains("prosody:prosody (104:107)") && why.contains("runs as 104:902"), "{why}");
    }
}
