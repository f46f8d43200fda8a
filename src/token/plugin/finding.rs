//! What a server answers to a token, and why: typed, so nobody has to search sentences for words.

use schemars::JsonSchema;
use serde::Serialize;

/// What a problem is about; the advice depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// Extra characters around the token or inside it.
    Surroundings,
    /// Not a token: its parts, base64 or JSON are invalid.
    Format,
    /// No token was given.
    Missing,
    /// The header's `typ`.
    Type,
    /// The header's `alg`.
    Algorithm,
    /// The header's `kid`, or the key that it names.
    Key,
    /// The signature.
    Signature,
    /// It has expired.
    Expired,
    /// It is not valid yet.
    NotYetValid,
    /// A time that is not a number, or implausible.
    Time,
    /// `iss`.
    Issuer,
    /// `aud`.
    Audience,
    /// `room` is missing or cannot be compared.
    Room,
    /// `room` names another room.
    OtherRoom,
    /// `room` is a pattern that does not match, or is not one.
    Pattern,
    /// `sub`.
    Subject,
    /// `context.tenant`.
    Tenant,
    /// Something in `context`.
    Context,
    /// A claim about moderators.
    Role,
    /// A claim about features.
    Features,
    /// The server's own configuration.
    Server,
}

impl FindingKind {
    /// What a server means by rejecting a login with these words: the plugins have a sentence for each check.
    pub fn from_refusal(said: &str) -> Option<Self> {
        const SAID: [(FindingKind, &[&str]); 9] = [
            (FindingKind::Signature, &["Invalid signature"]),
            (FindingKind::Issuer, &["'iss' claim is missing", "invalid 'iss' claim", "Invalid issuer ('iss' claim)"]),
            (
                FindingKind::Audience,
                &["'aud' claim is missing", "invalid 'aud' claim", "Invalid audience ('aud' claim)"],
            ),
            (FindingKind::Room, &["'room' claim is missing", "room claim is missing"]),
            (FindingKind::Subject, &["sub claim is missing"]),
            (
                FindingKind::Algorithm,
                &["Invalid or incorrect alg", "Invalid alg", "Algorithm not supported", "'alg' claim is missing"],
            ),
            (
                FindingKind::Key,
                &[
                    "'kid' claim is missing",
                    "'kid' claim only support with RS family",
                    "could not obtain public key",
                    "signature verification key is missing",
                ],
            ),
            (FindingKind::NotYetValid, &["Not acceptable by nbf"]),
            (FindingKind::Missing, &["token required"]),
        ];
        if said.starts_with("Not acceptable by exp") {
            return Some(Self::Expired);
        }
        let known = SAID.iter().find(|(_, sentences)| sentences.contains(&said));
        known.map(|(kind, _)| *kind)
    }
}

/// What a server does with a token because of a problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Consequence {
    /// It rejects the token, with these words.
    Refused(String),
    /// The plugin crashes, or ends the connection: nobody gets an answer.
    NoAnswer,
    /// It cannot be predicted.
    Unknown,
    /// Nothing, but worth knowing.
    Odd,
}

/// When a problem matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// At the login.
    Login,
    /// When a room is entered.
    Room,
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// When it is noticed.
    pub stage: Stage,
    /// Its consequence.
    pub effect: Consequence,
    /// What it is about.
    pub kind: FindingKind,
    /// The claim or field at fault, such as `context.room`; `None` if it is not about one.
    pub claim: Option<&'static str>,
    /// The explanation: one sentence without a period.
    pub text: String,
}

/// What a server answers.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Answer {
    /// Yes.
    Accepted,
    /// No.
    Refused {
        /// No, with this message; some messages contain the current time.
        #[serde(rename = "reason")]
        said: String,
    },
    /// No answer: the plugin crashes, and nobody gets in.
    #[serde(rename = "no-answer")]
    Silence,
    /// Unknown.
    Unknown,
}

impl Answer {
    /// The answer at a stage: the first problem there decides.
    pub(super) fn at(stage: Stage, findings: &[Finding]) -> Self {
        let decides = |finding: &&Finding| finding.stage == stage && finding.effect != Consequence::Odd;
        match findings.iter().find(decides).map(|found| &found.effect) {
            None | Some(Consequence::Odd) => Self::Accepted,
            Some(Consequence::Refused(said)) => Self::Refused { said: said.clone() },
            Some(Consequence::NoAnswer) => Self::Silence,
            Some(Consequence::Unknown) => Self::Unknown,
        }
    }
}
