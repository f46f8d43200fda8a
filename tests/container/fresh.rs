//! An install on a fresh machine, its rerun and its uninstall: the story of the first pairing, with one test per check.

use crate::checks;
use crate::story::story;

#[test]
fn at_first_anyone_gets_in_and_changes_are_pending() {
    checks::at_first_anyone_gets_in_and_changes_are_pending(story());
}

#[test]
fn an_independent_client_confirms_five_logins_and_both_rooms() {
    checks::an_independent_client_confirms_five_logins_and_both_rooms(story());
}

#[test]
fn generated_credentials_are_32_upper_case_hex_digits() {
    checks::generated_credentials_are_32_upper_case_hex_digits(story());
}

#[test]
fn a_preview_changes_nothing() {
    checks::a_preview_changes_nothing(story());
}

#[test]
fn a_preview_lists_exactly_the_changes_of_the_run() {
    checks::a_preview_lists_exactly_the_changes_of_the_run(story());
}

#[test]
fn status_and_preview_are_consistent() {
    checks::status_and_preview_are_consistent(story());
}

#[test]
fn the_secret_is_not_in_processes_or_output() {
    checks::the_secret_is_not_in_processes_or_output(story());
}

#[test]
fn the_secret_is_not_in_logs_or_readable_files() {
    checks::the_secret_is_not_in_logs_or_readable_files(story());
}

#[test]
fn status_is_clean_even_after_a_reboot() {
    checks::status_is_clean_even_after_a_reboot(story());
}

#[test]
fn verify_tries_every_login_and_json_is_complete() {
    checks::verify_tries_every_login_and_json_is_complete(story());
    // The answer to a bad token that crashes the plugin is awaited in parallel with all others.
    let took = story().verify_took;
    assert!(took.as_secs_f64() < 5.0, "{took:?}");
}

#[test]
fn json_reports_contain_everything_in_the_text() {
    checks::json_reports_contain_everything_in_the_text(story());
}

#[test]
fn a_second_install_changes_nothing() {
    checks::a_second_install_changes_nothing(story());
}

#[test]
fn a_second_install_connects_only_to_prosody() {
    checks::a_second_install_connects_only_to_prosody(story());
}

#[test]
fn uninstall_undoes_everything() {
    checks::uninstall_undoes_everything(story());
}
