//! Logins in addition to the plan: tokens of replaced credentials.

use super::line::{Group, Lines, OtherLine};
use super::problem::ProblemKind;
use crate::engine::report::{self, Probe, Proof, Verdict};
use crate::login::{Login, Server};

/// Adds one login with replaced credentials, which must be accepted or rejected, to the proof. `name` is what people
/// read.
pub fn add(proof: &mut Proof, server: &Server, name: &str, accepted: bool, login: &Login) {
    let ok = match login {
        Login::Accepted => accepted,
        Login::Refused { .. } => !accepted,
        _ => false,
    };
    if !ok {
        proof.verdict = Verdict::Refused;
        proof.problem = Some(report::id(ProblemKind::OldCredentials));
        proof.why = format!("unexpected result: {name} ({login})");
    }
    let lines = Lines { group: Group::WhoGetsIn, transport: server.transport };
    let probe = Probe { name: name.to_owned(), ..lines.login(OtherLine::OldCredentials, accepted, login, ok) };
    // Next to its group, so no heading appears twice.
    let like = |other: &Probe| other.group == probe.group && other.transport == probe.transport;
    let at = proof.probes.iter().rposition(like);
    proof.probes.insert(at.map_or(proof.probes.len(), |at| at + 1), probe);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::login::Login;

    #[test]
    fn an_unexpected_login_revokes_the_proof() {
        let server = Server::local("m.org");
        let mut proof = Proof::without_logins(Verdict::Full, "all is well");
        add(&mut proof, &server, "a guest", true, &Login::Accepted);
        assert_eq!((proof.verdict, proof.probes[0].ok), (Verdict::Full, true));
        let mut other = proof.probes[0].clone();
        other.group = "time".to_owned();
        proof.probes.push(other);
        add(&mut proof, &server, "an old token", false, &Login::Accepted);
        assert_eq!((proof.verdict, proof.probes[1].ok), (Verdict::Refused, false));
        assert_eq!(proof.probes[2].group, "time", "groups stay together");
        assert!(proof.why.contains("an old token"), "{}", proof.why);
    }
}
