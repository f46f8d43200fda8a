//! The key that a proof signs with if the server checks tokens with public keys, whose private halves must not be on
//! it. It is created for one run of this program and stays in its memory. Our module accepts its public half for some
//! minutes, from a file in /run that is removed when the run ends; if the run is killed, nobody has the private half
//! any more.

use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::host::command::Command;
use crate::host::secret::Secret;
use crate::host::{Access, AccessList, ChangedMeanwhile, Expected, FileText, Host};
use crate::site::token_keys::AcceptedKey;
use crate::token::sign::sign_with;
use crate::token::{Algorithm, Claims, Header, SigningKey, times};

/// Where our module looks for the keys.
pub const PATH: &str = "/run/jitsi-tokens-setup.proof-keys.json";

/// For how many seconds a key is accepted: longer than the slowest proof, shorter than our module allows.
const LASTS: i64 = 480;

/// How many times the file is tried while another run writes it.
const TRIES: usize = 20;

/// Size of a new key: the smallest that is safe, because larger ones take seconds to generate.
const BITS: &str = "rsa_keygen_bits:2048";

/// A key, and a wrong one with the same name.
pub struct ProofKey {
    /// Its name (`kid`).
    kid: String,
    /// The private key.
    key: SigningKey,
    /// The key that nobody accepts, once it is needed.
    wrong: OnceLock<SigningKey>,
    /// The public half, as PEM.
    pem: String,
}

impl std::fmt::Debug for ProofKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.kid)
    }
}

/// A private RSA key of 2048 bits, in PEM form.
///
/// # Errors
/// If openssl is missing or fails.
pub fn generate(host: &dyn Host) -> Result<Secret> {
    let make = Command::query("openssl").args(["genpkey", "-algorithm", "RSA", "-pkeyopt", BITS]);
    let made = host.run(&make.volatile().timeout(Duration::from_secs(60)));
    let made = made.context("cannot create a key pair; openssl is required: apt-get install openssl")?;
    if !made.ok() {
        bail!("openssl could not create a key: {}", made.stderr.lines().last().unwrap_or("no error message"));
    }
    Ok(Secret::unlisted(made.stdout))
}

impl ProofKey {
    /// Generates a key.
    ///
    /// # Errors
    /// As [`generate`].
    pub fn new(host: &dyn Host) -> Result<Self> {
        let key = SigningKey::from_pem(&generate(host)?)?;
        let public = key.rsa_public().context("openssl made a key of another kind")?;
        Ok(Self {
            kid: format!("jts-proof-{}", public.thumbprint()),
            key,
            wrong: OnceLock::new(),
            pem: public.to_pem(),
        })
    }

    /// Generates a key with the name and public half of somebody else's. What it signs must be rejected.
    ///
    /// # Errors
    /// As [`generate`].
    pub fn posing_as(host: &dyn Host, kid: &str, pem: &str) -> Result<Self> {
        let key = SigningKey::from_pem(&generate(host)?)?;
        Ok(Self { kid: kid.to_owned(), key, wrong: OnceLock::new(), pem: pem.to_owned() })
    }

    /// A token signed with this key: a good one, or one with another algorithm.
    pub fn token(&self, algorithm: Algorithm, claims: &Claims) -> Secret {
        self.signed(algorithm, Some(&self.kid), claims, &self.key)
    }

    /// A token that names another key, or none.
    pub fn token_of(&self, kid: Option<&str>, claims: &Claims) -> Secret {
        self.signed(Algorithm::Rs256, kid, claims, &self.key)
    }

    /// Generates the key that nobody accepts, for [`Self::wrong_token`].
    ///
    /// # Errors
    /// As [`generate`].
    pub fn with_wrong(&self, host: &dyn Host) -> Result<()> {
        if self.wrong.get().is_none() {
            // If another caller was faster, its key is as good.
            drop(self.wrong.set(SigningKey::from_pem(&generate(host)?)?));
        }
        Ok(())
    }

    /// A token signed with the wrong key.
    pub fn wrong_token(&self, claims: &Claims) -> Secret {
        self.signed(Algorithm::Rs256, Some(&self.kid), claims, self.wrong.get().unwrap_or(&self.key))
    }

    /// The header of a token that names this key, whatever its algorithm.
    pub fn header(&self, algorithm: Algorithm) -> Header {
        header(algorithm, Some(&self.kid))
    }

    /// The public half, as anybody may have it.
    pub fn public(&self) -> Secret {
        Secret::unlisted(self.pem.clone())
    }

    fn signed(&self, algorithm: Algorithm, kid: Option<&str>, claims: &Claims, key: &SigningKey) -> Secret {
        // Without random numbers there is no signature; such a token is rejected, which the proof then reports.
        Secret::unlisted(sign_with(&header(algorithm, kid), &claims.to_map(), key).unwrap_or_default())
    }
}

fn header(algorithm: Algorithm, kid: Option<&str>) -> Header {
    let mut header = Header::new(algorithm);
    header.extra.extend(kid.map(|kid| ("kid".to_owned(), kid.into())));
    header
}

#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
struct Listed {
    keys: Vec<Entry>,
}

#[derive(Deserialize, Serialize)]
struct Entry {
    #[serde(flatten)]
    key: AcceptedKey,
    until: i64,
}

/// A key that the server accepts while this value lives, and some minutes longer if the program is killed.
pub struct Published<'a> {
    host: &'a dyn Host,
    kid: String,
}

impl<'a> Published<'a> {
    /// Has the server accept the key.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn new(host: &'a dyn Host, key: &ProofKey) -> Result<Self> {
        let new = || Entry {
            key: AcceptedKey { kid: key.kid.clone(), pem: key.pem.clone() },
            until: times::unix(host.now()) + LASTS,
        };
        edit(host, |keys| keys.push(new()))?;
        Ok(Self { host, kid: key.kid.clone() })
    }
}

impl Drop for Published<'_> {
    fn drop(&mut self) {
        // If this fails, the key expires by itself.
        drop(edit(self.host, |keys| keys.retain(|entry| entry.key.kid != self.kid)));
    }
}

/// Removes the file, with what killed runs left in it.
///
/// # Errors
/// If the file cannot be removed.
pub fn forget(host: &dyn Host) -> Result<()> {
    host.clear(Path::new(PATH), &|_| true)?;
    host.remove(Path::new(PATH))
}

/// Changes the list, alongside other runs. Keys that have expired are removed, and an empty list with its file.
fn edit(host: &dyn Host, change: impl Fn(&mut Vec<Entry>)) -> Result<()> {
    let path = Path::new(PATH);
    for _ in 0..TRIES {
        let seen = host.read(path)?;
        let mut listed: Listed = seen.as_deref().and_then(|seen| serde_json::from_slice(seen).ok()).unwrap_or_default();
        let now = times::unix(host.now());
        listed.keys.retain(|entry| entry.until > now);
        change(&mut listed.keys);
        if listed.keys.is_empty() {
            return forget(host);
        }
        let expected = seen.as_deref().map_or(Expected::Nothing, Expected::Bytes);
        let bytes = &*serde_json::to_vec(&listed)?;
        // The keys are public, and Prosody reads the file as its own user.
        let text =
            FileText { bytes, access: Access::root(0o644), list: AccessList::Fitting, expected, by_owner: false };
        match host.replace(path, &text) {
            Err(error) if error.is::<ChangedMeanwhile>() => std::thread::sleep(Duration::from_millis(20)),
            done => return done,
        }
    }
    bail!("{PATH} keeps changing; try again")
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;
    use crate::host::fake::FakeHost;

    fn entry(kid: &str, until: i64) -> Entry {
        Entry { key: AcceptedKey { kid: kid.to_owned(), pem: "P".to_owned() }, until }
    }

    #[test]
    fn the_public_key_accepts_only_its_signatures() {
        let host = crate::host::system::System::new(&crate::host::child::Silent);
        if std::process::Command::new("openssl").arg("version").output().is_err() {
            return;
        }
        let key = ProofKey::new(&host).unwrap();
        key.with_wrong(&host).unwrap();
        let public = crate::token::PublicKey::from_pem(&key.public()).unwrap();
        let accepted = |token: &Secret| {
            let (signed, signature) = token.reveal().rsplit_once('.').unwrap();
            let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
            public.accepts(Algorithm::Rs256, signed.as_bytes(), &signature)
        };
        let claims = Claims::default();
        assert!(accepted(&key.token(Algorithm::Rs256, &claims)));
        assert!(accepted(&key.token_of(None, &claims)), "only the name is missing");
        assert!(!accepted(&key.token(Algorithm::Rs512, &claims)));
        assert!(!accepted(&key.wrong_token(&claims)));
        assert!(key.kid.starts_with("jts-proof-") && !format!("{key:?}").contains("PRIVATE"));
    }

    #[test]
    fn expired_keys_go_and_other_runs_keys_stay() {
        let host = FakeHost::new();
        let now = times::unix(host.now());
        let kids = || -> Vec<String> {
            let text = host.read(Path::new(PATH)).unwrap().unwrap_or_default();
            let listed: Listed = serde_json::from_slice(&text).unwrap_or_default();
            listed.keys.into_iter().map(|entry| entry.key.kid).collect()
        };
        edit(&host, |keys| keys.extend([entry("other", now + 9), entry("gone", now + 1)])).unwrap();
        host.wait(2);
        edit(&host, |keys| keys.push(entry("ours", now + 9))).unwrap();
        assert_eq!(kids(), ["other", "ours"]);
        drop(Published { host: &host, kid: "ours".to_owned() });
        assert_eq!(kids(), ["other"]);
        host.wait(20);
        edit(&host, |_| {}).unwrap();
        assert!(host.read(Path::new(PATH)).unwrap().is_none());
    }

    #[test]
    fn a_concurrently_written_key_is_not_lost() {
        let now = times::unix(FakeHost::new().now());
        let other = serde_json::to_vec(&Listed { keys: vec![entry("other", now + 9)] }).unwrap();
        let host = FakeHost::new()
            .file(PATH, serde_json::to_vec(&Listed { keys: vec![entry("first", now + 9)] }).unwrap())
            .meddled(move |attempt, _| (attempt == 1).then(|| other.clone()));
        edit(&host, |keys| keys.push(entry("ours", now + 9))).unwrap();
        let text = host.read_text(Path::new(PATH)).unwrap().unwrap();
        assert!(text.contains("ours") && text.contains("other") && !text.contains("first"), "{text}");
    }
}
