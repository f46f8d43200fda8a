//! An install on a fresh machine, its rerun and its uninstall: the story of the first pairing, with one test per check.

use crate::checks;
use crate::story::story;

#[test]
fn before_anybody_gets_in_and_status_says_pending() {
    checks::before_anybody_gets_in_and_status_says_pending(story());
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
fn a_preview_changes_no_byte() {
    checks::a_preview_changes_no_byte(story());
}

#[test]
fn a_preview_lists_exactly_the_changes_that_the_run_reports() {
    checks::a_preview_lists_exactly_the_changes_that_the_run_reports(story());
}

#[test]
fn what_changes_nothing_invents_nothing() {
    checks::what_changes_nothing_invents_nothing(story());
}

#[test]
fn the_secret_is_in_no_argument_no_environment_and_no_output() {
    checks::the_secret_is_in_no_argument_no_environment_and_no_output(story());
}

#[test]
fn the_secret_is_in_no_log_and_in_no_file_that_others_can_read() {
    checks::the_secret_is_in_no_log_and_in_no_file_that_others_can_read(story());
}

#[test]
fn afterwards_status_is_content_even_after_a_reboot() {
    checks::afterwards_status_is_content_even_after_a_reboot(story());
}

#[test]
fn verify_makes_every_login_and_json_holds_what_the_text_shows() {
    checks::verify_makes_every_login_and_json_holds_what_the_text_shows(story());
    // The answer to a bad token that crashes the plugin is awaited in parallel with all others.
    let took = story().verify_took;
    assert!(took.as_secs_f64() < 5.0, "{took:?}");
}

#[test]
fn the_json_of_every_report_holds_what_its_text_shows() {
    checks::the_json_of_every_report_holds_what_its_text_shows(story());
}

#[test]
fn a_second_install_changes_nothing() {
    checks::a_second_install_changes_nothing(story());
}

#[test]
fn a_second_install_starts_a_handful_of_children_and_talks_to_prosody_only() {
    checks::a_second_install_starts_a_handful_of_children_and_talks_to_prosody_only(story());
}

#[test]
fn uninstall_gives_the_machine_back() {
    checks::uninstall_gives_the_machine_back(story());
}
