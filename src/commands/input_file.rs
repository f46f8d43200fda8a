//! Files that the operator names, or standard input for `-`. Only reads them.

use std::fs::File;
use std::io::{IsTerminal, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::commands::Usage;
use crate::display::progress::say;

/// An input that has been opened.
pub struct Input {
    /// Its name in messages.
    pub name: String,
    /// What it is, for messages (“secret file”).
    what: &'static str,
    /// Where its bytes are read from.
    pub reader: Box<dyn Read + Send>,
    /// Its length in bytes, if known.
    pub length: Option<u64>,
    /// Whether it is a world-readable file.
    pub world_readable: bool,
}

/// Whether a path means standard input.
pub fn is_standard(path: &Path) -> bool {
    path == Path::new("-")
}

/// Opens `path`, a `what` (“secret file”) that `option` names. Pipes and devices are accepted too: every reader has a
/// limit.
#[expect(clippy::disallowed_methods, reason = "who names a file wants that file read, whatever the host is")]
pub fn open(path: &Path, what: &'static str, option: &str) -> Result<Input> {
    if is_standard(path) {
        if is_typed() {
            say(&format!("reading the {what} from standard input; end it with Ctrl-D"));
        }
        return Ok(Input {
            name: "standard input".to_owned(),
            what,
            reader: Box::new(std::io::stdin()),
            length: None,
            world_readable: false,
        });
    }
    let name = path.display().to_string();
    let problem = || format!("cannot read the {what} {name}");
    let file = File::open(path).with_context(problem)?;
    let meta = file.metadata().with_context(problem)?;
    if meta.is_dir() {
        bail!("{name} is a directory; {option} needs a file");
    }
    Ok(Input {
        reader: Box::new(file),
        length: meta.is_file().then_some(meta.len()),
        world_readable: meta.is_file() && meta.permissions().mode() & 0o004 != 0,
        name,
        what,
    })
}

impl Input {
    /// Reads all bytes. More than `limit` (a multiple of 1024) is an error, and is not read: the input may be endless.
    pub fn bytes(self, limit: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.reader.take(limit + 1).read_to_end(&mut bytes).with_context(|| format!("cannot read {}", self.name))?;
        if bytes.len() as u64 > limit {
            let limit = match limit / 1024 {
                kib if kib % 1024 == 0 => format!("{} MiB", kib / 1024),
                kib => format!("{kib} KiB"),
            };
            bail!("{} is too large for a {} (limit: {limit}); is this the right file?", self.name, self.what);
        }
        Ok(bytes)
    }
}

/// Whether standard input is a terminal, so that the operator has to type the input.
pub fn is_typed() -> bool {
    std::io::stdin().is_terminal()
}

/// Rejects a command line that reads two things from standard input.
pub fn only_one_from_standard_input(inputs: &[(&str, Option<&Path>)]) -> Result<()> {
    let mut standard = inputs.iter().filter(|(_, path)| path.is_some_and(is_standard));
    if let (Some((one, _)), Some((other, _))) = (standard.next(), standard.next()) {
        let say = format!("{one} and {other} cannot both be read from standard input; put one of them in a file");
        return Err(Usage(say).into());
    }
    Ok(())
}
