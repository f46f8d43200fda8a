//! Turns on token authentication in a configuration: plans the smallest edit that does it, in the spelling of Jitsi's
//! own package where something has to be written, or says what a person must write where a program must not.

mod authentication;
mod editor;
mod ensure;
mod guests;
mod list;
mod place;
mod requirement;
mod splice;

use std::path::{Path, PathBuf};

use anyhow::Result;

use self::editor::{Editor, Planned};
use self::requirement::{Must, Requirement};
use super::parser::Shape;
use crate::host::overlay::Overlay;
use crate::host::secret::Secret;
use crate::host::{Access, Host};
use crate::lua::value::Value;
use crate::prosody::config::Config;

pub use self::guests::{ALLOWLIST, Guests, SITE_MODULES, WAIT_FOR_HOST};
pub use self::requirement::Assignment;

/// The module that ties a token to its room.
const TOKEN_VERIFICATION: &str = "token_verification";

/// What the configuration must say.
pub struct Wanted<'a> {
    /// The virtual host that people log in to.
    pub domain: &'a str,
    /// The component with the rooms, normally `conference.` and the domain.
    pub muc: &'a str,
    /// The app ID.
    pub app_id: &'a str,
    /// The app secret.
    pub app_secret: &'a Secret,
    /// Where Jitsi's plugins are: `/usr/share/jitsi-meet/prosody-plugins/`.
    pub plugin_dir: &'a str,
    /// Further options of the virtual host. Options that are not listed stay unchanged.
    pub host_options: &'a [Assignment],
    /// Further options of the component with the rooms.
    pub room_options: &'a [Assignment],
    /// Further modules of that component, and whether they are to be enabled there.
    pub room_modules: &'a [(&'a str, bool)],
    /// Further modules of the virtual host, likewise.
    pub host_modules: &'a [(&'a str, bool)],
    /// What happens to people without a token.
    pub guests: Guests<'a>,
    /// Virtual hosts and accounts (`recorder.DOMAIN`, `jigasi@auth.DOMAIN`) that enter rooms without a token.
    pub let_in: &'a [String],
}

/// The edit that is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// None: the configuration already says it all.
    Unchanged,
    /// These files change.
    Changed(Vec<FileEdit>),
    /// A program must not edit this.
    Refused {
        /// The file, as Prosody opens it.
        file: PathBuf,
        /// The line that prevents the edit.
        line: usize,
        /// The reason.
        why: String,
        /// What to write by hand; the secret is masked.
        lines: Vec<String>,
    },
}

/// A file and what it becomes.
#[derive(Clone, PartialEq, Eq)]
pub struct FileEdit {
    /// Its path, links resolved.
    pub path: PathBuf,
    /// Its bytes before the edit.
    pub before: Vec<u8>,
    /// Its bytes after the edit.
    pub after: Vec<u8>,
    /// One line for each thing that changes; never contains the secret.
    pub what: Vec<String>,
}

impl std::fmt::Debug for FileEdit {
    /// Without the bytes, which hold the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileEdit").field("path", &self.path).field("what", &self.what).finish_non_exhaustive()
    }
}

/// The most passes of [`token_authentication`]: no list gets or loses more entries than this.
const PASSES: usize = 8;

/// Plans the edit that makes all of `wanted` true. `main` is the file that `config` was read from.
///
/// # Errors
/// If the configuration that a pass produces cannot be read.
pub fn whole_edit(host: &dyn Host, main: &Path, config: &Config, wanted: &Wanted<'_>) -> Result<Edit> {
    let mut edit = token_authentication(config, wanted)?;
    let modules = wanted.room_modules.len() + wanted.host_modules.len();
    if wanted.guests == Guests::LeaveAsIs && modules == 0 && wanted.let_in.len() < 2 {
        return Ok(edit);
    }
    let preview = Overlay::new(host);
    for _ in 1..PASSES {
        let Edit::Changed(files) = &mut edit else { break };
        for file in files.iter() {
            preview.write(&file.path, &file.after, Access::root(0o640))?;
        }
        match token_authentication(&Config::load(&preview, main)?, wanted)? {
            Edit::Unchanged => break,
            refused @ Edit::Refused { .. } => return Ok(refused),
            Edit::Changed(more) => more.into_iter().for_each(|more| add(files, more)),
        }
    }
    Ok(edit)
}

/// Merges a later pass's edit of a file into the earlier ones.
fn add(files: &mut Vec<FileEdit>, more: FileEdit) {
    match files.iter_mut().find(|file| file.path == more.path) {
        None => files.push(more),
        Some(file) => {
            file.after = more.after;
            let new = more.what.into_iter().filter(|what| !file.what.contains(what)).collect::<Vec<_>>();
            file.what.extend(new);
        }
    }
}

/// Plans the edit that makes `wanted` true, except that a list that needs several entries gets one. Repeated on its own
/// result until it is [`Edit::Unchanged`], it makes all of it true.
pub fn token_authentication(config: &Config, wanted: &Wanted<'_>) -> Result<Edit> {
    let mut editor = Editor::new(config, wanted);
    let planned = editor
        .followed()
        .and_then(|()| editor.plugin_paths())
        .and_then(|()| editor.site())
        .and_then(|()| editor.rooms())
        .and_then(|()| editor.guests());
    match planned {
        Ok(()) => editor.splices.finish(config),
        Err(refusal) => Ok(refusal.into()),
    }
}

/// What must hold, section by section.
impl Editor<'_> {
    /// Makes Prosody look for plugins where Jitsi's are.
    fn plugin_paths(&mut self) -> Planned {
        let (name, folder) = ("plugin_paths", self.wanted.plugin_dir);
        let by_hand = [format!("{name} = {{ \"{folder}\" }}")];
        let section = match self.config.candidates(0, name).is_empty() {
            true => Some(self.section(self.wanted.domain, false)?),
            false => None,
        };
        let what = format!("add \"{folder}\" to {name}");
        let prefer = section.map(|section| section.source);
        let wanted =
            Requirement { scope: 0, name, must: Must::HoldPath(folder), what: what.clone(), by_hand: &by_hand, prefer };
        if let (Some(line), Some(source)) = (self.ensure(&wanted)?, prefer) {
            self.free(source, name, &by_hand)?;
            let splice = self.global_line(source, line);
            self.splices.plan(source, vec![splice], what);
        }
        Ok(())
    }

    /// Makes the virtual host authenticate by token, with the credentials and options wanted.
    fn site(&mut self) -> Planned {
        let section = self.section(self.wanted.domain, false)?;
        let Some(scope) = self.config.scope(Some(self.wanted.domain)) else {
            return Ok(());
        };
        let by_hand = self.by_hand(false);
        let (id, secret) = (self.wanted.app_id, self.wanted.app_secret.reveal());
        let mut wanted = vec![
            Requirement::new(scope, "app_id", Must::Text(id), format!("set app_id to \"{id}\""), &by_hand),
            Requirement::new(scope, "app_secret", Must::Text(secret), "set app_secret".to_owned(), &by_hand),
        ];
        wanted.extend(self.wanted.host_options.iter().map(|option| Requirement::chosen(scope, option, &by_hand)));
        let nobody = ("allow_empty_token", Value::Bool(false));
        wanted.extend(self.of_site_for_guests(scope, &nobody, &by_hand));
        for (module, enabled) in self.wanted.host_modules {
            wanted.extend(Requirement::module(scope, self.wanted.domain, module, *enabled, &by_hand));
        }
        let mut missing = Vec::new();
        for wanted in &wanted {
            missing.extend(self.ensure(wanted)?);
        }
        let found = self.config.candidates(scope, "authentication");
        let mut fresh = false;
        for index in found.iter().rev() {
            fresh = self.authenticate(&self.config.settings[*index])?;
        }
        match found.first().map(|index| &self.config.settings[*index]) {
            Some(setting) if setting.shape == Shape::Statement => self.behind(setting, missing, fresh),
            Some(_) => self.add_to_site(section, missing, false),
            None => self.add_to_site(section, missing, true),
        }
    }

    /// Makes the component with the rooms check the token, with the options wanted and nothing that disables the check.
    /// (The global `modules_disabled` does not apply to it.)
    fn rooms(&mut self) -> Planned {
        let muc = self.wanted.muc;
        let section = self.section(muc, true)?;
        let Some(scope) = self.config.scope(Some(muc)) else {
            return Ok(());
        };
        let by_hand = self.by_hand(true);
        let (mut lines, mut texts) = (Vec::new(), Vec::new());
        let what = format!("add \"{TOKEN_VERIFICATION}\" to modules_enabled of {muc}");
        let must = Must::Hold(TOKEN_VERIFICATION);
        let mut wanted = vec![Requirement::new(scope, "modules_enabled", must, what, &by_hand)];
        wanted.extend(self.of_rooms_for_guests(scope, &by_hand));
        wanted.extend(self.wanted.let_in.iter().map(|name| {
            let what = format!("add \"{name}\", which enters rooms without a token, to {ALLOWLIST} of {muc}");
            Requirement::new(scope, ALLOWLIST, Must::Hold(name), what, &by_hand)
        }));
        for (module, enabled) in self.wanted.room_modules {
            wanted.extend(Requirement::module(scope, muc, module, *enabled, &by_hand));
        }
        for wanted in &wanted {
            if let Some(line) = self.ensure(wanted)? {
                lines.push(line);
                texts.push(wanted.what.clone());
            }
        }
        for option in self.wanted.room_options {
            if let Some(line) = self.ensure(&Requirement::chosen(scope, option, &by_hand))? {
                texts.push(format!("add to {muc}: {}", String::from_utf8_lossy(&line)));
                lines.push(line);
            }
        }
        if !lines.is_empty() {
            self.add_to_section(section, &lines, texts, &by_hand)?;
        }
        let what = format!("remove \"{TOKEN_VERIFICATION}\" from modules_disabled of {muc}");
        let must = Must::Lack(TOKEN_VERIFICATION);
        self.ensure(&Requirement::new(scope, "modules_disabled", must, what, &by_hand)).map(drop)
    }
}
