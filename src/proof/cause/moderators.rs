//! Why somebody moderates although their token does not say so, or does not although it does.

use super::{Cause, REPAIR, cause};
use crate::login::Standing;
use crate::proof::run::Answered;
use crate::proof::{ProblemKind, Trial};

/// The cause; none if everybody has the role that their token gives, or nobody was seen in a room.
pub(super) fn fault(seen: &[Answered]) -> Option<Cause> {
    let standing = |trial: Trial| -> Option<&Standing> {
        seen.iter().find(|seen| seen.probe.trial == trial)?.attempt.standing.as_ref()
    };
    if standing(Trial::NoModerator).is_some_and(|standing| standing.role == "moderator") {
        return cause(
            ProblemKind::FirstModerates,
            "whoever enters first moderates, whatever the token says: jicofo (enable-auto-owner) or a module \
             (muc_allowners, muc_wait_for_host) still makes owners",
            "run `jitsi-tokens-setup install --moderators token`",
        );
    }
    if standing(Trial::Moderator).is_some_and(|standing| standing.role != "moderator") {
        return cause(
            ProblemKind::ModeratorTokenIgnored,
            "a moderator's token has no effect: the module that reads it does not work",
            format!("check that it is loaded on the rooms' component and that Prosody has restarted since; {REPAIR}"),
        );
    }
    None
}
