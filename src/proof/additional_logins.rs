//! Logins beside the plan: tokens of credentials that were replaced.

use crate::engine::report::{Probe, Proof, Verdict};
use crate::login::{Login, Server};

/// Adds one login, which must be accepted or refused, to what was proved.
pub fn add(proof: &mut Proof, server: &Server, name: &str, accepted: bool, login: &Login) {
    let ok = match login {
        Login::Accepted => accepted,
        Login::Refused { .. } => !accepted,
        _ => false,
    };
    if !ok {
        proof.verdict = Verdict::Refused;
        proof.why = format!("unexpected result: {name} ({login})");
    }
    let (group, transport) = ("who gets in", server.transport.to_string());
    // Beside those that it belongs to, so that no heading comes twice.
    let like = |probe: &Probe| probe.group == group && probe.transport == transport;
    let at = proof.probes.iter().rposition(like);
    let probe = Probe {
        group,
        transport,
        name: name.to_owned(),
        expected: if accepted { "accepted" } else { "refused" }.to_owned(),
        got: login.to_string(),
        ok,
    };
    proof.probes.insert(at.map_or(proof.probes.len(), |at| at + 1), probe);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::login::Login;

    #[test]
    fn one_that_is_not_as_it_must_be_takes_the_proof_back() {
        let server = Server::local("m.org");
        let mut proof = Proof {
            verdict: Verdict::Full,
            why: "all is well".to_owned(),
            next: None,
            probes: Vec::new(),
            warnings: Vec::new(),
            keeps_out: false,
        };
        add(&mut proof, &server, "a guest", true, &Login::Accepted);
        assert_eq!((proof.verdict, proof.probes[0].ok), (Verdict::Full, true));
        let mut other = proof.probes[0].clone();
        other.group = "time";
        proof.probes.push(other);
        add(&mut proof, &server, "an old token", false, &Login::Accepted);
        assert_eq!((proof.verdict, proof.probes[1].ok), (Verdict::Refused, false));
        assert_eq!(proof.probes[2].group, "time", "groups stay together");
        assert!(proof.why.contains("an old token"), "{}", proof.why);
    }
}
