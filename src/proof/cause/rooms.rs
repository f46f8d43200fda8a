//! Why a token opens the wrong rooms, or does not open its own.

use super::{Cause, LOG, REPAIR, cause};
use crate::login::{Focus, Join, Server};
use crate::proof::run::Answered;
use crate::proof::verdict::{Rooms, by_token_verification, is_untested, only_jicofo_opens};
use crate::proof::{PlannedJoin, ProblemKind, Trial};

/// The cause; none if the rooms are as they should be, or could not be seen from inside.
pub(super) fn fault(server: &Server, seen: &[Answered], rooms: Rooms) -> Option<Cause> {
    let joins: Vec<(Trial, &PlannedJoin, &Join)> = seen
        .iter()
        .filter(|seen| !seen.probe.trial.is_about_roles() && !is_untested(seen))
        .flat_map(|seen| {
            let pairs = seen.probe.joins.iter().zip(&seen.attempt.joins);
            pairs.map(|(planned, join)| (seen.probe.trial, planned, join))
        })
        .collect();
    let entered = |join: &Join| *join == Join::Entered;
    let wrong = joins.iter().find(|(_, planned, join)| !planned.enters && entered(join));
    let kept_out = joins.iter().find(|(_, planned, join)| planned.enters && !entered(join));
    let focus = seen.iter().find_map(|seen| seen.attempt.focus.as_ref());
    match (wrong, kept_out) {
        (Some((trial, ..)), _) => wrongly_entered(*trial, &server.muc),
        (None, _) if rooms == Rooms::Unguarded => unguarded(&server.muc),
        (None, Some(_)) if focus.is_some_and(requires_jicofo_login) => refused_by_jicofo(focus),
        (None, Some((.., join))) if focus == Some(&Focus::Ready) && only_jicofo_opens(join) => {
            rooms_elsewhere(join, server)
        }
        (None, Some((.., join))) => kept_out_of_own_room(join, server, rooms),
        (None, None) => None,
    }
}

fn wrongly_entered(trial: Trial, muc: &str) -> Option<Cause> {
    if trial == Trial::WrongDomain {
        return cause(
            ProblemKind::OtherSitesEnterRooms,
            "tokens of other sites open rooms: enable_domain_verification has no effect",
            format!("check that it is set in the virtual host, and restart Prosody; {REPAIR}"),
        );
    }
    cause(
        ProblemKind::RoomsNotChecked,
        "every token opens every room: token_verification is not loaded on the rooms' component",
        load_room_check(muc),
    )
}

/// The room check comes before the rule that only jicofo opens rooms: a room that was refused by that rule alone is not
/// checked.
fn unguarded(muc: &str) -> Option<Cause> {
    cause(
        ProblemKind::RoomsNotChecked,
        format!(
            "every token opens every room: token_verification is not loaded on {muc}; other rooms were refused only \
             because jicofo had not opened them yet"
        ),
        load_room_check(muc),
    )
}

fn load_room_check(muc: &str) -> String {
    format!(
        "check that Component \"{muc}\" has modules_enabled = {{ \"token_verification\" }}, in braces rather than \
         brackets, and look for \"token_verification\" in {LOG}; {REPAIR}"
    )
}

/// jicofo has opened the room, but those who enter do not find it. The plugins of 2026 look for it at
/// `muc_mapper_domain_prefix.muc_mapper_domain_base`, whatever component they are loaded on.
fn rooms_elsewhere(join: &Join, server: &Server) -> Option<Cause> {
    let (muc, domain) = (&server.muc, &server.domain);
    if by_token_verification(join) {
        return cause(
            ProblemKind::RoomsElsewhere,
            format!(
                "valid tokens open no room ({join}), although jicofo opens rooms on {muc}: muc_mapper_domain_base \
                 makes the token plugin expect them on another component"
            ),
            format!(
                "set `muc_mapper_domain_base = \"{domain}\"` in the global part of Prosody's configuration and restart \
                 Prosody"
            ),
        );
    }
    cause(
        ProblemKind::RoomsElsewhere,
        format!("valid tokens open no room ({join}): jicofo opens rooms on another component than {muc}"),
        "check `client-proxy` and the rooms' address in /etc/jitsi/jicofo/jicofo.conf",
    )
}

/// jicofo's own authentication, recognized by the words with which it refuses everybody who has not logged in there.
fn requires_jicofo_login(focus: &Focus) -> bool {
    matches!(focus, Focus::Refused { condition, text }
        if condition == "not-authorized" || text.to_lowercase().contains("not authorized"))
}

fn refused_by_jicofo(focus: Option<&Focus>) -> Option<Cause> {
    let said = focus.map(Focus::to_string).unwrap_or_default();
    cause(
        ProblemKind::JicofoLogin,
        format!(
            "people can log in, but jicofo opens no room for them (\"{said}\"): jicofo's own authentication is on, \
             and must be off with tokens"
        ),
        "remove the `authentication` block from /etc/jitsi/jicofo/jicofo.conf (in older versions \
         org.jitsi.jicofo.auth.URL from /etc/jitsi/jicofo/sip-communicator.properties) and restart jicofo",
    )
}

fn kept_out_of_own_room(join: &Join, server: &Server, rooms: Rooms) -> Option<Cause> {
    let muc = &server.muc;
    match join {
        Join::NoAnswer => cause(
            ProblemKind::RoomsDoNotAnswer,
            format!(
                "{muc} does not answer when a room is entered: its room check crashes, or the component does not exist"
            ),
            format!("check that the configuration has Component \"{muc}\" \"muc\", and see {LOG}; {REPAIR}"),
        ),
        Join::Refused { condition, .. } if is_unknown_component(condition) => cause(
            ProblemKind::RoomsNotServed,
            format!("there are no rooms: {muc} is not served ({condition})"),
            format!("check that the configuration has Component \"{muc}\" \"muc\", and restart Prosody"),
        ),
        // Prosody's answer to entering a room that its creator has not configured yet, as long as rooms are locked.
        Join::Refused { condition, .. } if condition == "item-not-found" => cause(
            ProblemKind::RoomsLocked,
            format!(
                "a valid token is accepted but cannot enter its room ({join}): new rooms on {muc} stay locked until \
                 they are configured"
            ),
            format!(
                "set muc_room_locking = false in Component \"{muc}\" and restart Prosody; if it is set already, \
                 check which of its modules are disabled"
            ),
        ),
        _ if rooms.unopened() => None,
        join if by_token_verification(join) => cause(
            ProblemKind::RoomCheckMismatch,
            format!("a valid token does not open its own room ({join}): the room check expects another room or domain"),
            format!(
                "check muc_mapper_domain_base and enable_domain_verification, and that {muc} belongs to {}",
                server.domain
            ),
        ),
        join => cause(
            ProblemKind::RoomRefused,
            format!("a valid token is accepted but cannot enter its room ({join})"),
            format!("check which other modules Component \"{muc}\" loads, and see {LOG}"),
        ),
    }
}

/// What Prosody answers on behalf of a component that it does not have.
fn is_unknown_component(condition: &str) -> bool {
    condition == "service-unavailable" || condition.starts_with("remote-server")
}
