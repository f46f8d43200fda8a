//! Why people without a token open rooms, or cannot join somebody with a token.

use super::{Cause, REPAIR, cause};
use crate::login::{Join, Login};
use crate::proof::run::Answered;
use crate::proof::verdict::not_opened;
use crate::proof::{ProblemKind, Trial};

/// The cause; none if guests get in when they should, and wait otherwise.
pub(super) fn fault(seen: &[Answered]) -> Option<Cause> {
    let of = |trial: Trial| seen.iter().find(|seen| seen.probe.trial == trial);
    let join = |trial: Trial| of(trial).and_then(|seen| seen.attempt.joins.first());
    let entered = |trial: Trial| join(trial) == Some(&Join::Entered);
    if entered(Trial::NobodyIsHost) {
        return cause(
            ProblemKind::GuestsCountAsHosts,
            "OPEN: anyone can open rooms without a token and let guests in: with allow_empty_token on, they count as \
             the host that guests wait for",
            "`jitsi-tokens-setup install --guests` turns allow_empty_token off",
        );
    }
    if entered(Trial::GuestAlone) {
        return cause(
            ProblemKind::GuestsOpenRooms,
            "guests can open rooms by themselves: muc_wait_for_host has no effect",
            format!("check that persistent_lobby is loaded too and that Prosody has restarted since; {REPAIR}"),
        );
    }
    let logged_in = [Trial::Guest, Trial::GuestAlone, Trial::GuestWithHost].into_iter().find_map(of);
    if let Some(login) = logged_in.map(|seen| &seen.attempt.login).filter(|login| **login != Login::Accepted) {
        return cause(
            ProblemKind::GuestsCannotLogIn,
            format!("guests cannot log in ({login})"),
            format!("restart Prosody; {REPAIR}"),
        );
    }
    let with_host = of(Trial::GuestWithHost)?;
    let outside = with_host.attempt.joins.first().filter(|join| **join != Join::Entered);
    outside.filter(|join| !not_opened(&with_host.attempt, join)).and_then(|join| {
        cause(
            ProblemKind::GuestsKeptOut,
            format!("guests cannot enter a room although somebody with a token is in it ({join})"),
            format!("`jitsi-tokens-setup install --guests` sets token_verification_allowlist and the lobby; {REPAIR}"),
        )
    })
}
