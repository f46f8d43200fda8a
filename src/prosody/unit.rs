//! Prosody's unit as systemd has loaded it: what it starts, as which user, with which variables. Root wrote it, so it
//! is trusted where the process itself is not.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::host::Host;
use crate::host::command::Command;
use crate::host::ownership::changeable_or_target;

/// Prosody's systemd unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unit {
    /// Its name, normally `prosody.service`.
    pub name: String,
    /// The slice that it runs in.
    pub slice: String,
    /// `User=`; none if it is not set.
    pub user: Option<String>,
    /// `Group=`; none if it is not set.
    pub group: Option<String>,
    /// What `ExecStart=` runs, the program first.
    pub start: Vec<String>,
    /// The variables of `Environment=`, and of the files of `EnvironmentFile=` that only root can change.
    pub env: Vec<(String, String)>,
}

/// The query that [`of`] makes.
pub fn question() -> Command {
    let wanted = "Id,LoadState,Slice,User,Group,ExecStart,Environment,EnvironmentFiles";
    Command::query("systemctl").args(["show", "prosody.service", &format!("--property={wanted}")]).lasting()
}

/// Whether this machine runs systemd.
pub fn has_systemd(host: &dyn Host) -> Result<bool> {
    host.exists(Path::new("/run/systemd/system"))
}

/// Prosody's unit; none if systemd is not running or has no such unit.
pub fn of(host: &dyn Host) -> Result<Option<Unit>> {
    if !has_systemd(host)? {
        return Ok(None);
    }
    let text = host.run(&question())?.stdout;
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.strip_prefix('=').filter(|value| !value.is_empty())
    };
    if value("LoadState") != Some("loaded") {
        return Ok(None);
    }
    let mut env: Vec<(String, String)> = Vec::new();
    env.extend(words(value("Environment").unwrap_or_default()).iter().filter_map(|word| variable(word)));
    for line in text.lines() {
        let file = line.strip_prefix("EnvironmentFiles=").unwrap_or_default();
        let Some((file, _)) = file.rsplit_once(" (") else {
            continue;
        };
        // systemd reads any file, but what another user can write is not trusted.
        if matches!(changeable_or_target(host, Path::new(file)), Ok(None)) {
            let text = host.read_text(Path::new(file))?.unwrap_or_default();
            env.extend(variables(&text));
        }
    }
    let text_of = |name: &str, default: &str| value(name).unwrap_or(default).to_owned();
    Ok(Some(Unit {
        name: text_of("Id", "prosody.service"),
        slice: text_of("Slice", "system.slice"),
        user: value("User").map(str::to_owned),
        group: value("Group").map(str::to_owned),
        start: value("ExecStart").map(start).unwrap_or_default(),
        env,
    }))
}

impl Unit {
    /// The folder of its control group below that of systemd itself: `system.slice/prosody.service`. The slice
    /// `a-b.slice` is in `a.slice`.
    pub fn control_group(&self) -> PathBuf {
        let mut folder = PathBuf::new();
        let name = self.slice.trim_end_matches(".slice");
        for (at, _) in name.match_indices('-').filter(|(at, _)| *at > 0) {
            folder.push(format!("{}.slice", &name[..at]));
        }
        if name != "-" {
            folder.push(&self.slice);
        }
        folder.join(&self.name)
    }
}

/// The command in `{ path=/usr/bin/prosody ; argv[]=/usr/bin/prosody -F ; ignore_errors=no ; … }`.
fn start(text: &str) -> Vec<String> {
    let part = |name: &str| {
        let parts = text.trim_matches(['{', '}', ' ']).split(" ; ");
        parts.into_iter().find_map(|part| part.strip_prefix(name)).map(str::to_owned)
    };
    let arguments = part("argv[]=").unwrap_or_default();
    let arguments = arguments.split_whitespace().skip(1).map(str::to_owned);
    part("path=").into_iter().chain(arguments).collect()
}

/// The words of a line with the shell's quoting, as `systemctl show` prints it.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut begun) = (Vec::new(), String::new(), None, false);
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, quote) {
            (' ' | '\t', None) => {
                if std::mem::take(&mut begun) {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            ('$', None) if chars.peek() == Some(&'\'') => {
                chars.next();
                quote = Some('$');
            }
            ('"' | '\'', None) => quote = Some(c),
            ('"', Some('"')) | ('\'', Some('\'' | '$')) => quote = None,
            ('\\', None | Some('"' | '$')) => word.push(match chars.next() {
                Some('n') if quote == Some('$') => '\n',
                Some('t') if quote == Some('$') => '\t',
                next => next.unwrap_or('\\'),
            }),
            _ => word.push(c),
        }
        begun = true;
    }
    if begun {
        words.push(word);
    }
    words
}

/// The assignments in a file of variables, one `NAME=VALUE` per line.
fn variables(text: &str) -> Vec<(String, String)> {
    let text = text.replace("\\\n", "");
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';']));
    lines
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.trim().to_owned(), words(value.trim()).join(" ")))
        .collect()
}

fn variable(word: &str) -> Option<(String, String)> {
    let (name, value) = word.split_once('=')?;
    Some((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::{FakeHost, output};

    fn unit(shown: &'static str) -> FakeHost {
        FakeHost::new()
            .file("/run/systemd/system/x", "")
            .answers(move |command| (command.program == "systemctl").then(|| output(0, shown))?)
    }

    #[test]
    fn the_loaded_unit_is_read() {
        let host = unit(
            "Id=prosody.service\nLoadState=loaded\nSlice=chat-xmpp.slice\nUser=xmpp\nGroup=\n\
             ExecStart={ path=/opt/lua/bin/lua ; argv[]=/opt/lua/bin/lua /usr/bin/prosody -F ; ignore_errors=no ; pid=4 }\n\
             Environment=A=b \"LUA_PATH=/srv/a b/?.lua;;\" $'X=it\\'s'\n\
             EnvironmentFiles=/etc/default/prosody (ignore_errors=yes)\n\
             EnvironmentFiles=/var/lib/prosody/env (ignore_errors=no)\n",
        )
        .file("/etc/default/prosody", "# LUA_INIT=no\nLUA_CPATH='/srv/?.so'\n")
        .file("/var/lib/prosody/env", "LUA_INIT=@/tmp/x.lua\n")
        .access("/var/lib/prosody", 0o750, 104, 107);
        let unit = of(&host).unwrap().unwrap();
        assert_eq!((unit.user.as_deref(), unit.group.as_deref()), (Some("xmpp"), None));
        assert_eq!(unit.start, ["/opt/lua/bin/lua", "/usr/bin/prosody", "-F"]);
        assert_eq!(unit.control_group(), Path::new("chat.slice/chat-xmpp.slice/prosody.service"));
        let env: Vec<String> = unit.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(env, ["A=b", "LUA_PATH=/srv/a b/?.lua;;", "X=it's", "LUA_CPATH=/srv/?.so"]);
    }

    #[test]
    fn a_missing_systemd_or_unit_is_none() {
        assert_eq!(of(&FakeHost::new()).unwrap(), None);
        assert_eq!(of(&unit("Id=prosody.service\nLoadState=not-found\n")).unwrap(), None);
    }
}
