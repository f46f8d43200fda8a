//! The full proof against a miniature Prosody, intact and broken in known ways.

mod explained;
mod judged;

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::Duration;

use super::{OtherLine, PlannedProbe, Trial, baseline, good_token, plan, quick, verdict, warn_if_unusable};
use crate::engine::report::{self, ProbeOutcome, Proof, Verdict};
use crate::host::Host;
use crate::host::fake::FakeHost;
use crate::host::secret::Secret;
use crate::login::net::{HttpFault, HttpRequest, HttpResponse};
use crate::login::{Login, Password, Server};
use crate::prosody::era::Era;
use crate::site::expectations::{Expectations, Foreign};
use crate::site::key_source::KeySource;
use crate::token::{self, Algorithm, Rules, percent};

/// How the miniature is broken, or how it is set up.
#[derive(Clone, Copy, Debug, PartialEq)]
enum World {
    Sound,
    Anonymous,
    Crashing,
    NoRoomCheck,
    OnlyJicofoOpens,
    NewRoomCheck,
    OnlyJicofoNoRoomCheck,
    AnyIssuer,
    OtherSecret,
    CrashesOnGarbage,
    /// The room check looks for rooms elsewhere than jicofo opens them.
    RoomsElsewhere,
    /// `muc_room_locking` is left at Prosody's default.
    LockedRooms,
}

fn answer(world: World, request: &HttpRequest, expect: &Rules, now: std::time::SystemTime) -> String {
    let body = request.body.as_deref().unwrap_or_default();
    let query = request.url.split_once('?').unwrap_or_default().1;
    let token = query.split('&').find_map(|part| part.strip_prefix("token=")).map(percent::decode);
    let text = |condition: &str, text: &str| format!("<{condition}/><text>{text}</text>");
    if body.contains("<auth") {
        let secret = Secret::unlisted(if world == World::OtherSecret { "other-secret" } else { "the-app-secret" });
        let seen = token.as_deref().map(|token| token::inspect(token.as_bytes(), Some(&secret), expect, None, now));
        let good = seen.as_ref().is_some_and(|seen| {
            let issuer_only = |text: &str| text.contains("wrong issuer");
            let fatal = seen.problems.iter().filter(|problem| problem.fatal);
            let mut fatal = fatal.filter(|problem| world != World::AnyIssuer || !issuer_only(&problem.text));
            fatal.next().is_none()
        });
        let garbage = token.as_deref() == Some("not-a-token");
        return match world {
            World::Anonymous => "<success/>".to_owned(),
            World::Crashing => String::new(),
            World::CrashesOnGarbage if garbage => String::new(),
            _ if good => "<success/>".to_owned(),
            World::OtherSecret => format!("<failure>{}</failure>", text("not-allowed", "Invalid signature")),
            _ => format!("<failure>{}</failure>", text("not-allowed", "no")),
        };
    }
    if body.contains("<conference") {
        let ids = body.split(" id='").skip(1);
        return ids
            .filter_map(|rest| rest.split('\'').next())
            .map(|id| format!("<iq id='{id}' type='result'><conference ready='true'/></iq>"))
            .collect();
    }
    if body.contains("<presence") && !body.contains("terminate") {
        let claims = token.and_then(|token| token::inspect(token.as_bytes(), None, expect, None, now).claims);
        let room = claims.and_then(|claims| claims.get("room")?.as_str().map(str::to_owned)).unwrap_or_default();
        let places = body.split("to='").skip(1).filter_map(|rest| rest.split('\'').next());
        return places.filter(|place| place.contains('@')).map(|place| presence(world, place, &room)).collect();
    }
    match body {
        body if body.contains("<bind") => "<iq id='bind'><bind><jid>0a1b2c3d@x/y</jid></bind></iq>".to_owned(),
        body if !body.contains("to='") => String::new(),
        _ => {
            "<f:features xmlns:f='x'><mechanisms><mechanism>ANONYMOUS</mechanism></mechanisms></f:features>".to_owned()
        }
    }
}

fn presence(world: World, place: &str, claim: &str) -> String {
    let right = claim == "*" || place.starts_with(&format!("{claim}@"));
    let refused = |text: &str, element: &str| {
        format!(
            "<presence from='{place}' type='error'><error><not-allowed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>\
             <text>{text}</text>{element}</error></presence>"
        )
    };
    match world {
        World::NewRoomCheck | World::RoomsElsewhere => {
            refused("Room does not exist", "<room-does-not-exist xmlns='http://jitsi.org/jitmeet'/>")
        }
        World::LockedRooms if right => format!(
            "<presence from='{place}' type='error'><error type='cancel'><item-not-found \
             xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>"
        ),
        World::OnlyJicofoNoRoomCheck => refused("Room creation is restricted", ""),
        World::OnlyJicofoOpens if right => refused("Room creation is restricted", ""),
        World::NoRoomCheck | World::Anonymous => format!("<presence from='{place}'/>"),
        _ if right => format!("<presence from='{place}'/>"),
        _ => refused("Room and token mismatched", ""),
    }
}

fn wanted(era: Era) -> Expectations {
    Expectations::defaults("meet.example", "app", Secret::unlisted("the-app-secret"), era)
}

fn miniature(world: World) -> FakeHost {
    let now = FakeHost::new().now();
    let expect = Rules { issuers: Some(vec!["app".to_owned()]), algorithm: Some(Algorithm::Hs256), ..Rules::default() };
    FakeHost::new().serves(move |request| {
        let inside = answer(world, request, &expect, now);
        let body = format!("<body xmlns='http://jabber.org/protocol/httpbind' sid='s'>{inside}</body>");
        Ok(HttpResponse { status: 200, body, ..HttpResponse::default() })
    })
}

fn run(host: &FakeHost, server: &Server, planned: &[PlannedProbe]) -> Proof {
    super::run(host, std::slice::from_ref(server), |_| planned.to_vec())
}

fn prove(world: World, era: Era) -> Proof {
    prove_at(world, era, &Server::local("meet.example"))
}

fn prove_at(world: World, era: Era, server: &Server) -> Proof {
    let host = miniature(world);
    run(&host, server, &plan(&wanted(era), host.now(), None))
}

#[test]
fn a_sound_server_gets_a_full_verdict() {
    let proof = prove(World::Sound, Era::Decode);
    assert_eq!(proof.verdict, Verdict::Full, "{proof:#?}");
    assert_eq!(proof.why, "a valid token opens its room and no other; 10 invalid ones are rejected");
    assert_eq!(proof.fix, None);
    assert!(proof.probes.iter().all(|probe| probe.ok));
}

#[test]
fn with_public_keys_wrong_keys_replace_wrong_secrets() {
    let now = FakeHost::new().now();
    let wanted = Expectations { by_public_key: true, algorithm: Algorithm::Rs256, ..wanted(Era::Bundled) };
    let trials = |plan: Vec<PlannedProbe>| plan.into_iter().map(|probe| probe.trial).collect::<Vec<_>>();
    let all = trials(plan(&wanted, now, None));
    for trial in [Trial::WrongKey, Trial::UnknownKey, Trial::NoKeyName, Trial::KeyAsSecret, Trial::OtherAlgorithm] {
        assert!(all.contains(&trial), "{trial}");
    }
    assert!(!all.contains(&Trial::WrongSecret) && !all.contains(&Trial::SecretAsKey));
    assert_eq!(trials(quick(&wanted, now)), [Trial::Good, Trial::NoToken, Trial::Tampered]);
}

#[test]
fn each_fault_has_an_id_and_a_next_step() {
    for (world, problem, words) in [
        (World::Anonymous, "tokens-not-required", "anyone can join"),
        (World::Crashing, "plugin-crashes", "the token plugin crashes"),
        (World::NoRoomCheck, "rooms-not-checked", "every token opens every room"),
        (World::AnyIssuer, "wrong-issuer-accepted", "tokens of any issuer are accepted"),
        (World::OtherSecret, "other-secret", "another app_secret"),
        (World::LockedRooms, "rooms-locked", "stay locked"),
    ] {
        let proof = prove(world, Era::Decode);
        assert_eq!(proof.verdict, Verdict::Refused, "{world:?}");
        assert_eq!(proof.problem.as_deref(), Some(problem), "{world:?}");
        assert_eq!(proof.open, proof.why.starts_with("OPEN: "), "{world:?}");
        assert!(proof.why.contains(words), "{world:?}: {}", proof.why);
        assert!(proof.fix.is_some(), "{world:?}");
    }
}

#[test]
fn an_unseen_room_check_is_judged_by_the_configuration() {
    for (room_check, verdict, words) in [
        (true, Verdict::Partial, "is configured; but only jicofo"),
        (false, Verdict::Refused, "token_verification is not loaded on conference.meet.example"),
    ] {
        let server = Server { room_check, ..Server::local("meet.example") };
        let proof = prove_at(World::OnlyJicofoNoRoomCheck, Era::Verify, &server);
        assert_eq!(proof.verdict, verdict, "{proof:#?}");
        assert!(proof.why.contains(words), "{}", proof.why);
    }
}

#[test]
fn rooms_on_the_wrong_component_keep_everyone_out() {
    let server = Server { focus: Some("focus.meet.example".to_owned()), ..Server::local("meet.example") };
    let proof = prove_at(World::RoomsElsewhere, Era::Bundled, &server);
    assert_eq!(proof.verdict, Verdict::Refused, "{proof:#?}");
    assert!(proof.why.contains("muc_mapper_domain_base"), "{}", proof.why);
    assert!(proof.keeps_out);
    // Without asking jicofo, it is unknown whether the room exists.
    let unasked = Server { opens_rooms: false, ..server };
    let proof = prove_at(World::RoomsElsewhere, Era::Bundled, &unasked);
    assert_eq!(proof.verdict, Verdict::Full, "{proof:#?}");
}

#[test]
fn repeated_failures_are_reported_once() {
    let proof = prove(World::Crashing, Era::Decode);
    assert_eq!(proof.probes.len(), 1);
    assert!(proof.why.ends_with("(11 more logins had the same result)"), "{}", proof.why);
    let dead = FakeHost::new().serves(|_| Err(HttpFault::Refused));
    let proof = run(&dead, &Server::local("meet.example"), &quick(&wanted(Era::Decode), dead.now()));
    assert!(proof.why.contains("connection refused") && proof.fix.unwrap().contains("systemctl start prosody"));
}

#[test]
fn untested_logins_do_not_blame_prosody() {
    let host = miniature(World::Sound); // without the kernel's table of connections
    let server = Server { account: Some(104), ..Server::local("meet.example") };
    let proof = run(&host, &server, &quick(&wanted(Era::Decode), host.now()));
    assert_eq!(proof.verdict, Verdict::Refused, "{proof:#?}");
    assert_eq!(proof.probes[0].outcome, ProbeOutcome::NotTested);
    let why = "no login was tested over http://127.0.0.1:5280/http-bind: cannot find out who listens on http://127.0.0.1:5280";
    assert!(proof.why.starts_with(why), "{}", proof.why);
}

#[test]
fn a_crash_on_a_bad_token_is_a_warning() {
    let proof = prove(World::CrashesOnGarbage, Era::Decode);
    assert_eq!(proof.verdict, Verdict::Full, "{proof:#?}");
    assert!(proof.warnings[0].contains("(malformed token)"), "{proof:#?}");
}

/// A server that accepts any issuer and answers `silent` from the second time on, and how often it was asked that. It
/// takes `pause` for the valid token.
fn late(silent: Trial, pause: Duration) -> (Proof, usize) {
    let host = FakeHost::new();
    let planned = plan(&wanted(Era::Bundled), host.now(), None);
    let token = |trial: Trial| {
        let probe = planned.iter().find(|probe| probe.trial == trial).unwrap();
        probe.token.as_ref().map(|token| token.reveal().to_owned())
    };
    let (silent, good) = (token(silent), token(Trial::Good));
    let rules = Rules { issuers: Some(vec!["app".to_owned()]), algorithm: Some(Algorithm::Hs256), ..Rules::default() };
    let (asked, now) = (Rc::new(Cell::new(0)), host.now());
    let count = Rc::clone(&asked);
    let host = host.serves(move |request| {
        let login = request.body.as_deref().unwrap_or_default().contains("<auth");
        let sent = request.url.split("token=").nth(1).map(percent::decode);
        if login && sent == good {
            std::thread::sleep(pause);
        }
        let late = login && sent == silent && count.replace(count.get() + 1) == 0;
        let inside = if late { String::new() } else { answer(World::AnyIssuer, request, &rules, now) };
        let body = format!("<body xmlns='http://jabber.org/protocol/httpbind' sid='s'>{inside}</body>");
        Ok(HttpResponse { status: 200, body, ..HttpResponse::default() })
    });
    (run(&host, &Server::local("meet.example"), &planned), asked.get())
}

#[test]
fn a_slow_answer_is_no_rejection() {
    let problem = |proof: &Proof| proof.problem.clone().unwrap_or_default();
    let (proof, asked) = late(Trial::WrongIssuer, Duration::from_millis(600));
    assert_eq!((problem(&proof).as_str(), asked), ("wrong-issuer-accepted", 2), "{proof:#?}");
    // A server that is quick with all others has crashed on this one.
    let (proof, asked) = late(Trial::WrongIssuer, Duration::ZERO);
    assert_eq!((proof.warnings.len(), asked), (1, 1), "{proof:#?}");
    let (proof, asked) = late(Trial::NoToken, Duration::ZERO);
    assert_eq!((proof.warnings.len(), asked), (0, 2), "{proof:#?}");
}

#[test]
fn rooms_only_jicofo_opens_give_a_partial_verdict() {
    for world in [World::OnlyJicofoOpens, World::NewRoomCheck] {
        let proof = prove(world, Era::Decode);
        assert_eq!(proof.verdict, Verdict::Partial, "{world:?}: {proof:#?}");
        assert!(proof.why.contains("works"), "{}", proof.why);
        assert!(proof.fix.unwrap().contains("then run `jitsi-tokens-setup verify`"));
    }
}

#[test]
fn each_outcome_has_the_servers_reason() {
    let seen = |world, id: &str| {
        let proof = prove(world, Era::Decode);
        let probe = proof.probes.iter().find(|probe| probe.id == id).expect("a line").clone();
        (probe.outcome, probe.reason, probe.ok)
    };
    let because = |reason: &str| Some(reason.to_owned());
    assert_eq!(seen(World::Sound, "valid-token"), (ProbeOutcome::Accepted, None, true));
    assert_eq!(seen(World::Sound, "wrong-room"), (ProbeOutcome::Refused, because("Room and token mismatched"), true));
    assert_eq!(
        seen(World::OnlyJicofoOpens, "right-room"),
        (ProbeOutcome::NotOpened, because("Room creation is restricted"), true)
    );
    assert_eq!(seen(World::CrashesOnGarbage, "malformed-token"), (ProbeOutcome::NoAnswer, None, true));
    assert_eq!(seen(World::Crashing, "valid-token"), (ProbeOutcome::NoAnswer, None, false));
}

#[test]
fn each_line_has_a_unique_id() {
    let wanted = Expectations {
        guests: Some("guest.meet.example".to_owned()),
        waits_for_host: true,
        allow_empty_token: true,
        moderators_by_token: true,
        domain_verification: true,
        ..wanted(Era::Bundled)
    };
    let now = FakeHost::new().now();
    let recorder = super::plan::recorder(&wanted, now, Password { user: "a".to_owned(), password: "b".to_owned() });
    let planned: Vec<PlannedProbe> = plan(&wanted, now, None).into_iter().chain([recorder]).collect();
    let logins = planned.iter().map(|probe| report::id(probe.trial));
    let rooms = planned.iter().flat_map(|probe| &probe.joins).map(|join| report::id(join.line));
    let ids: Vec<String> = logins.chain(rooms).collect();
    let different: HashSet<&String> = ids.iter().collect();
    assert_eq!(different.len(), ids.len(), "{ids:?}");
    assert!(ids.len() > 25, "{ids:?}");
}

#[test]
fn the_trials_follow_the_configuration() {
    let trials = |wanted: &Expectations| -> Vec<Trial> {
        plan(wanted, FakeHost::new().now(), None).iter().map(|probe| probe.trial).collect()
    };
    let decode = trials(&wanted(Era::Decode));
    assert_eq!(decode[0], Trial::Good);
    for absent in [Trial::WrongAudience, Trial::WrongDomain, Trial::OtherAlgorithm] {
        assert!(!decode.contains(&absent), "{absent}");
    }
    let mut strict = wanted(Era::Bundled);
    strict.accepted_audiences = vec!["my-app".to_owned()];
    for present in [Trial::WrongAudience, Trial::WrongDomain, Trial::OtherAlgorithm, Trial::WrongIssuer] {
        assert!(trials(&strict).contains(&present), "{present}");
    }
    let mut loose = wanted(Era::Bundled);
    loose.accepted_issuers = vec!["*".to_owned()];
    (loose.require_room, loose.domain_verification) = (false, false);
    for absent in [Trial::WrongIssuer, Trial::NoRoom, Trial::WrongDomain] {
        assert!(!trials(&loose).contains(&absent), "{absent}");
    }
    loose.allow_empty_token = true;
    let plan = plan(&loose, FakeHost::new().now(), None);
    assert!(plan.iter().any(|probe| probe.trial == Trial::NoToken && probe.accepted));
}

#[test]
fn allowed_anonymous_access_is_reported_as_open() {
    let host = miniature(World::Anonymous);
    let mut loose = wanted(Era::Decode);
    loose.allow_empty_token = true;
    let no_token = quick(&loose, host.now()).remove(1);
    let proof = run(&host, &Server::local("meet.example"), &[no_token]);
    assert!(proof.why.ends_with("OPEN: anyone can join without a token (allow_empty_token is on)"), "{}", proof.why);
}

#[test]
fn every_wrong_token_has_one_fault_and_expires_soon() {
    let mut wanted = wanted(Era::Bundled);
    wanted.accepted_audiences = vec!["my-app".to_owned()];
    wanted.accepted_issuers = vec!["first".to_owned(), "second".to_owned()];
    let now = FakeHost::new().now();
    let expect = Rules {
        issuers: Some(wanted.accepted_issuers.clone()),
        audiences: wanted.accepted_audiences.clone(),
        domain: Some(wanted.domain.clone()),
        rooms: token::Rooms::of_site(&wanted.domain),
        algorithm: Some(wanted.algorithm),
        ..Rules::default()
    };
    for probe in plan(&wanted, now, None) {
        let Some(token) = &probe.token else { continue };
        assert_eq!(format!("{token:?}"), "<redacted>");
        let see = |now| token::inspect(token.reveal().as_bytes(), Some(&wanted.app_secret), &expect, None, now);
        let fatal: Vec<String> = see(now).problems.into_iter().filter(|p| p.fatal).map(|p| p.text).collect();
        let allowed = match probe.trial {
            Trial::Good | Trial::EveryRoom => 0,
            _ => 1,
        };
        assert_eq!(fatal.len(), allowed, "{}: {fatal:?}", probe.trial);
        let later = now + std::time::Duration::from_secs(61);
        let outlives = see(later).valid() != Some(false);
        assert!(!outlives, "{} outlives its minute", probe.trial);
    }
}

#[test]
fn a_rerun_tries_few_logins_and_one_wrong_room() {
    let host = miniature(World::Sound);
    let planned = quick(&wanted(Era::Decode), host.now());
    let joins: HashMap<OtherLine, bool> = planned[0].joins.iter().map(|join| (join.line, join.enters)).collect();
    assert_eq!(joins, HashMap::from([(OtherLine::RightRoom, true), (OtherLine::WrongRoom, false)]));
    let proof = run(&host, &Server::local("meet.example"), &planned);
    assert_eq!((proof.verdict, proof.probes.len()), (Verdict::Full, 5));
}

#[test]
fn the_baseline_shows_whether_people_can_join() {
    let server = Server::local("meet.example");
    let host = miniature(World::Sound);
    let good = good_token(&wanted(Era::Decode), host.now());
    assert_eq!(baseline(&host, &server, Some(&good)).login, Login::Accepted);
    assert!(matches!(baseline(&host, &server, None).login, Login::Refused { .. }));
    assert_eq!(baseline(&miniature(World::Anonymous), &server, None).login, Login::Accepted);
}

#[test]
fn causes_of_failed_logins_are_distinguished() {
    let features = "<features/>";
    for (answers, words) in [
        (vec![features, "<failure><encryption-required/></failure>"], "requires encryption"),
        (vec![features, "<failure><invalid-mechanism/></failure>"], "the token plugin is not loaded"),
    ] {
        let rest = RefCell::new(answers.into_iter());
        let host = FakeHost::new().serves(move |_| {
            let inside = rest.borrow_mut().next().unwrap_or_default();
            let body = format!("<body xmlns='http://jabber.org/protocol/httpbind' sid='s'>{inside}</body>");
            Ok(HttpResponse { status: 200, body, ..HttpResponse::default() })
        });
        let proof = run(&host, &Server::local("meet.example"), &quick(&wanted(Era::Decode), host.now()));
        assert!(proof.why.contains(words), "{}", proof.why);
    }
    for (status, words) in [(404, "answers 404 for"), (502, "not served by Prosody")] {
        let host = FakeHost::new().serves(move |_| Ok(HttpResponse { status, ..HttpResponse::default() }));
        let proof = run(&host, &Server::local("meet.example"), &quick(&wanted(Era::Decode), host.now()));
        assert!(proof.why.contains(words), "{}", proof.why);
    }
}

#[test]
fn an_unreachable_key_source_is_a_warning() {
    let mut wanted = wanted(Era::Bundled);
    let mut warned = |silent: Option<&str>| {
        let source = KeySource { server: None, document: Some("https://id/jwks".to_owned()), kids: Vec::new() };
        wanted.foreign = Some(Foreign { source, known: false, silent: silent.map(str::to_owned) });
        let mut proof = verdict::nothing_tested();
        warn_if_unusable(&mut proof, &wanted);
        proof.warnings
    };
    assert!(warned(None).is_empty());
    let warnings = warned(Some("https://id/jwks: connection refused"));
    assert!(warnings[0].contains("(https://id/jwks: connection refused)"), "{warnings:?}");
}
