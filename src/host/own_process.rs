//! Limits what this process itself may do: no core files and, in the child that talks to untrusted peers, next to no
//! rights.

use anyhow::{Context, Result};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use rustix::thread::{
    CapabilitySet, clear_ambient_capability_set, remove_capability_from_bounding_set, set_no_new_privs,
    set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};

/// Debian's `nobody` and `nogroup` (base-passwd gives them this number everywhere).
const NOBODY: u32 = 65534;

/// Files that this program inherited, besides the three standard streams, are not passed to its children: some run as
/// other users and must not get root's files.
pub fn set_inherited_cloexec() {
    close_fds::set_fds_cloexec(3, &[]);
}

/// Disables core files for this process and everything that it starts: there may be a secret in its memory. A kernel
/// that pipes core files to a program ignores the limit, but never dumps a process that is marked as not dumpable.
pub fn disable_core_dumps() -> Result<()> {
    limit(Resource::Core, 0)?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).context("cannot disable core dumps")
}

/// Gives up all rights for good: no terminal, another user, no groups, no capabilities now or later, and limits on
/// time, memory and files. Must be called before anything is read from an untrusted peer and before any thread is
/// started: the system calls affect one thread only.
pub fn drop_rights() -> Result<()> {
    disable_core_dumps()?;
    // Anything in the session of root's terminal can write into it as if root had typed that.
    rustix::process::setsid().context("cannot detach from the terminal")?;
    // A login needs at most a second of CPU time and a few MiB.
    limit(Resource::Cpu, 30)?;
    limit(Resource::As, 512 << 20)?;
    limit(Resource::Fsize, 0)?;
    limit(Resource::Nofile, 256)?;
    set_no_new_privs(true).context("cannot set no_new_privs")?;
    if rustix::process::geteuid().is_root() {
        drop_root().context("cannot become the user nobody")?;
    }
    // Changing the user resets this to the system's setting.
    set_dumpable_behavior(DumpableBehavior::NotDumpable).context("cannot disable core dumps")
}

/// Becomes another account for good, with none of root's rights. Must be called before any thread is started.
///
/// # Errors
/// If the kernel refuses, as it does for everybody but root.
pub fn become_account(uid: u32, gid: u32) -> Result<()> {
    disable_core_dumps()?;
    set_no_new_privs(true).context("cannot set no_new_privs")?;
    become_user(uid, gid).with_context(|| format!("cannot become the user {uid}"))?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).context("cannot disable core dumps")
}

fn drop_root() -> rustix::io::Result<()> {
    become_user(NOBODY, NOBODY)
}

fn become_user(uid: u32, gid: u32) -> rustix::io::Result<()> {
    // Failing does no harm, since new privileges are ruled out: the kernel may not have these sets, or a service may
    // not have the capability to change them.
    let _ = clear_ambient_capability_set();
    for capability in CapabilitySet::all() {
        let _ = remove_capability_from_bounding_set(capability);
    }
    set_thread_groups(&[])?;
    let gid = rustix::process::Gid::from_raw(gid);
    set_thread_res_gid(gid, gid, gid)?;
    // This also drops the capabilities.
    let uid = rustix::process::Uid::from_raw(uid);
    set_thread_res_uid(uid, uid, uid)
}

fn limit(resource: Resource, most: u64) -> Result<()> {
    let before = rustix::process::getrlimit(resource);
    let most = before.maximum.map_or(most, |maximum| maximum.min(most));
    let both = Rlimit { current: Some(most), maximum: Some(most) };
    setrlimit(resource, both).with_context(|| format!("cannot limit {resource:?}"))
}

#[cfg(test)]
mod tests {
    use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};

    use super::*;

    #[test]
    fn inherited_files_are_not_passed_to_children() {
        let (reader, _writer) = rustix::pipe::pipe().unwrap();
        fcntl_setfd(&reader, FdFlags::empty()).unwrap();
        set_inherited_cloexec();
        assert_eq!(fcntl_getfd(&reader).unwrap(), FdFlags::CLOEXEC);
        assert_eq!(fcntl_getfd(std::io::stderr()).unwrap(), FdFlags::empty());
    }
}
