//! Turns header, claims and key into a signed token.

use anyhow::Result;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::algorithm::Algorithm;
use super::key::SigningKey;
use crate::host::secret::Secret;

/// The first part of a token.
#[derive(Clone, Debug, Default)]
pub struct Header {
    /// The signature algorithm.
    pub algorithm: Algorithm,
    /// Further fields (`kid`); `typ` and `alg` cannot be replaced.
    pub extra: Map<String, Value>,
}

impl Header {
    /// A header with only type and algorithm.
    pub fn new(algorithm: Algorithm) -> Self {
        Self { algorithm, extra: Map::new() }
    }

    /// The fields as written. `typ` is always included: newer plugins reject a token without it.
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

/// Signs any number of tokens with one header and one key: what they share is computed once.
pub struct Signer {
    header: String,
    algorithm: Algorithm,
    key: SigningKey,
}

impl Signer {
    /// A signer for this header and key.
    pub fn new(header: &Header, key: SigningKey) -> Self {
        Self { header: part(&header.fields()), algorithm: header.algorithm, key }
    }

    /// Appends the token with these claims to `out`. `scratch` is a reusable buffer for the signature.
    pub fn append(&self, claims: &[u8], out: &mut Vec<u8>, scratch: &mut Vec<u8>) -> Result<()> {
        let start = out.len();
        out.extend_from_slice(self.header.as_bytes());
        out.push(b'.');
        encode(claims, out);
        self.key.sign(self.algorithm, &out[start..], scratch)?;
        out.push(b'.');
        encode(scratch, out);
        Ok(())
    }
}

/// Appends `bytes` in base64url.
fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + bytes.len() * 4 / 3 + 4, 0);
    // The `resize` above makes enough room.
    let length = URL_SAFE_NO_PAD.encode_slice(bytes, &mut out[start..]).unwrap_or_default();
    out.truncate(start + length);
}

/// A token signed with a shared secret. If the header names another family of algorithms, the signature is still an
/// HMAC, as a forger would try.
pub fn sign(header: &Header, claims: &Map<String, Value>, secret: &Secret) -> String {
    let signed = format!("{}.{}", part(&header.fields()), part(claims));
    let key = ring::hmac::Key::new(header.algorithm.hmac(), secret.reveal().as_bytes());
    let signature = ring::hmac::sign(&key, signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// A token signed with a key.
///
/// # Errors
/// If the system provides no random numbers.
pub fn sign_with(header: &Header, claims: &Map<String, Value>, key: &SigningKey) -> Result<String> {
    let signed = format!("{}.{}", part(&header.fields()), part(claims));
    let mut signature = Vec::new();
    key.sign(header.algorithm, signed.as_bytes(), &mut signature)?;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// A JSON object as a part of a token: base64url without padding.
pub fn part(fields: &Map<String, Value>) -> String {
    // A map with string keys always has a JSON form, and `Value`'s `Display` is that form.
    URL_SAFE_NO_PAD.encode(Value::Object(fields.clone()).to_string())
}

#[cfg(test)]
mod tests;
