//! Two transports together, and one user's token.

use super::*;
use crate::login::Transport;
use crate::probe::{explain, over_each};

#[test]
fn two_transports_make_one_proof_and_the_worse_one_gives_the_verdict() {
    let host = miniature(World::Sound);
    let bosh = Server::local("meet.example");
    let socket = Server {
        transport: Transport::WebSocket,
        ..bosh.clone()
    };
    let planned = || quick(&wanted(Era::Decode), host.now());
    // The miniature has no WebSocket: nobody listens there.
    let proof = over_each(&host, &[bosh.clone(), socket], planned);
    assert_eq!(proof.verdict, Verdict::Refused);
    assert!(
        proof
            .why
            .starts_with("over WebSocket: nobody listens at ws://"),
        "{}",
        proof.why
    );
    let carried: Vec<&str> = proof
        .probes
        .iter()
        .map(|probe| probe.transport.as_str())
        .collect();
    assert_eq!(carried, ["BOSH", "BOSH", "BOSH", "BOSH", "WebSocket"]);
    let alike = over_each(&host, &[bosh.clone(), bosh], planned);
    assert_eq!(alike.verdict, Verdict::Full);
    assert!(alike.why.ends_with("over BOSH and BOSH"), "{}", alike.why);
}

fn explained(token: &str, room: Option<&str>, domain_verification: bool) -> Proof {
    let host = miniature(World::Sound);
    let wanted = Expectations {
        domain_verification,
        ..wanted(Era::Bundled)
    };
    let token = Secret::unlisted(token);
    let rules = token::Rules {
        issuers: Some(wanted.accepted_issuers.clone()),
        domain_verification,
        domain: Some(wanted.domain.clone()),
        rooms: token::Rooms::of_site(&wanted.domain),
        algorithm: Some(wanted.algorithm),
        ..token::Rules::default()
    };
    let server = Server::local("meet.example");
    explain(&host, &server, &wanted, &rules, &token, room)
}

fn token_with(change: impl Fn(&mut crate::token::Claims)) -> String {
    let mut claims = crate::token::Claims {
        audience: "jitsi".to_owned(),
        issuer: "app".to_owned(),
        subject: "meet.example".to_owned(),
        room: Some("tea".to_owned()),
        ..Default::default()
    };
    change(&mut claims);
    let secret = Secret::unlisted("the-app-secret");
    token::sign(
        &token::Header::new(Algorithm::Hs256),
        &claims.to_map(),
        &secret,
    )
}

#[test]
fn one_users_token_is_explained() {
    let good = explained(&token_with(|_| ()), None, true);
    assert_eq!(good.verdict, Verdict::Full, "{good:#?}");
    assert!(good.why.ends_with("it opens the room tea"), "{}", good.why);

    let other_room = explained(&token_with(|_| ()), Some("coffee"), true);
    assert_eq!(other_room.verdict, Verdict::Refused);
    assert!(
        other_room.why.contains("for another room"),
        "{}",
        other_room.why
    );
    assert!(other_room.next.unwrap().contains("room = \"coffee\""));

    let issuer = explained(
        &token_with(|claims| claims.issuer = "x".to_owned()),
        None,
        true,
    );
    assert!(issuer.why.contains("wrong issuer"), "{}", issuer.why);
    assert!(issuer.next.unwrap().contains("write iss = \"app\""));

    let past = explained(
        &token_with(|claims| claims.expires_at = Some(1)),
        None,
        true,
    );
    assert!(past.why.contains("expired"), "{}", past.why);
    assert!(past.next.unwrap().contains("have a new token made"));
}
