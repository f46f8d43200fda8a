//! `credentials keygen`: a key pair for an application. It needs neither root nor the server.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::{KeyType, Keygen};
use crate::commands::{CommandResult, OutputStyle, usage};
use crate::display::escape;
use crate::engine::report::Versioned;
use crate::host::child::Silent;
use crate::host::system::System;
use crate::site::proof_key::generate;
use crate::token::SigningKey;

/// A pair that was made, as JSON.
#[derive(JsonSchema, Serialize)]
pub struct Pair {
    /// The file with the private key, which only the application may have.
    private_key: String,
    /// The file with the public key, for the server.
    public_key: String,
    /// The key ID (`kid`) that the server uses by default: the key's thumbprint (RFC 7638).
    kid: String,
    /// SHA-256 of the public key, in hex.
    fingerprint: String,
}

/// Runs the command.
pub fn run(args: &Keygen, output: OutputStyle) -> Result<CommandResult> {
    if args.r#type == KeyType::P256 {
        return usage(Err(anyhow::anyhow!(
            "Jitsi's plugins support only RSA keys, so no server would accept a P-256 key: leave out --type"
        )));
    }
    let (private, public) = (named(&args.name, "key"), named(&args.name, "pub"));
    let pair = make(&private, &public)?;
    let text = if output.json { escape::json(&Versioned::new(&pair), &[]) } else { pair.text() };
    Ok(CommandResult::done(text))
}

impl Pair {
    fn text(&self) -> String {
        let Self { private_key, public_key, kid, fingerprint } = self;
        let lines = [
            ("private key", private_key.as_str()),
            ("public key", public_key),
            ("kid", kid),
            ("fingerprint", fingerprint),
        ];
        let mut text: String =
            lines.iter().map(|(name, value)| format!("{name:<12} {}\n", escape::line(value))).collect();
        text += "\nTo have the server accept it:\n  sudo jitsi-tokens-setup install --public-key ";
        text + &escape::line(public_key)
            + "\nMove the private key to the application, and keep no copy on the server.\n"
    }
}

fn named(name: &Path, ending: &str) -> PathBuf {
    let mut whole = name.as_os_str().to_owned();
    whole.push(format!(".{ending}"));
    whole.into()
}

fn make(private: &Path, public: &Path) -> Result<Pair> {
    let mut private_file = New::create(private, 0o600)?;
    let mut public_file = New::create(public, 0o644)?;
    let pem = generate(&System::new(&Silent))?;
    let key = SigningKey::from_pem(&pem)?;
    let half = key.rsa_public().context("openssl made a key of another kind")?;
    private_file.write(pem.reveal())?;
    public_file.write(&half.to_pem())?;
    let pair = Pair {
        private_key: private.display().to_string(),
        public_key: public.display().to_string(),
        kid: half.thumbprint(),
        fingerprint: half.fingerprint(),
    };
    private_file.keep();
    public_file.keep();
    Ok(pair)
}

/// A newly created file, which is removed again unless it is kept.
struct New<'a> {
    path: &'a Path,
    file: File,
    kept: bool,
}

impl<'a> New<'a> {
    #[expect(clippy::disallowed_methods, reason = "who names a file wants it there, whatever the host is")]
    fn create(path: &'a Path, mode: u32) -> Result<Self> {
        let made = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
        match made {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                bail!("{} already exists, and keys are never overwritten: choose another name", path.display())
            }
            made => {
                Ok(Self { path, file: made.with_context(|| format!("cannot write {}", path.display()))?, kept: false })
            }
        }
    }

    fn write(&mut self, text: &str) -> Result<()> {
        let written = self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_all());
        written.with_context(|| format!("cannot write {}", self.path.display()))
    }

    fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for New<'_> {
    #[expect(clippy::disallowed_methods, reason = "the operator's own file, which this program made a moment ago")]
    fn drop(&mut self) {
        if !self.kept {
            drop(std::fs::remove_file(self.path));
        }
    }
}
