//! Turns token authentication on in a configuration: plans the fewest bytes that do it, in the spelling of Jitsi's own
//! package where something has to be written, or says what a person must write where a program must not.

mod editor;
mod guests;
mod host;
mod list;
mod option;
mod options;
mod plugins;
mod rooms;
mod splice;

use std::path::PathBuf;

use anyhow::Result;

use self::editor::Editor;
use crate::host::secret::Secret;
use crate::prosody::config::Config;

pub use crate::prosody::config::edit::options::Assignment;

/// What the configuration is to say.
pub struct Wanted<'a> {
    /// The virtual host that people log in to.
    pub domain: &'a str,
    /// The component with the rooms, normally `conference.` and the domain.
    pub muc: &'a str,
    /// The application id.
    pub app_id: &'a str,
    /// The secret.
    pub app_secret: &'a Secret,
    /// Where Jitsi's plugins are: `/usr/share/jitsi-meet/prosody-plugins/`.
    pub plugin_dir: &'a str,
    /// Further options of the virtual host. Options that are not named stay as they are.
    pub host_options: &'a [Assignment],
    /// Further options of the component with the rooms.
    pub room_options: &'a [Assignment],
    /// The virtual host for guests, if there is to be one.
    pub guests: Option<Guests<'a>>,
}

/// A virtual host on which people log in without a token.
#[derive(Clone, Copy, Debug)]
pub struct Guests<'a> {
    /// Its name.
    pub domain: &'a str,
    /// The module that lets them in.
    pub authentication: &'a str,
}

/// What has to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Nothing: the configuration says it all.
    Unchanged,
    /// These files change.
    Changed(Vec<FileEdit>),
    /// A program must not touch this.
    Refused {
        /// The file, as Prosody opens it.
        file: PathBuf,
        /// The line that stands in the way.
        line: usize,
        /// Why.
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
    /// Its bytes.
    pub before: Vec<u8>,
    /// Its bytes afterwards.
    pub after: Vec<u8>,
    /// One line for each thing that changes; never the secret.
    pub what: Vec<String>,
}

impl std::fmt::Debug for FileEdit {
    /// Without the bytes, which hold the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileEdit").field("path", &self.path).field("what", &self.what).finish_non_exhaustive()
    }
}

/// Plans the edit that makes `wanted` true. Made again on its result, the edit is [`Edit::Unchanged`].
pub fn token_authentication(config: &Config, wanted: &Wanted<'_>) -> Result<Edit> {
    let mut editor = Editor::new(config, wanted);
    let planned = editor
        .followed()
        .and_then(|()| editor.plugins())
        .and_then(|()| editor.host())
        .and_then(|()| editor.rooms())
        .and_then(|()| editor.guests());
    match planned {
        Ok(()) => editor.splices.finish(config),
        Err(refusal) => Ok(refusal.into()),
    }
}
