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
fn a_run_can_go_back_to_where_it_began_and_uninstall_further() {
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
fn what_others_changed_in_between_stays_a_gap() {
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
fn what_others_undid_and_we_made_again_is_one_change() {
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
fn a_change_that_was_cut_off_is_settled_by_the_next_run() {
    let host = FakeHost::new().file(PATH, "original");
    let change = Change::write(PATH, "half done", PRIVATE_FILE);
    Receipt::load(&host, &[&File]).unwrap().begin("prosody-config", &change).unwrap();
    change.apply(&host).unwrap();
    let receipt = Receipt::load(&host, &[&File]).unwrap();
    assert_eq!(kept(&host, &receipt.entries()[0].before), "original");
    assert!(receipt.entries()[0].after.is_some());
}

#[test]
fn a_damaged_receipt_is_named() {
    let host = FakeHost::new().file("/var/lib/jitsi-tokens-setup/receipt.json", "{\"schema\":1");
    let error = format!("{:#}", Receipt::load(&host, &[&File]).err().unwrap());
    assert!(error.contains("receipt.json") && error.contains("damaged"), "{error}");
}
