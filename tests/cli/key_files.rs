//! Key files in all the formats that openssl writes: which are accepted, which are rejected and why, and whether
//! openssl agrees with the signatures.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::run::{Ended, Folder, SECRET, not_run, token, tool};

/// The warning about every token signed with ES256.
const ES256: &str = "warning: Jitsi rejects this token: Jitsi does not know the algorithm \"ES256\"\n";

/// A folder in which openssl makes keys.
pub struct Keys(pub Folder);

impl Keys {
    /// With `rsa`, `rsa.pub`, `p256` and `p256.pub`; `None` without openssl.
    pub fn new(test: &str) -> Option<Self> {
        if Command::new("openssl").arg("version").stdout(Stdio::null()).status().is_err() {
            not_run(test, "there is no openssl");
            return None;
        }
        let keys = Self(Folder::new());
        keys.openssl("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out @rsa");
        keys.openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out @p256");
        for name in ["rsa", "p256"] {
            keys.openssl(&format!("pkey -in @{name} -pubout -out @{name}.pub"));
        }
        Some(keys)
    }

    /// Runs openssl; `@name` stands for a file. Its files then belong to the user that the program runs as.
    pub fn openssl(&self, words: &str) -> Vec<u8> {
        let output = Command::new("openssl")
            .args(words.split(' ').map(|word| match word.strip_prefix('@') {
                Some(name) => self.path(name).display().to_string(),
                None => word.to_owned(),
            }))
            .current_dir(self.path(""))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(output.status.success(), "openssl {words}: {}", String::from_utf8_lossy(&output.stderr));
        for name in words.split(' ').filter_map(|word| word.strip_prefix('@')) {
            let bytes = fs::read(self.path(name)).unwrap();
            self.0.file(name, bytes, 0o600);
        }
        output.stdout
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path(name)
    }

    pub fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn run(&self, command: &str, key: &str, more: &[&str]) -> Ended {
        let file = format!("--key={}", self.path(key).display());
        let call = ["token", command, "--app-id=app", "--domain=meet.example.org", &file];
        let mut run = tool(call.iter().chain(more));
        // The full lines of the key: none of them may appear in the output.
        let text = self.text(key);
        let lines: Vec<&str> = text.lines().filter(|line| line.len() == 64).collect();
        for line in lines {
            run = run.hides(line);
        }
        run.end()
    }

    pub fn mint(&self, key: &str, more: &[&str]) -> Ended {
        self.run("mint", key, more)
    }

    pub fn inspect(&self, key: &str, token: &str) -> Ended {
        self.run("inspect", key, &[token])
    }
}

#[test]
fn every_private_key_format_signs_valid_tokens() {
    let Some(keys) = Keys::new("every_private_key_format_signs_valid_tokens") else {
        return;
    };
    keys.openssl("rsa -in @rsa -traditional -out @rsa.pkcs1");
    keys.openssl("ec -in @p256 -out @p256.sec1");
    keys.openssl("ecparam -name prime256v1 -genkey -out @p256.parameters");
    keys.openssl("pkey -in @p256.parameters -pubout -out @p256.parameters.pub");
    keys.openssl("req -x509 -new -key @rsa -subj /CN=x -days 1 -out @rsa.certificate");
    keys.openssl("rsa -in @rsa -RSAPublicKey_out -out @rsa.public1");
    for (name, begins, public) in [
        ("rsa", "-----BEGIN PRIVATE KEY", "rsa.pub"),
        ("rsa.pkcs1", "-----BEGIN RSA PRIVATE KEY", "rsa.pub"),
        ("rsa", "-----BEGIN PRIVATE KEY", "rsa.certificate"),
        ("rsa", "-----BEGIN PRIVATE KEY", "rsa.public1"),
        ("rsa", "-----BEGIN PRIVATE KEY", "rsa"),
        ("p256", "-----BEGIN PRIVATE KEY", "p256.pub"),
        ("p256.sec1", "-----BEGIN EC PRIVATE KEY", "p256.pub"),
        ("p256.parameters", "-----BEGIN EC PARAMETERS", "p256.parameters.pub"),
        ("p256", "-----BEGIN PRIVATE KEY", "p256.sec1"),
    ] {
        assert!(keys.text(name).starts_with(begins), "{name}");
        let minted = keys.mint(name, &["--header", "kid=one"]);
        let warning = if name.starts_with("rsa") { "" } else { ES256 };
        assert_eq!((minted.code, minted.stderr.as_str()), (0, warning), "{name}: {minted:?}");
        let seen = keys.inspect(public, &minted.stdout);
        // The signature is valid either way; no plugin of Jitsi's knows ES256.
        let (code, verdict) = match warning {
            "" => (0, "Jitsi accepts it\n"),
            _ => (4, "Jitsi rejects it: Jitsi does not know the algorithm \"ES256\"\n"),
        };
        assert_eq!(seen.code, code, "{name} {public}: {seen:?}");
        assert!(
            seen.stdout.starts_with(verdict) && seen.stdout.contains("\n  signature: right\n"),
            "{name} {public}: {seen:?}"
        );
        let mut damaged = minted.stdout.clone();
        let at = damaged.rfind('.').unwrap() + 10;
        damaged.replace_range(at..=at, if &damaged[at..=at] == "A" { "B" } else { "A" });
        let seen = keys.inspect(public, &damaged);
        assert_eq!(seen.code, 4);
        assert!(seen.stdout.contains("signed with another key"), "{seen:?}");
    }
    let without_id = keys.mint("rsa", &[]);
    assert_eq!(
        without_id.stderr,
        "warning: the token's key ID is the key's thumbprint; if the server uses another, use --header kid=ID\n"
    );
}

#[test]
fn install_rejects_invalid_public_keys_first() {
    let Some(keys) = Keys::new("install_rejects_invalid_public_keys_first") else {
        return;
    };
    keys.openssl("pkey -in @rsa -aes128 -passout pass:open-sesame -out @rsa.locked");
    keys.openssl("req -new -x509 -key @rsa -subj /CN=x -out @rsa.certificate");
    keys.openssl("genrsa -out @short 1024");
    keys.openssl("pkey -in @short -pubout -out @short.pub");
    keys.openssl("genpkey -algorithm ED25519 -out @ed");
    keys.openssl("pkey -in @ed -pubout -out @ed.pub");
    keys.openssl("pkey -in @rsa -pubout -outform DER -out @rsa.der");
    for (name, words) in [
        ("rsa", "this is a private key, which only the application may have"),
        ("rsa.locked", "this is an encrypted private key"),
        ("rsa.certificate", "this is a certificate; extract the key: openssl x509"),
        ("p256.pub", "this is an EC key, and Jitsi's plugins support only RSA keys"),
        ("ed.pub", "this is not an RSA key, and Jitsi's plugins support only RSA keys"),
        ("short.pub", "the RSA key has 1024 bits; at least 2048 are required"),
        ("rsa.der", "not a public key in PEM format"),
        ("none", "cannot read the key file"),
    ] {
        let ended = tool(["install", "--yes", "--public-key", &keys.path(name).display().to_string()]).end();
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{name}: {ended:?}");
        assert!(ended.stderr.contains(words) && ended.stderr.lines().count() == 1, "{name}: {ended:?}");
    }
    let public = keys.path("rsa.pub").display().to_string();
    for (more, words) in [
        (vec!["--public-key", "off"], "cannot be combined with other keys"),
        (vec!["--public-key", &public], "two keys have the kid"),
        (vec!["--kid", "a", "--kid", "b"], "more --kid than --public-key options"),
        (vec!["--kid", ""], "--kid must be 1 to 200 bytes"),
        (vec!["--signature-algorithm", "HS512"], "cannot be used with"),
        (vec!["--app-secret-file", "x"], "cannot be used with"),
    ] {
        let ended = tool([vec!["install", "--public-key", &public], more.clone()].concat()).end();
        assert_eq!(ended.code, 2, "{more:?}: {ended:?}");
        assert!(ended.stderr.contains(words), "{more:?}: {ended:?}");
    }
}

#[test]
fn unusable_signing_keys_are_rejected_with_a_reason() {
    let Some(keys) = Keys::new("unusable_signing_keys_are_rejected_with_a_reason") else {
        return;
    };
    keys.openssl("genrsa -out @short 1024");
    keys.openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out @p384");
    keys.openssl("ec -in @p384 -out @p384.sec1");
    keys.openssl("genpkey -algorithm ED25519 -out @ed25519");
    keys.openssl("pkey -in @rsa -aes256 -passout pass:x -out @encrypted");
    keys.openssl("rsa -in @rsa -traditional -aes256 -passout pass:x -out @encrypted.pkcs1");
    keys.openssl("ec -in @p256 -no_public -out @half");
    keys.openssl("pkey -in @rsa -outform DER -out @der");
    keys.0.file("none", "", 0o600);
    keys.0.file("cut", &keys.text("rsa")[..500], 0o600);
    for (name, why) in [
        ("short", "shorter than 2048 bits"),
        ("p384", "neither an RSA key nor one on the curve P-256"),
        ("p384.sec1", "curve is not P-256"),
        ("ed25519", "neither an RSA key nor one on the curve P-256"),
        ("encrypted", "the key is encrypted"),
        ("encrypted.pkcs1", "the key is encrypted"),
        ("half", "has no public part"),
        ("rsa.pub", "this is a public key; signing needs the private key"),
        ("none", "contains no key in PEM format"),
        ("cut", "it is incomplete"),
    ] {
        let ended = keys.mint(name, &[]);
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{name}: {ended:?}");
        let named = format!("jitsi-tokens-setup: {}: ", keys.path(name).display());
        assert!(ended.stderr.starts_with(&named) && ended.stderr.contains(why), "{name}: {ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{name}: {ended:?}");
    }
    let der = tool(["token", "mint", "--key", keys.path("der").to_str().unwrap()]).ends(2);
    assert!(der.stderr.contains("is not in PEM form"), "{der:?}");
    for (name, algorithm, why) in [
        ("rsa", "ES256", "ES256 needs a P-256 key, but this is an RSA key"),
        ("p256", "RS256", "RS256 needs an RSA key, but this is a P-256 key"),
        ("rsa", "HS256", "HS256 needs a shared secret, but this is an RSA key"),
    ] {
        let ended = keys.mint(name, &["--algorithm", algorithm]);
        assert_eq!((ended.code, ended.stderr), (2, format!("jitsi-tokens-setup: {why}\n")));
    }
}

#[test]
fn a_key_of_the_wrong_type_leaves_signatures_unchecked() {
    let Some(keys) = Keys::new("a_key_of_the_wrong_type_leaves_signatures_unchecked") else {
        return;
    };
    let (_folder, secret) = Folder::with_secret(SECRET);
    let minted = token("mint", &secret, []).ends(0).stdout;
    let seen = keys.inspect("rsa.pub", &minted);
    let why = "the signature was not checked: HS256 needs a shared secret, not an RSA key";
    assert!(seen.stdout.contains(why), "{seen:?}");
    let signed = keys.mint("p256", &["--header=kid=1"]).stdout;
    let seen = token("inspect", &secret, [signed.as_str()]).end();
    assert!(seen.stdout.contains("ES256 needs a P-256 key, not a shared secret"), "{seen:?}");
}

#[test]
fn a_world_readable_private_key_causes_a_warning() {
    let Some(keys) = Keys::new("a_world_readable_private_key_causes_a_warning") else {
        return;
    };
    let open = keys.0.file("open", keys.text("p256"), 0o644);
    let minted = keys.mint("open", &["--header=kid=1"]);
    let warning = format!("warning: {0} is world-readable and contains a secret; run: chmod 600 {0}\n", open.display());
    assert_eq!(minted.stderr, format!("{warning}{ES256}"));
    keys.0.file("open.pub", keys.text("p256.pub"), 0o644);
    assert_eq!(keys.inspect("open.pub", &minted.stdout).stderr, "");
}

#[test]
fn openssl_accepts_our_signatures() {
    let Some(keys) = Keys::new("openssl_accepts_our_signatures") else {
        return;
    };
    let (_folder, secret) = Folder::with_secret(SECRET);
    for (algorithm, key, hash) in [
        ("RS256", "rsa", "sha256"),
        ("RS384", "rsa", "sha384"),
        ("RS512", "rsa", "sha512"),
        ("ES256", "p256", "sha256"),
        ("HS256", "", "sha256"),
        ("HS384", "", "sha384"),
        ("HS512", "", "sha512"),
    ] {
        let minted = if key.is_empty() {
            token("mint", &secret, ["--algorithm", algorithm]).ends(0).stdout
        } else {
            keys.mint(key, &["--algorithm", algorithm]).stdout
        };
        let (signed, signature) = minted.trim_end().rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        keys.0.file("signed", signed, 0o600);
        if key.is_empty() {
            let hex: String = SECRET.bytes().map(|byte| format!("{byte:02x}")).collect();
            let made = keys.openssl(&format!("dgst -{hash} -mac HMAC -macopt hexkey:{hex} -binary @signed"));
            assert_eq!(made, signature, "{algorithm}");
        } else {
            let der = if key == "p256" { der_signature(&signature) } else { signature };
            keys.0.file("signature", der, 0o600);
            let said = keys.openssl(&format!("dgst -{hash} -verify @{key}.pub -signature @signature @signed"));
            assert_eq!(said, b"Verified OK\n", "{algorithm}");
        }
    }
}

/// The two numbers of an ECDSA signature in ASN.1 (DER).
fn der_signature(raw: &[u8]) -> Vec<u8> {
    assert_eq!(raw.len(), 64);
    let mut body = Vec::new();
    for number in raw.chunks(32) {
        let start = number.iter().take_while(|byte| **byte == 0).count();
        let mut digits = number[start..].to_vec();
        if digits[0] >= 0x80 {
            digits.insert(0, 0);
        }
        body.extend([2, u8::try_from(digits.len()).unwrap()]);
        body.extend(digits);
    }
    let mut all = vec![0x30, u8::try_from(body.len()).unwrap()];
    all.extend(body);
    all
}
