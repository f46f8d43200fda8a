//! The receipt over several runs.

use super::*;
use crate::engine::watch::File;
use crate::host::fake::FakeHost;

const PATH: &str = "/etc/prosody/x.cfg.lua";

fn write(receipt: &mut Receipt, host: &FakeHost, text: &str) {
    let access = Access::root(0o640);
    let change = Change::write(PATH, text, access);
    receipt.begin("prosody-config", &change).unwrap();
    change.apply(host).unwrap();
    receipt.settle().unwrap();
}

fn kept(host: &FakeHost, snapshot: &Snapshot) -> String {
    let hash = hashes(snapshot)[0].to_owned();
    String::from_utf8(backup(host, &hash).unwrap()).unwrap()
}

#[test]
fn each_run_keeps_its_own_starting_state() {
    let host = FakeHost::new().file(PATH, "original");
    write(&mut Receipt::load(&host, &[&File]).unwrap(), &host, "first run");
    host.wait(1);
    let mut second = Receipt::load(&host, &[&File]).unwrap();
    write(&mut second, &host, "second run");
    write(&mut second, &host, "second run, second thought");
    let of_this_run: Vec<&Entry> = second.entries_of_this_run().collect();
    assert_eq!(of_this_run.len(), 1);
    assert_eq!(kept(&host, &of_this_run[0].before), "first run");
    host.wait(1);
    let later = Receipt::load(&host, &[&File]).unwrap();
    assert_eq!(later.entries().len(), 1);
    assert_eq!(kept(&host, &later.entries()[0].before), "original");
}

#[test]
fn changes_by_others_keep_entries_apart() {
    let host = FakeHost::new().file(PATH, "original");
    write(&mut Receipt::load(&host, &[&File]).unwrap(), &host, "ours");
    host.write(Path::new(PATH), b"theirs", PRIVATE_FILE).unwrap();
    host.wait(1);
    write(&mut Receipt::load(&host, &[&File]).unwrap(), &host, "ours again");
    let before: Vec<String> =
        Receipt::load(&host, &[&File]).unwrap().entries().iter().map(|entry| kept(&host, &entry.before)).collect();
    assert_eq!(before, ["original", "theirs"]);
}

#[test]
fn redone_changes_are_recorded_once() {
    let host = FakeHost::new().file(PATH, "original");
    for _ in 0..3 {
        write(&mut Receipt::load(&host, &[&File]).unwrap(), &host, "ours");
        host.write(Path::new(PATH), b"half of ours", PRIVATE_FILE).unwrap();
        host.wait(1);
    }
    write(&mut Receipt::load(&host, &[&File]).unwrap(), &host, "ours");
    let receipt = Receipt::load(&host, &[&File]).unwrap();
    assert_eq!(receipt.entries().len(), 1);
    assert_eq!(kept(&host, &receipt.entries()[0].before), "original");
}

#[test]
fn the_next_run_settles_an_interrupted_change() {
    // Left by a write that was cut off; the real host uses the same name.
    let temporary = "/etc/prosody/.x.cfg.lua.jitsi-tokens-setup.tmp";
    let host = FakeHost::new().file(PATH, "original").file(temporary, "half");
    let change = Change::write(PATH, "half done", PRIVATE_FILE);
    Receipt::load(&host, &[&File]).unwrap().begin("prosody-config", &change).unwrap();
    change.apply(&host).unwrap();
    let receipt = Receipt::load(&host, &[&File]).unwrap();
    assert!(!host.exists(Path::new(temporary)).unwrap());
    assert_eq!(kept(&host, &receipt.entries()[0].before), "original");
    assert!(receipt.entries()[0].after.is_some());
}

#[test]
fn an_edit_in_an_interrupted_write_is_saved() {
    let temporary = "/etc/prosody/.x.cfg.lua.jitsi-tokens-setup.tmp";
    let saved = "/etc/prosody/.x.cfg.lua.changed-meanwhile";
    for (left, kept) in [("original", None), ("ou", None), ("", None), ("original, edited", Some("original, edited"))] {
        // After the exchange, the old file has the temporary name.
        let host = FakeHost::new().file(PATH, "original");
        let seen = Seen::Bytes(b"original".to_vec());
        let change = Change::write(PATH, "ours", PRIVATE_FILE).in_place_of(seen);
        Receipt::load(&host, &[&File]).unwrap().begin("prosody-config", &change).unwrap();
        let host = host.file(PATH, "ours").file(temporary, left);
        Receipt::load(&host, &[&File]).unwrap();
        assert!(!host.exists(Path::new(temporary)).unwrap());
        assert_eq!(host.read_text(Path::new(saved)).unwrap().as_deref(), kept);
        let said = format!("another program changed {PATH} at the same time; its version is saved as {saved}");
        assert_eq!(*host.notices.borrow(), kept.map(|_| said).into_iter().collect::<Vec<_>>());
    }
}

/// The access list that a begun change plans for its file.
fn planned_list(access: Access, list: AccessList) -> Option<String> {
    let host = FakeHost::new().file(PATH, "original").listed(PATH, vec![2, 0, 0, 0]);
    let mut receipt = Receipt::load(&host, &[&File]).unwrap();
    let change = Change::write(PATH, "ours", access).in_place_of(Seen::Bytes(b"original".to_vec())).with_list(list);
    receipt.begin("prosody-config", &change).unwrap();
    match receipt.entries()[0].planned.clone() {
        Some(Snapshot::File(Some(Node::File { acl, .. }))) => acl,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_planned_access_list_is_recorded() {
    let kept = Some("02000000".to_owned());
    for (mode, list, planned) in [
        (0o640, AccessList::Fitting, None),
        (0o644, AccessList::Fitting, kept.clone()),
        (0o641, AccessList::Fitting, kept.clone()),
        (0o640, AccessList::Kept, kept),
        (0o644, AccessList::Exactly(None), None),
        (0o640, AccessList::Exactly(Some(vec![1])), Some("01".to_owned())),
    ] {
        assert_eq!(planned_list(Access::root(mode), list.clone()), planned, "{mode:o} {list:?}");
    }
}

#[test]
fn a_receipt_without_changes_is_empty() {
    let host = FakeHost::new().file(PATH, "original");
    let mut receipt = Receipt::load(&host, &[&File]).unwrap();
    assert!(receipt.is_empty());
    write(&mut receipt, &host, "ours");
    assert!(!receipt.is_empty());
}

#[test]
fn a_change_that_was_never_made_leaves_no_entry() {
    let host = FakeHost::new().file(PATH, "original");
    let seen = Seen::Bytes(b"original".to_vec());
    let change = Change::write(PATH, "ours", Access::root(0o644)).in_place_of(seen);
    Receipt::load(&host, &[&File]).unwrap().begin("prosody-config", &change).unwrap();
    assert!(Receipt::load(&host, &[&File]).unwrap().is_empty());
}

#[test]
fn a_damaged_receipt_is_reported() {
    let host = FakeHost::new().file("/var/lib/jitsi-tokens-setup/receipt.json", "{\"schema\":1");
    let error = format!("{:#}", Receipt::load(&host, &[&File]).err().unwrap());
    assert!(error.contains("receipt.json") && error.contains("damaged"), "{error}");
}

fn backups_of(host: &FakeHost) -> Vec<String> {
    host.list(Path::new("/var/lib/jitsi-tokens-setup/backups")).unwrap()
}

#[test]
fn a_sweep_keeps_only_needed_backups() {
    let host = FakeHost::new().file(PATH, "original");
    let mut receipt = Receipt::load(&host, &[&File]).unwrap();
    for text in ["first thought", "second thought", "last"] {
        write(&mut receipt, &host, text);
    }
    assert_eq!(backups_of(&host).len(), 4);
    receipt.sweep().unwrap();
    let mut kept = [hash(b"original"), hash(b"last")];
    kept.sort();
    assert_eq!(backups_of(&host), kept);
}

#[test]
fn files_that_commands_changed_are_backed_up() {
    for host in [FakeHost::new().file(PATH, "original"), FakeHost::new()] {
        let mut receipt = Receipt::load(&host, &[&File]).unwrap();
        let command = crate::host::command::Command::mutate("postinst");
        receipt.begin("package", &Change::run(command, [Watch::file(Path::new(PATH))])).unwrap();
        host.write(Path::new(PATH), b"edited", PRIVATE_FILE).unwrap();
        receipt.settle().unwrap();
        assert_eq!(backup(&host, &hash(b"edited")).unwrap(), b"edited");
    }
}

#[test]
fn appended_lines_are_not_attributed_to_the_command() {
    let host = FakeHost::new().file(PATH, "original\n");
    let mut receipt = Receipt::load(&host, &[&File]).unwrap();
    let command = crate::host::command::Command::mutate("postinst");
    receipt.begin("package", &Change::run(command, [Watch::file(Path::new(PATH))])).unwrap();
    host.write(Path::new(PATH), b"edited\ntheirs\n", PRIVATE_FILE).unwrap();
    receipt.settle().unwrap();
    let after = receipt.entries()[0].after.clone().unwrap();
    assert_eq!(kept(&host, &after), "edited\ntheirs\n");
    let host = FakeHost::new().file(PATH, "original\n").access(PATH, 0o600, 0, 0);
    let mut receipt = Receipt::load(&host, &[&File]).unwrap();
    let command = crate::host::command::Command::mutate("postinst");
    receipt.begin("package", &Change::run(command, [Watch::file(Path::new(PATH))])).unwrap();
    host.write(Path::new(PATH), b"original\ntheirs\n", PRIVATE_FILE).unwrap();
    receipt.settle().unwrap();
    assert!(receipt.is_empty(), "{:?}", receipt.entries());
}

#[test]
fn discarding_the_receipt_keeps_files_of_others() {
    let theirs = "/var/lib/jitsi-tokens-setup/theirs";
    let host = FakeHost::new()
        .file(PATH, "original")
        .file("/var/lib/jitsi-tokens-setup/.receipt.json.1.tmp", "half")
        .file("/var/lib/jitsi-tokens-setup/kept.tmp", "")
        .file(theirs, "");
    let mut receipt = Receipt::load(&host, &[&File]).unwrap();
    write(&mut receipt, &host, "ours");
    receipt.discard().unwrap();
    assert!(receipt.is_empty());
    assert_eq!(host.list(Path::new(FOLDER)).unwrap(), ["kept.tmp", "theirs"]);
    host.remove(Path::new(theirs)).unwrap();
    host.remove(&Path::new(FOLDER).join("kept.tmp")).unwrap();
    Receipt::load(&host, &[&File]).unwrap().discard().unwrap();
    assert!(!host.exists(Path::new(FOLDER)).unwrap());
}

#[test]
fn unfinished_changes_can_be_dropped() {
    let host = FakeHost::new().file(PATH, "original");
    let mut receipt = Receipt::load(&host, &[&File]).unwrap();
    receipt.begin("prosody-config", &Change::write(PATH, "ours", PRIVATE_FILE)).unwrap();
    receipt.drop_unfinished().unwrap();
    assert!(receipt.is_empty());
    assert!(Receipt::load(&host, &[&File]).unwrap().is_empty());
}

#[test]
fn missing_and_modified_backups_are_errors() {
    let name = hash(b"original");
    let host = FakeHost::new();
    assert!(backup(&host, &name).unwrap_err().to_string().contains("is missing"));
    let host = host.file(&backups().join(&name).display().to_string(), "changed");
    assert!(backup(&host, &name).unwrap_err().to_string().contains("was modified"));
}

#[test]
fn unknown_schemas_and_entries_are_rejected() {
    let path = "/var/lib/jitsi-tokens-setup/receipt.json";
    for (text, said) in [
        (r#"{"schema":2,"tool":"9.9","spans":[]}"#, "version 9.9"),
        (
            r#"{"schema":1,"tool":"0","spans":[{"of":"moon:x","step":"s","run":1,"before":{"of":"file","is":null},"after":null}]}"#,
            "an unknown entry",
        ),
    ] {
        let host = FakeHost::new().file(path, text);
        let error = format!("{:#}", Receipt::load(&host, &[&File]).err().unwrap());
        assert!(error.contains(said), "{error}");
    }
}
