//! Why somebody moderates whose token does not say so, or does not whose token does.

use super::{Cause, REPAIR, cause};
use crate::login::Standing;
use crate::proof::Trial;
use crate::proof::run::Answered;

/// The cause; none if everybody is what the token says, or nobody was seen in a room.
pub(super) fn fault(seen: &[Answered]) -> Option<Cause> {
    let standing = |trial: Trial| -> Option<&Standing> {
        seen.iter().find(|seen| seen.probe.trial == trial)?.attempt.standing.as_ref()
    };
    if standing(Trial::NoModerator).is_some_and(|standing| standing.role == "moderator") {
        return cause(
            "whoever comes first moderates, whatever the token says: jicofo still makes owners by itself \
             (enable-auto-owner), or a module does (muc_allowners, muc_wait_for_host)",
            "`jitsi-tokens-setup install --moderators token` sets all of them",
        );
    }
    if standing(Trial::Moderator).is_some_and(|standing| standing.role != "moderator") {
        return cause(
            "a moderator's token makes no moderator: the module that reads it has no effect",
            format!("see that it is loaded on the rooms' component, and that Prosody was restarted since; {REPAIR}"),
        );
    }
    None
}
