//! The verdict on given answers, without a server.

use super::*;
use crate::login::{Attempt, Focus, Join};
use crate::proof::run::Answered;
use crate::proof::{opener, wait_for_jicofo};

/// The answer to a login that enters no room.
fn login(login: Login) -> Attempt {
    Attempt::of(login)
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
    let server = Server { focus: Some("focus.meet.example".to_owned()), ..Server::local("meet.example") };
    verdict::judge(&server, &seen, 0, 0)
}

/// The answer to a login that enters one room, or two: how jicofo answered, and whether each was entered.
fn joined(focus: Focus, joins: &[bool]) -> Attempt {
    let closed = || Join::Refused {
        condition: "not-allowed".to_owned(),
        text: "Room creation is restricted".to_owned(),
        element: None,
    };
    let join = |entered: &bool| if *entered { Join::Entered } else { closed() };
    Attempt { focus: Some(focus), joins: joins.iter().map(join).collect(), ..login(Login::Accepted) }
}

fn waits() -> Join {
    Join::Refused { condition: "registration-required".to_owned(), text: String::new(), element: None }
}

fn absent() -> Focus {
    Focus::Refused { condition: "service-unavailable".to_owned(), text: String::new() }
}

fn with_recorder(wanted: &Expectations) -> Vec<PlannedProbe> {
    let now = FakeHost::new().now();
    let password = Password { user: "a".to_owned(), password: "b".to_owned() };
    plan(wanted, now, None).into_iter().chain([crate::proof::plan::recorder(wanted, now, password)]).collect()
}

#[test]
fn recorders_are_not_judged_by_a_room_that_jicofo_did_not_open() {
    let prove = |focus: Focus| {
        judged_all(&with_recorder(&foreign()), |trial| match trial {
            Trial::Recorder => joined(focus.clone(), &[false]),
            _ => refused("Invalid signature"),
        })
    };
    for focus in [absent(), Focus::NotReady, Focus::NoAnswer] {
        let proof = prove(focus);
        assert_eq!((proof.verdict, proof.keeps_out), (Verdict::Partial, false), "{proof:#?}");
        assert!(proof.why.ends_with("so this was not tested: recorder's account"), "{}", proof.why);
        assert!(proof.fix.unwrap().contains("jicofo"));
        assert!(proof.probes.iter().all(|probe| probe.ok));
    }
    // jicofo has opened the room, and the account is kept out all the same; people are not.
    let proof = prove(Focus::Ready);
    assert_eq!((proof.problem.as_deref(), proof.keeps_out), (Some("recorders-kept-out"), false), "{proof:#?}");
}

#[test]
fn rooms_that_jicofo_opens_for_some_logins_only_give_a_partial_verdict() {
    let wanted = Expectations {
        guests: Some("guest.meet.example".to_owned()),
        waits_for_host: true,
        domain_verification: true,
        ..wanted(Era::Bundled)
    };
    for late in [Trial::EveryRoom, Trial::WrongDomain, Trial::GuestWithHost, Trial::Recorder] {
        let proof = judged_all(&with_recorder(&wanted), |trial| match trial {
            trial if trial == late => joined(Focus::NotReady, &[false]),
            Trial::Good => joined(Focus::Ready, &[true, false]),
            Trial::EveryRoom | Trial::GuestWithHost | Trial::Recorder => joined(Focus::Ready, &[true]),
            Trial::GuestAlone | Trial::WrongDomain => Attempt { joins: vec![waits()], ..joined(Focus::Ready, &[]) },
            _ => refused("no"),
        });
        assert_eq!(proof.problem.as_deref(), Some("rooms-not-tested"), "{proof:#?}");
        assert!(proof.why.ends_with(&format!("so this was not tested: {late}")), "{}", proof.why);
        assert_eq!(proof.why.contains("recorders get in"), late != Trial::Recorder);
        assert!(proof.probes.iter().all(|probe| probe.ok));
    }
}

#[test]
fn jicofo_is_awaited_with_a_login_that_can_be_made() {
    let host = FakeHost::new();
    let now = host.now();
    let password = Password { user: "a".to_owned(), password: "b".to_owned() };
    let account = crate::proof::plan::recorder(&foreign(), now, password);
    assert!(account.host.is_none(), "nobody here can sign for a companion");
    assert!(opener(&foreign(), now, None).is_none());
    let theirs = opener(&foreign(), now, Some(&Secret::unlisted("a.b.c"))).unwrap();
    assert_eq!(theirs.token.unwrap().reveal(), "a.b.c");
    let ours = opener(&wanted(Era::Bundled), now, None).unwrap();
    for probe in [ours, account] {
        assert_eq!(probe.joins.len(), 1, "{}", probe.trial);
        let asked = RefCell::new(0);
        let host = starting_jicofo();
        let server = Server { focus: Some("focus.meet.example".to_owned()), ..Server::local("meet.example") };
        let login = |_| {
            *asked.borrow_mut() += 1;
            Some(probe.clone())
        };
        wait_for_jicofo(&host, &server, login, host.now() + Duration::from_secs(60)).unwrap();
        assert_eq!(*asked.borrow(), 2, "{}", probe.trial);
        assert_eq!(*host.notices.borrow(), ["waiting for jicofo to start"]);
    }
}

/// A server that accepts whoever comes, and whose jicofo is there from the second question on.
fn starting_jicofo() -> FakeHost {
    let there = Cell::new(false);
    FakeHost::new().serves(move |request| {
        let said = request.body.as_deref().unwrap_or_default();
        let inside = if said.contains("<auth") {
            "<success/>".to_owned()
        } else if said.contains("<conference") {
            let id = said.split(" id='").nth(1).and_then(|rest| rest.split('\'').next()).unwrap_or_default();
            match there.replace(true) {
                true => format!("<iq id='{id}' type='result'><conference ready='true'/></iq>"),
                false => format!("<iq id='{id}' type='error'><error><service-unavailable/></error></iq>"),
            }
        } else if said.contains("<bind") {
            "<iq id='bind'><bind><jid>0a1b2c3d@x/y</jid></bind></iq>".to_owned()
        } else if said.contains("<presence") || !said.contains(" to='") {
            String::new()
        } else {
            "<features><mechanisms><mechanism>ANONYMOUS</mechanism><mechanism>SCRAM-SHA-1</mechanism></mechanisms>\
             </features>"
                .to_owned()
        };
        let body = format!("<body xmlns='http://jabber.org/protocol/httpbind' sid='s'>{inside}</body>");
        Ok(HttpResponse { status: 200, body, ..HttpResponse::default() })
    })
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

#[test]
fn no_answer_to_a_missing_token_is_no_rejection() {
    let proof = judged(&wanted(Era::Bundled), |trial| match trial {
        Trial::Good => joined(Focus::Ready, &[true, false]),
        Trial::EveryRoom => joined(Focus::Ready, &[true]),
        Trial::NoToken => login(Login::NoAnswer),
        _ => refused("no"),
    });
    assert_eq!(proof.verdict, Verdict::Refused, "{proof:#?}");
    assert!(proof.why.contains("no token") && proof.warnings.is_empty(), "{proof:#?}");
}
