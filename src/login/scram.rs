//! Logging in with a name and a password, as recorders do: SASL SCRAM (RFC 5802), which Prosody offers wherever it keeps
//! accounts. The server never gets the password.

use std::num::NonZeroU32;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac, pbkdf2};

use super::session::{Session, Trouble};
use super::stanza::Element;
use super::{Login, refusal};

const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";

/// The most iterations that a server may demand: Prosody's own number is 10,000.
const MAX_ROUNDS: u32 = 100_000;

struct Scram {
    name: &'static str,
    digest: &'static digest::Algorithm,
    hmac: hmac::Algorithm,
    derivation: pbkdf2::Algorithm,
}

impl Scram {
    /// The best mechanism on offer. Which ones there are depends on Prosody's `password_hash`.
    fn offered(offered: &[String]) -> Option<Self> {
        let all = [
            Self {
                name: "SCRAM-SHA-256",
                digest: &digest::SHA256,
                hmac: hmac::HMAC_SHA256,
                derivation: pbkdf2::PBKDF2_HMAC_SHA256,
            },
            Self {
                name: "SCRAM-SHA-1",
                digest: &digest::SHA1_FOR_LEGACY_USE_ONLY,
                hmac: hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
                derivation: pbkdf2::PBKDF2_HMAC_SHA1,
            },
        ];
        all.into_iter().find(|scram| offered.iter().any(|name| name == scram.name))
    }

    /// The client's proof for these messages (RFC 5802, section 3).
    fn proof(&self, password: &str, salt: &[u8], rounds: NonZeroU32, messages: &str) -> Vec<u8> {
        let mut salted = vec![0; self.digest.output_len()];
        pbkdf2::derive(self.derivation, rounds, salt, password.as_bytes(), &mut salted);
        let sign = |key: &[u8], text: &[u8]| hmac::sign(&hmac::Key::new(self.hmac, key), text);
        let client = sign(&salted, b"Client Key");
        let stored = digest::digest(self.digest, client.as_ref());
        let signature = sign(stored.as_ref(), messages.as_bytes());
        client.as_ref().iter().zip(signature.as_ref()).map(|(key, byte)| key ^ byte).collect()
    }
}

/// The server's challenge.
struct Challenge {
    nonce: String,
    salt: Vec<u8>,
    rounds: NonZeroU32,
}

impl Challenge {
    /// `None` if it is not a challenge, does not answer this nonce, or demands too many iterations.
    fn read(text: &str, own: &str) -> Option<Self> {
        let field = |name: char| text.split(',').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
        let rounds = field('i')?.parse().ok().filter(|rounds: &NonZeroU32| rounds.get() <= MAX_ROUNDS)?;
        let nonce = field('r').filter(|nonce| nonce.starts_with(own))?.to_owned();
        Some(Self { nonce, salt: STANDARD.decode(field('s')?).ok()?, rounds })
    }
}

/// Logs in as `user`, a name of ASCII letters, digits and hyphens. `offered` are the server's mechanisms.
pub(super) fn authenticate(
    session: &mut Session,
    offered: &[String],
    user: &str,
    password: &str,
) -> Result<Login, Trouble> {
    let Some(scram) = Scram::offered(offered) else {
        return Ok(Login::NoMechanism { offered: offered.to_vec() });
    };
    let own = format!("{:032x}", rand::random::<u128>());
    let first = format!("n={user},r={own}");
    let auth =
        format!("<auth xmlns='{SASL}' mechanism='{}'>{}</auth>", scram.name, STANDARD.encode(format!("n,,{first}")));
    let said = match session.ask(&[auth], challenge_or_end)? {
        Ok(said) => said,
        Err(end) => return Ok(end),
    };
    let Some(challenge) = Challenge::read(&said, &own) else {
        return Err(Trouble::Ended("a challenge that is not SCRAM's".to_owned()));
    };
    // The channel binding: none ("n,,").
    let last = format!("c=biws,r={}", challenge.nonce);
    let messages = format!("{first},{said},{last}");
    let proof = scram.proof(password, &challenge.salt, challenge.rounds, &messages);
    let text = STANDARD.encode(format!("{last},p={}", STANDARD.encode(proof)));
    let response = format!("<response xmlns='{SASL}'>{text}</response>");
    session.ask(&[response], |element| challenge_or_end(element)?.err())
}

/// A challenge's text, or how the login ended.
fn challenge_or_end(element: &Element) -> Option<Result<String, Login>> {
    match element.name.as_str() {
        "challenge" => {
            let text = STANDARD.decode(element.text.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            Some(Ok(text.unwrap_or_default()))
        }
        "success" => Some(Err(Login::Accepted)),
        "failure" => Some(Err(refusal(element))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The conversations that RFC 5802 and RFC 7677 give as examples.
    #[test]
    fn proofs_match_the_rfc_examples() {
        for (name, first, said, last, proof) in [
            (
                "SCRAM-SHA-1",
                "n=user,r=fyko+d2lbbFgONRv9qkxdawL",
                "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
                "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j",
                "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
            ),
            (
                "SCRAM-SHA-256",
                "n=user,r=rOprNGfwEbeRWgbNEkqO",
                "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
                "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
                "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
            ),
        ] {
            let own = first.split_once("r=").unwrap().1;
            let challenge = Challenge::read(said, own).unwrap();
            let scram = Scram::offered(&["PLAIN".to_owned(), name.to_owned()]).unwrap();
            let messages = format!("{first},{said},{last}");
            let made = scram.proof("pencil", &challenge.salt, challenge.rounds, &messages);
            assert_eq!((STANDARD.encode(made).as_str(), scram.name), (proof, name));
        }
    }

    #[test]
    fn excessive_and_mismatched_challenges_are_rejected() {
        assert!(Challenge::read("r=ab,s=QUJD,i=100000", "a").is_some());
        for bad in ["r=ab,s=QUJD,i=100001", "r=ab,s=QUJD,i=0", "r=bb,s=QUJD,i=10", "r=ab,s=?,i=10", "s=QUJD,i=10", ""] {
            assert!(Challenge::read(bad, "a").is_none(), "{bad}");
        }
    }

    #[test]
    fn only_scram_mechanisms_are_chosen() {
        assert!(Scram::offered(&["PLAIN".to_owned(), "ANONYMOUS".to_owned()]).is_none());
    }
}
