//! Access lists (POSIX ACLs) as the kernel stores them: an extended attribute that consists of a version and entries of
//! eight bytes, each a tag, permissions and an id, little-endian (`linux/posix_acl_xattr.h`).

use std::os::fd::AsFd;

use anyhow::{Context, Result};
use rustix::fs::XattrFlags;
use rustix::io::Errno;

/// The attribute that holds a file's access list.
const NAME: &str = "system.posix_acl_access";

/// Permission to read.
pub const READ: u16 = 4;

/// Permission to write.
pub const WRITE: u16 = 2;

const USER: u16 = 0x02;
const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;

/// The most bytes that an extended attribute, and so a list, can have.
const LARGEST: usize = 64 << 10;

/// The access list of an open file or folder; none if it has none, or if its file system does not support them.
///
/// # Errors
/// If it cannot be read.
pub fn read(file: impl AsFd) -> Result<Option<Vec<u8>>> {
    let mut list = Vec::with_capacity(LARGEST);
    match rustix::fs::fgetxattr(file, NAME, rustix::buffer::spare_capacity(&mut list)) {
        Ok(_) => Ok(Some(list)),
        Err(Errno::NODATA | Errno::NOTSUP) => Ok(None),
        Err(error) => Err(error).context("cannot read its access list"),
    }
}

/// Sets the access list of an open file, or removes the one that it has.
///
/// # Errors
/// If it cannot be set.
pub fn write(file: impl AsFd, list: Option<&[u8]>) -> Result<()> {
    let set = match list {
        Some(list) => rustix::fs::fsetxattr(file, NAME, list, XattrFlags::empty()),
        None => match rustix::fs::fremovexattr(file, NAME) {
            Err(Errno::NODATA | Errno::NOTSUP) => Ok(()),
            other => other,
        },
    };
    set.context("cannot set its access list")
}

/// Whether an entry for another user or group grants this permission. A list that cannot be parsed counts as granting
/// it.
pub fn grants_others(list: &[u8], permission: u16) -> bool {
    let Some(entries) = list.get(4..).filter(|entries| entries.len() % 8 == 0) else {
        return true;
    };
    let number = |entry: &[u8], at: usize| u16::from_le_bytes([entry[at], entry[at + 1]]);
    let entries: Vec<(u16, u16, u32)> = entries
        .chunks_exact(8)
        .map(|entry| {
            let id = u32::from_le_bytes([entry[4], entry[5], entry[6], entry[7]]);
            (number(entry, 0), number(entry, 2), id)
        })
        .collect();
    let mask = entries.iter().find(|(tag, ..)| *tag == MASK);
    let mask = mask.map_or(7, |(_, permissions, _)| *permissions);
    entries
        .iter()
        .any(|(tag, permissions, id)| matches!(*tag, USER | GROUP) && *id != 0 && permissions & mask & permission != 0)
}

/// An access list: `rw-` for the owner, `r--` for the user with this id, `r--` for the group, and this mask.
#[cfg(test)]
pub fn lets_in(uid: u32, mask: u16) -> Vec<u8> {
    grants(uid, READ, mask)
}

/// The same with this permission for the user, and a mask that grants everything.
#[cfg(test)]
pub fn grants_to(uid: u32, permission: u16) -> Vec<u8> {
    grants(uid, permission, 7)
}

#[cfg(test)]
fn grants(uid: u32, permission: u16, mask: u16) -> Vec<u8> {
    let mut list = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in [
        (0x01_u16, 6_u16, u32::MAX),
        (0x02, permission, uid),
        (0x04, 4, u32::MAX),
        (0x10, mask, u32::MAX),
        (0x20, 0, u32::MAX),
    ] {
        list.extend(tag.to_le_bytes());
        list.extend(permissions.to_le_bytes());
        list.extend(id.to_le_bytes());
    }
    list
}

#[cfg(test)]
mod tests {
    use super::{READ, WRITE, grants_others, lets_in};

    #[test]
    fn acl_entries_are_limited_by_the_mask() {
        assert!(grants_others(&lets_in(33, 4), READ));
        assert!(!grants_others(&lets_in(33, 4), WRITE));
        assert!(!grants_others(&lets_in(33, 0), READ));
        assert!(!grants_others(&lets_in(0, 4), READ));
        assert!(grants_others(b"\x02\0\0\0odd", READ));
    }
}
