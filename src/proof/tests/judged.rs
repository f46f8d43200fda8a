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

/// Expectations where an identity provider signs, and the name of its current key is known.
fn foreign() -> Expectations {
    let source = KeySource { server: None, document: Some("https://id/jwks".to_owned()), kids: Vec::new() };
    let foreign = Some(Foreign { source, known: true, silent: None });
    Expectations { foreign, by_public_key: true, algorithm: Algorithm::Rs256, ..wanted(Era::Bundled) }
}

#[test]
fn a_forged_signature_shows_whether_prosody_has_the_key() {
    for (answer, problem, words) in [
        (refused("Invalid signature"), "valid-token-not-tested", "Prosody has the keys"),
        (refused("could not obtain public key"), "key-not-fetched", "does not have the key"),
        // A key set without a fallback: the plugin crashes for lack of the key.
        (login(Login::NoAnswer), "key-not-fetched", "does not have the key"),
        (login(Login::StreamError("undefined-condition".to_owned())), "key-not-fetched", "does not have the key"),
    ] {
        let proof = judged(&foreign(), |trial| match trial {
            Trial::WrongKey => answer.clone(),
            Trial::UnknownKey => login(Login::NoAnswer),
            _ => refused("no"),
        });
        assert_eq!(proof.problem.as_deref(), Some(problem), "{proof:#?}");
        assert!(proof.why.contains(words), "{}", proof.why);
        assert_eq!(proof.keeps_out, problem == "key-not-fetched");
    }
}

#[test]
fn a_users_token_without_an_answer_shows_that_prosody_lacks_the_key() {
    let now = FakeHost::new().now();
    let token = good_token(&wanted(Era::Bundled), now);
    let read = token::inspect(token.reveal().as_bytes(), None, &Rules::default(), None, now);
    let server = Server::local("meet.example");
    for (wanted, problem) in [(foreign(), "key-not-fetched"), (wanted(Era::Bundled), "plugin-crashes")] {
        let judged = crate::proof::explain::judge(&server, &wanted, &login(Login::NoAnswer), &read, "tea");
        assert_eq!(judged.problem.map(report::id).as_deref(), Some(problem), "{}", judged.why);
    }
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
