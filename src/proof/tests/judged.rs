//! The verdict on given answers, without a server.

use super::*;
use crate::login::Attempt;
use crate::proof::run::Answered;

/// The answer to a login that enters no room.
fn login(login: Login) -> Attempt {
    Attempt { login, focus: None, joins: Vec::new(), standing: None }
}

fn refused(text: &str) -> Attempt {
    login(Login::Refused { condition: "not-allowed".to_owned(), text: text.to_owned() })
}

/// The proof if the server answers each planned login like this.
fn judged(wanted: &Expectations, answer: impl Fn(Trial) -> Attempt) -> Proof {
    judged_all(&plan(wanted, FakeHost::new().now(), None), answer)
}

fn judged_all(planned: &[PlannedProbe], answer: impl Fn(Trial) -> Attempt) -> Proof {
    let seen: Vec<Answered> = planned.iter().map(|probe| Answered { probe, attempt: answer(probe.trial) }).collect();
    verdict::judge(&Server::local("meet.example"), &seen, 0, 0)
}

#[test]
fn a_server_that_rejects_valid_tokens_may_still_be_open() {
    let answers = |good: Attempt, open: Trial| {
        judged(&wanted(Era::Bundled), |trial| match trial {
            Trial::Good => good.clone(),
            _ if trial == open => login(Login::Accepted),
            _ => refused("Invalid signature"),
        })
    };
    for (good, otherwise) in [
        (refused("Invalid signature"), "other-secret"),
        (login(Login::NoAnswer), "plugin-crashes"),
        (login(Login::NoMechanism { offered: Vec::new() }), "plugin-not-loaded"),
    ] {
        for (open, problem, is_open) in [
            (Trial::NoToken, "no-token-accepted", true),
            (Trial::Unsigned, "unsigned-token-accepted", true),
            (Trial::Expired, otherwise, false),
        ] {
            let proof = answers(good.clone(), open);
            assert_eq!((proof.problem.as_deref(), proof.open), (Some(problem), is_open), "{proof:#?}");
            assert!(proof.keeps_out);
        }
        // Where nobody answers, nothing else is known.
        let gone = answers(login(Login::Down(HttpFault::Refused)), Trial::NoToken);
        assert_eq!(gone.problem.as_deref(), Some("prosody-down"));
    }
}
