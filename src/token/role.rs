//! The role and features that a token's claims give its bearer in the room, as Jitsi's `token_affiliation` and its
//! features read them. None of this keeps anybody out, so nobody notices a misplaced claim before the meeting.

use serde_json::{Map, Value};

use super::plugin::FindingKind;

/// The features known to Jitsi's web page.
pub const FEATURES: [&str; 19] = [
    "branding",
    "calendar",
    "create-polls",
    "file-upload",
    "flip",
    "inbound-call",
    "list-visitors",
    "live-translation",
    "livestreaming",
    "lobby",
    "moderation",
    "outbound-call",
    "recording",
    "room",
    "screen-sharing",
    "send-groupchat",
    "sip-inbound-call",
    "sip-outbound-call",
    "transcription",
];

/// Affiliations that make the user an owner, which Jitsi calls a moderator.
const MODERATING: [&str; 3] = ["owner", "moderator", "teacher"];

/// A claim that does not do what its author probably intended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// What it is about.
    pub kind: FindingKind,
    /// The claim, as a dotted path.
    pub claim: &'static str,
    /// The explanation: one sentence without a period.
    pub text: String,
}

/// Claims about moderators and features that have no effect.
pub fn doubts(claims: &Map<String, Value>) -> Vec<Doubt> {
    let context = claims.get("context").unwrap_or(&Value::Null);
    let user = context.get("user").unwrap_or(&Value::Null);
    let mut doubts = Vec::new();
    let mut doubt = |kind, claim, text: String| doubts.push(Doubt { kind, claim, text });
    for (claim, value) in [
        ("moderator", claims.get("moderator")),
        ("affiliation", claims.get("affiliation")),
        ("context.moderator", context.get("moderator")),
        ("context.affiliation", context.get("affiliation")),
    ] {
        if value.is_some_and(means_something) {
            let place = claim.rsplit('.').next().unwrap_or(claim);
            let text = format!("\"{claim}\" has no effect: Jitsi reads context.user.{place}");
            doubt(FindingKind::Role, claim, text);
        }
    }
    if let Some(value) = user.get("moderator").filter(|value| means_something(value) && !is_on(value)) {
        let text = format!("\"context.user.moderator\" is {value}, which has no effect: use true");
        doubt(FindingKind::Role, "context.user.moderator", text);
    }
    if !user.get("moderator").is_some_and(is_on) {
        let said = user.get("affiliation").and_then(Value::as_str).and_then(affiliation_warning);
        if let Some(text) = said {
            doubt(FindingKind::Role, "context.user.affiliation", text);
        }
    }
    for (claim, value) in [("features", claims.get("features")), ("context.user.features", user.get("features"))] {
        if value.is_some() {
            let text = format!("\"{claim}\" has no effect: Jitsi reads context.features");
            doubt(FindingKind::Features, claim, text);
        }
    }
    if let Some(features) = context.get("features").and_then(Value::as_object) {
        let odd = |(_, value): &(&String, &Value)| !is_on(value) && !is_off(value);
        for (name, value) in features.iter().filter(odd) {
            let text = format!("the feature \"{name}\" is {value}, which turns it off: use true");
            doubt(FindingKind::Features, "context.features", text);
        }
    }
    doubts
}

/// A warning about an affiliation that sounds like a moderator's but is not.
pub fn affiliation_warning(affiliation: &str) -> Option<String> {
    (affiliation == "admin").then(|| {
        let last = MODERATING.len() - 1;
        let moderating = format!("{} and {}", MODERATING[..last].join(", "), MODERATING[last]);
        format!("the affiliation \"admin\" does not make a moderator: use {moderating}")
    })
}

fn is_on(value: &Value) -> bool {
    *value == true || value == "true"
}

fn is_off(value: &Value) -> bool {
    *value == false || value == "false"
}

fn means_something(value: &Value) -> bool {
    !value.is_null() && !is_off(value)
}

#[cfg(test)]
mod tests {
    use super::doubts;
    use serde_json::{Value, json};

    /// The claims that are reported.
    fn doubted(claims: Value) -> Vec<&'static str> {
        doubts(claims.as_object().unwrap()).into_iter().map(|doubt| doubt.claim).collect()
    }

    #[test]
    fn effective_claims_cause_no_warnings() {
        for user in [
            json!({"moderator": true, "affiliation": "owner"}),
            json!({"moderator": "true"}),
            json!({"moderator": false, "affiliation": "member"}),
            json!({"affiliation": "teacher"}),
            json!({"moderator": null}),
            json!({"moderator": true, "affiliation": "admin"}),
        ] {
            let features = json!({"recording": true, "flip": "false", "livestreaming": "true"});
            let claims = json!({"room": "tea", "moderator": false, "context": {"user": user, "features": features}});
            assert!(doubted(claims.clone()).is_empty(), "{claims}");
        }
        assert!(doubted(json!({"context": "text"})).is_empty());
        assert!(doubted(json!({})).is_empty());
    }

    #[test]
    fn misplaced_and_mistyped_claims_are_reported() {
        assert_eq!(doubted(json!({"moderator": true})), ["moderator"]);
        assert_eq!(doubted(json!({"affiliation": "owner"})), ["affiliation"]);
        assert_eq!(doubted(json!({"context": {"moderator": true}})), ["context.moderator"]);
        assert_eq!(doubted(json!({"context": {"affiliation": "owner"}})), ["context.affiliation"]);
        assert_eq!(doubted(json!({"context": {"user": {"moderator": 1}}})), ["context.user.moderator"]);
        assert_eq!(doubted(json!({"context": {"user": {"moderator": "yes"}}})), ["context.user.moderator"]);
        assert_eq!(doubted(json!({"context": {"user": {"affiliation": "admin"}}})), ["context.user.affiliation"]);
        assert_eq!(doubted(json!({"features": {"recording": true}})), ["features"]);
        assert_eq!(doubted(json!({"context": {"user": {"features": {}}}})), ["context.user.features"]);
        assert_eq!(doubted(json!({"context": {"features": {"recording": 1}}})), ["context.features"]);
    }
}
