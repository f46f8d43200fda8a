//! Who can change a file. Root acts only on what nobody else can change or replace.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{Access, FileKind, Host, Stat, access_list};

/// Who other than root can change what is at `path`, or put something else there, as the end of a sentence about it.
/// None if nobody can. The owner of a symbolic link does not count, since nobody can change one in place.
pub fn changeable(host: &dyn Host, path: &Path) -> Result<Option<String>> {
    let Some(name) = path.file_name().filter(|_| path.is_absolute()) else {
        return Ok(Some("is not an absolute path".to_owned()));
    };
    // Links on the way may be anybody's; what is checked, and acted on, is where they lead now.
    let folder = host.real_path(path.parent().unwrap_or(Path::new("/")))?;
    for ancestor in folder.ancestors() {
        let Some(stat) = host.stat(ancestor)? else {
            return Ok(Some(format!("is in {}, which does not exist", folder.display())));
        };
        if stat.kind != FileKind::Directory {
            return Ok(Some(format!("is in {}, which is not a directory", ancestor.display())));
        }
        if let Some(who) = writer_at(host, ancestor, &stat)? {
            let ancestor = ancestor.display();
            return Ok(Some(format!("is in the directory {ancestor}, which {who} can write to")));
        }
    }
    let path = folder.join(name);
    let Some(stat) = host.stat(&path)? else {
        return Ok(None);
    };
    Ok(match stat.kind {
        FileKind::Link => None,
        FileKind::File | FileKind::Directory => {
            writer_at(host, &path, &stat)?.map(|who| format!("can be changed by {who}"))
        }
        FileKind::Other => Some("is not a regular file".to_owned()),
    })
}

/// The same for what is at `path` and, if it is a link, for what it leads to.
pub fn changeable_or_target(host: &dyn Host, path: &Path) -> Result<Option<String>> {
    match changeable(host, path)? {
        Some(why) => Ok(Some(why)),
        None => changeable(host, &host.real_path(path)?),
    }
}

/// The most entries of a tree that are checked; a larger tree counts as somebody else's.
const MAX_ENTRIES: usize = 50_000;

/// The first place in a tree that users other than root can change, and who, as the end of a sentence about that place.
/// Checks the tree itself or, if it does not exist, the nearest folder above it; then the tree's own folders and files.
/// Other users' folders are not searched.
///
/// # Errors
/// If a folder cannot be read.
pub fn others_place(host: &dyn Host, tree: &Path) -> Result<Option<(PathBuf, String)>> {
    for nearest in tree.ancestors() {
        if host.exists(nearest)? {
            if let Some(why) = changeable_or_target(host, nearest)? {
                return Ok(Some((nearest.to_owned(), why)));
            }
            let is_whole = nearest == tree;
            let mut look = Look { host, left: MAX_ENTRIES, tables: RefCell::default() };
            return if is_whole { look.below(&host.real_path(nearest)?) } else { Ok(None) };
        }
    }
    Ok(None)
}

/// A check of a whole tree.
struct Look<'a> {
    host: &'a dyn Host,
    /// How many entries may still be checked.
    left: usize,
    /// /etc/passwd and /etc/group, each read once.
    tables: RefCell<BTreeMap<String, Option<String>>>,
}

impl Look<'_> {
    fn table(&self, name: &str) -> Result<Option<String>> {
        if let Some(known) = self.tables.borrow().get(name) {
            return Ok(known.clone());
        }
        let text = self.host.read_text(Path::new(name))?;
        self.tables.borrow_mut().insert(name.to_owned(), text.clone());
        Ok(text)
    }

    /// The first place below one of root's folders that others can change.
    fn below(&mut self, folder: &Path) -> Result<Option<(PathBuf, String)>> {
        for name in self.host.list(folder)? {
            let path = folder.join(name);
            let Some(stat) = self.host.stat(&path)? else {
                continue;
            };
            self.left = self.left.saturating_sub(1);
            if self.left == 0 {
                let why = format!("is in a tree of more than {MAX_ENTRIES} entries, which is not checked");
                return Ok(Some((path, why)));
            }
            // Root's link may lead to anybody's file.
            let why = if stat.kind == FileKind::Link {
                changeable_or_target(self.host, &path)?
            } else {
                let access = Access { mode: stat.mode, uid: stat.uid, gid: stat.gid };
                let who = writer(access, || self.host.access_list(&path), |name| self.table(name))?;
                who.map(|who| format!("can be changed by {who}"))
            };
            if let Some(why) = why {
                return Ok(Some((path, why)));
            }
            if stat.kind == FileKind::Directory {
                if let Some(found) = self.below(&path)? {
                    return Ok(Some(found));
                }
            }
        }
        Ok(None)
    }
}

fn writer_at(host: &dyn Host, path: &Path, stat: &Stat) -> Result<Option<String>> {
    let access = Access { mode: stat.mode, uid: stat.uid, gid: stat.gid };
    let table = |name: &str| host.read_text(Path::new(name));
    writer(access, || host.access_list(path), table)
}

/// Who, besides root, can write to a file or folder; none if nobody can. `list` returns its access list, `table` the
/// text of /etc/passwd or /etc/group. Debian makes /usr/local writable for the group staff, which has no members: a
/// group counts only if somebody else is in it, by /etc/group or as a primary group in /etc/passwd. Members that a
/// directory service adds are not seen; a group that only such a service knows counts.
pub(super) fn writer(
    access: Access,
    list: impl FnOnce() -> Result<Option<Vec<u8>>>,
    table: impl Fn(&str) -> Result<Option<String>>,
) -> Result<Option<String>> {
    if !ours(access.uid) {
        return Ok(Some(user(access.uid, table)?));
    }
    if access.mode & 0o002 != 0 {
        return Ok(Some("every user".to_owned()));
    }
    if access.mode & 0o020 == 0 {
        return Ok(None);
    }
    // With an access list, the group bits are the most that any of its entries grants.
    if list()?.is_some_and(|list| access_list::grants_others(&list, access_list::WRITE)) {
        return Ok(Some("a user in its access list".to_owned()));
    }
    let (Some(groups), Some(users)) = (table(GROUPS)?, table(USERS)?) else {
        return Ok(Some(format!("the group {}", access.gid)));
    };
    Ok(group(access.gid, &groups, &users))
}

const USERS: &str = "/etc/passwd";
const GROUPS: &str = "/etc/group";

/// Whether a user is root or, if this program runs without root's rights, the user who runs it.
pub(super) fn ours(uid: u32) -> bool {
    let own = rustix::process::geteuid();
    uid == 0 || (!own.is_root() && uid == own.as_raw())
}

/// A user, by name if there is one, as the subject of a sentence.
///
/// # Errors
/// If /etc/passwd cannot be read.
pub fn user_name(host: &dyn Host, uid: u32) -> Result<String> {
    user(uid, |table| host.read_text(Path::new(table)))
}

/// The same with the text of /etc/passwd from `table`.
pub(super) fn user(uid: u32, table: impl Fn(&str) -> Result<Option<String>>) -> Result<String> {
    let users = table(USERS)?.unwrap_or_default();
    let named = entries(&users).find(|entry| number(entry, 2) == Some(uid));
    Ok(match named {
        Some(entry) => format!("the user {}", entry[0]),
        None => format!("the user {uid}"),
    })
}

/// The group, with one of its members, as the subject of a sentence; none if nobody but root is in it.
fn group(gid: u32, groups: &str, users: &str) -> Option<String> {
    let of_group = || entries(groups).filter(|entry| number(entry, 2) == Some(gid));
    let Some(first) = of_group().next() else {
        return Some(format!("the group {gid}"));
    };
    let is_ours = |name: &str| {
        let mut named = entries(users).filter(|entry| entry[0] == name);
        named.any(|entry| number(&entry, 2).is_some_and(ours))
    };
    let listed = of_group()
        .flat_map(|entry| entry.get(3).unwrap_or(&"").split(','))
        .map(str::trim)
        .find(|name| !name.is_empty() && !is_ours(name));
    let primary = || {
        entries(users)
            .find(|entry| number(entry, 3) == Some(gid) && !number(entry, 2).is_some_and(ours))
            .map(|entry| entry[0])
    };
    let somebody = listed.or_else(primary)?;
    Some(format!("the group {} (which includes {somebody})", first[0]))
}

/// The lines of a table, split into fields.
fn entries(table: &str) -> impl Iterator<Item = Vec<&str>> {
    table.lines().map(|line| line.split(':').collect())
}

fn number(entry: &[&str], field: usize) -> Option<u32> {
    entry.get(field)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::FakeHost;

    fn of(host: &FakeHost, path: &str) -> Option<String> {
        changeable(host, Path::new(path)).unwrap()
    }

    fn machine(groups: &str) -> FakeHost {
        FakeHost::new()
            .file("/etc/group", groups)
            .file("/etc/passwd", "root:x:0:0::/root:\nprosody:x:104:107::/:\ncarl:x:1001:60::/:\n")
    }

    #[test]
    fn every_folder_above_a_file_must_be_roots() {
        let host = machine("root:x:0:\nstaff:x:50:\n")
            .file("/usr/local/lib/a.so", "")
            .access("/usr/local/lib", 0o2775, 0, 50)
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
            ("/opt/b.lua", "is in the directory /opt, which the group 1000 can write to"),
            ("/srv/x/c.lua", "is in the directory /srv, which the user prosody can write to"),
            ("/tmp/d.lua", "is in the directory /tmp, which every user can write to"),
            ("/etc/f/d.lua", "is in the directory /tmp, which every user can write to"),
            ("/etc/e.lua", "can be changed by the user prosody"),
            ("x.lua", "is not an absolute path"),
        ] {
            assert_eq!(of(&host, path).as_deref(), Some(why), "{path}");
        }
    }

    /// A file that is read, moved or run and a folder that is written to get the same answer.
    #[test]
    fn groups_count_only_with_members_besides_root() {
        let who = |groups: &str, gid: u32| {
            let host = machine(groups).file("/usr/local/lib/a.so", "").access("/usr/local/lib", 0o2775, 0, gid);
            let why = of(&host, "/usr/local/lib/a.so")?;
            let why = why.strip_prefix("is in the directory /usr/local/lib, which ")?;
            why.strip_suffix(" can write to").map(str::to_owned)
        };
        for (groups, gid, expected) in [
            ("staff:x:50:\n", 50, None),
            ("staff:x:50:root\n", 50, None),
            ("staff:x:50:root, ann\n", 50, Some("the group staff (which includes ann)")),
            ("staff:x:50:\nsame:x:50:ann\n", 50, Some("the group staff (which includes ann)")),
            ("root:x:0:\n", 0, None),
            ("root:x:0:ann\n", 0, Some("the group root (which includes ann)")),
            ("people:x:60:\n", 60, Some("the group people (which includes carl)")),
            // Unknown here: a directory service may have it.
            ("staff:x:50:\n", 70, Some("the group 70")),
        ] {
            assert_eq!(who(groups, gid).as_deref(), expected, "{groups:?} {gid}");
        }
    }

    #[test]
    fn access_lists_can_let_others_write() {
        let host = machine("root:x:0:\n")
            .file("/usr/local/lib/a.so", "")
            .access("/usr/local/lib", 0o775, 0, 0)
            .listed("/usr/local/lib", access_list::grants_to(104, access_list::WRITE));
        assert_eq!(
            of(&host, "/usr/local/lib/a.so").as_deref(),
            Some("is in the directory /usr/local/lib, which a user in its access list can write to")
        );
    }
}
