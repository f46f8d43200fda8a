//! Why recorders cannot get in.

use super::{Cause, REPAIR, cause};
use crate::login::{Join, Login};
use crate::proof::run::Answered;
use crate::proof::verdict::not_opened;
use crate::proof::{ProblemKind, Trial};

/// The cause; none if an account like a recorder's enters a room, none was tried, or jicofo opened none for it.
pub(super) fn fault(seen: &[Answered]) -> Option<Cause> {
    let recorder = seen.iter().find(|seen| seen.probe.trial == Trial::Recorder)?;
    let host = recorder.probe.login_host.as_deref().unwrap_or_default();
    if recorder.attempt.login != Login::Accepted {
        return cause(
            ProblemKind::RecordersCannotLogIn,
            format!("an account on {host} cannot log in ({})", recorder.attempt.login),
            format!("restart Prosody if {host} was added or changed since its start; {REPAIR}"),
        );
    }
    let outside = recorder.attempt.joins.first().filter(|join| **join != Join::Entered);
    outside.filter(|join| !not_opened(&recorder.attempt, join)).and_then(|join| {
        cause(
            ProblemKind::RecordersKeptOut,
            format!("recorders cannot enter rooms: an account on {host} was refused ({join})"),
            format!("token_verification_allowlist of the rooms' component must name {host}; {REPAIR}"),
        )
    })
}
