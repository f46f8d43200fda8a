//! Who can change a file. Root acts only on what nobody else can change or replace.

use std::path::Path;

use anyhow::Result;

use super::{Host, Kind, Stat};

/// Debian's group `staff`: it may write below /usr/local, has no members by default, and whoever is put into it is as
/// good as root (Debian's base-passwd says so).
const STAFF: u32 = 50;

/// Who else than root can change what is at `path`, or put something else there: the end of a sentence about it. None
/// if nobody can. The owner of a symbolic link does not count, since nobody can change one in place.
pub fn changeable(host: &dyn Host, path: &Path) -> Result<Option<String>> {
    let Some(name) = path.file_name().filter(|_| path.is_absolute()) else {
        return Ok(Some("is not the full path of a file".to_owned()));
    };
    // Links on the way may be anybody's; where they lead now is looked at, and acted on.
    let folder = host.real_path(path.parent().unwrap_or(Path::new("/")))?;
    for ancestor in folder.ancestors() {
        let Some(stat) = host.stat(ancestor)? else {
            return Ok(Some(format!(
                "is in {}, which is not there",
                folder.display()
            )));
        };
        if stat.kind != Kind::Directory {
            return Ok(Some(format!(
                "is in {}, which is not a folder",
                ancestor.display()
            )));
        }
        if let Some(who) = writer(host, &stat)? {
            let ancestor = ancestor.display();
            return Ok(Some(format!(
                "is in the folder {ancestor}, which {who} can write"
            )));
        }
    }
    let Some(stat) = host.stat(&folder.join(name))? else {
        return Ok(None);
    };
    Ok(match stat.kind {
        Kind::Link => None,
        Kind::File | Kind::Directory => {
            writer(host, &stat)?.map(|who| format!("can be changed by {who}"))
        }
        Kind::Other => Some("is not a regular file".to_owned()),
    })
}

/// Who besides root may write it.
fn writer(host: &dyn Host, stat: &Stat) -> Result<Option<String>> {
    if stat.uid != 0 {
        return Ok(Some(format!(
            "the user {}",
            name(host, "/etc/passwd", stat.uid)?
        )));
    }
    if stat.mode & 0o002 != 0 {
        return Ok(Some("every user".to_owned()));
    }
    if stat.mode & 0o020 != 0 && ![0, STAFF].contains(&stat.gid) {
        return Ok(Some(format!(
            "the group {}",
            name(host, "/etc/group", stat.gid)?
        )));
    }
    Ok(None)
}

/// The name of a number; the number itself where it has none.
fn name(host: &dyn Host, table: &str, id: u32) -> Result<String> {
    let text = host.read_text(Path::new(table))?.unwrap_or_default();
    let id = id.to_string();
    let found = text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == id).then(|| name.to_owned())
    });
    Ok(found.unwrap_or(id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::FakeHost;

    fn of(host: &FakeHost, path: &str) -> Option<String> {
        changeable(host, Path::new(path)).unwrap()
    }

    #[test]
    fn a_file_is_roots_own_if_every_folder_above_it_is() {
        let host = FakeHost::new()
            .file("/etc/passwd", "root:x:0:0::/root:\nprosody:x:104:107::/:\n")
            .file("/usr/local/lib/a.so", "")
            .access("/usr/local/lib", 0o2775, 0, STAFF)
            .file("/opt/b.lua", "")
            .access("/opt", 0o775, 0, 1000)
            .file("/srv/x/c.lua", "")
            .access("/srv", 0o755, 104, 0)
            .file("/tmp/d.lua", "")
            .access("/tmp", 0o1777, 0, 0)
            .file("/etc/e.lua", "")
            .access("/etc/e.lua", 0o644, 104, 0)
            .linked("/etc/f", "/tmp");
        assert_eq!(of(&host, "/usr/local/lib/a.so"), None);
        assert_eq!(of(&host, "/etc/not-there"), None);
        for (path, why) in [
            (
                "/opt/b.lua",
                "is in the folder /opt, which the group 1000 can write",
            ),
            (
                "/srv/x/c.lua",
                "is in the folder /srv, which the user prosody can write",
            ),
            (
                "/tmp/d.lua",
                "is in the folder /tmp, which every user can write",
            ),
            (
                "/etc/f/d.lua",
                "is in the folder /tmp, which every user can write",
            ),
            ("/etc/e.lua", "can be changed by the user prosody"),
            ("x.lua", "is not the full path of a file"),
        ] {
            assert_eq!(of(&host, path).as_deref(), Some(why), "{path}");
        }
    }
}
