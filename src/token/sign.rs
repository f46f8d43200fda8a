//! Header, claims and key to a signed token. Only shared secrets (HMAC) so far: a key pair becomes another kind of
//! [`Signer`], so whoever makes tokens does not change.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use serde_json::{Map, Value};
use sha2::{Sha256, Sha384, Sha512};

use crate::secret::Secret;

/// How a token is signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC with SHA-256: what every Jitsi takes.
    #[default]
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Hs256, Self::Hs384, Self::Hs512];

    /// The name, as the header's `alg` has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
        }
    }

    /// The algorithm with this name, in capitals as the standard has it.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }

    /// Whether `signature` is the one that `key` gives for `signed`. Takes the same time for every wrong one.
    pub fn accepts(self, key: &[u8], signed: &[u8], signature: &[u8]) -> bool {
        Keyed::new(self, key).accepts(signed, signature)
    }
}

/// The first part of a token.
#[derive(Clone, Debug, Default)]
pub struct Header {
    /// How the token is signed.
    pub algorithm: Algorithm,
    /// More fields (`kid`); `typ` and `alg` cannot be replaced.
    pub extra: Map<String, Value>,
}

impl Header {
    /// A header with nothing but type and algorithm.
    pub fn new(algorithm: Algorithm) -> Self {
        Self {
            algorithm,
            extra: Map::new(),
        }
    }

    /// The fields as written. `typ` is always there: newer plugins refuse a token without it.
    pub fn fields(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        fields.insert("typ".to_owned(), "JWT".into());
        fields.insert("alg".to_owned(), self.algorithm.name().into());
        for (name, value) in &self.extra {
            fields.entry(name.clone()).or_insert_with(|| value.clone());
        }
        fields
    }
}

/// Signs any number of tokens with one header and one secret: what they share is computed once.
pub struct Signer {
    header: String,
    keyed: Keyed,
}

impl Signer {
    /// A signer for this header and secret.
    pub fn new(header: &Header, secret: &Secret) -> Self {
        Self {
            header: part(&header.fields()),
            keyed: Keyed::new(header.algorithm, secret.reveal().as_bytes()),
        }
    }

    /// The token with these claims.
    pub fn sign(&self, claims: &Map<String, Value>) -> String {
        self.sign_json(json(claims).as_bytes())
    }

    /// The token whose claims are this JSON object, as it stands.
    pub fn sign_json(&self, claims: &[u8]) -> String {
        let mut token = String::with_capacity(self.header.len() + claims.len() * 4 / 3 + 96);
        token.push_str(&self.header);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let signature = self.keyed.sign(token.as_bytes());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        token
    }
}

/// One signed token.
pub fn sign(header: &Header, claims: &Map<String, Value>, secret: &Secret) -> String {
    Signer::new(header, secret).sign(claims)
}

/// A JSON object as a part of a token stands: base64url without padding.
pub fn part(fields: &Map<String, Value>) -> String {
    URL_SAFE_NO_PAD.encode(json(fields))
}

fn json(fields: &Map<String, Value>) -> String {
    // A map with text keys always has a JSON form, and `Value`'s display is that form.
    Value::Object(fields.clone()).to_string()
}

/// An HMAC that has taken in its key.
#[derive(Clone)]
enum Keyed {
    Hs256(Hmac<Sha256>),
    Hs384(Hmac<Sha384>),
    Hs512(Hmac<Sha512>),
}

impl Keyed {
    fn new(algorithm: Algorithm, key: &[u8]) -> Self {
        const ANY: &str = "HMAC takes a key of any length";
        match algorithm {
            Algorithm::Hs256 => Self::Hs256(Mac::new_from_slice(key).expect(ANY)),
            Algorithm::Hs384 => Self::Hs384(Mac::new_from_slice(key).expect(ANY)),
            Algorithm::Hs512 => Self::Hs512(Mac::new_from_slice(key).expect(ANY)),
        }
    }

    fn sign(&self, signed: &[u8]) -> Vec<u8> {
        match self {
            Self::Hs256(mac) => mac
                .clone()
                .chain_update(signed)
                .finalize()
                .into_bytes()
                .to_vec(),
            Self::Hs384(mac) => mac
                .clone()
                .chain_update(signed)
                .finalize()
                .into_bytes()
                .to_vec(),
            Self::Hs512(mac) => mac
                .clone()
                .chain_update(signed)
                .finalize()
                .into_bytes()
                .to_vec(),
        }
    }

    fn accepts(&self, signed: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Hs256(mac) => mac.clone().chain_update(signed).verify_slice(signature),
            Self::Hs384(mac) => mac.clone().chain_update(signed).verify_slice(signature),
            Self::Hs512(mac) => mac.clone().chain_update(signed).verify_slice(signature),
        }
        .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::{Algorithm, Header, sign};
    use crate::secret::Secret;
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::{Map, Value, json};

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn the_example_of_rfc_7515_a1_verifies() {
        let key = URL_SAFE_NO_PAD
            .decode("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
            .unwrap();
        let signed = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.\
                      eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let signature = URL_SAFE_NO_PAD
            .decode("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
            .unwrap();
        assert!(Algorithm::Hs256.accepts(&key, signed.as_bytes(), &signature));
        assert!(!Algorithm::Hs256.accepts(&key, &signed.as_bytes()[1..], &signature));
        assert!(!Algorithm::Hs384.accepts(&key, signed.as_bytes(), &signature));
    }

    #[test]
    fn a_token_equals_the_one_that_pyjwt_makes() {
        // jwt.encode({"aud":"jitsi","iss":"app","room":"*"}, SECRET, ALG, sort_headers=False), PyJWT 2.15.1
        let claims = object(json!({"aud": "jitsi", "iss": "app", "room": "*"}));
        let secret =
            Secret::unlisted("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
        for (algorithm, signature) in PYJWT {
            let header = Header::new(*algorithm);
            let token = sign(&header, &claims, &secret);
            assert_eq!(token, *signature);
        }
    }

    const PYJWT: &[(Algorithm, &str)] = &[
        (
            Algorithm::Hs256,
            "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.eyJhdWQiOiJqaXRzaSIsImlzcyI6ImFwcCIsInJvb20iOiIqIn0.XVqZqdpLXOGvyEXCwtF3iUGN2VE7VHGlaQBlyp_z-9Q",
        ),
        (
            Algorithm::Hs384,
            "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzM4NCJ9.eyJhdWQiOiJqaXRzaSIsImlzcyI6ImFwcCIsInJvb20iOiIqIn0.KkfXpbLe8a6nm9MDqXEEbK_KyNbfpKVtAHGKZiGbN32Y5b5kscKPKcFzi9WV6_Gt",
        ),
        (
            Algorithm::Hs512,
            "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzUxMiJ9.eyJhdWQiOiJqaXRzaSIsImlzcyI6ImFwcCIsInJvb20iOiIqIn0.xAqataTCDNffEGk0IbMbeI86GKGZLSXuXBg88vCf3Fyxr7yvlYg4Lwox3gqihmeSyIns9QJfcC27q8ewRoJBHQ",
        ),
    ];

    #[test]
    fn extra_fields_cannot_replace_type_and_algorithm() {
        let mut header = Header::new(Algorithm::Hs512);
        header.extra = object(json!({"kid": "one", "alg": "none"}));
        assert_eq!(
            Value::Object(header.fields()).to_string(),
            r#"{"typ":"JWT","alg":"HS512","kid":"one"}"#
        );
    }
}
