//! RSA public keys that a server accepts: read from PEM, identified by their thumbprint, written as PEM again.

use anyhow::{Result, bail};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use super::key::PublicKey;
use super::pem;

/// Size of the smallest accepted key, in bits.
const SHORTEST: usize = 2048;

/// Size of the largest accepted key, in bits; a larger one costs the server more at each login than it is worth.
const LONGEST: usize = 8192;

/// An RSA public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RsaPublicKey {
    /// In PKCS#1 form.
    pkcs1: Vec<u8>,
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

impl From<RsaPublicKey> for PublicKey {
    fn from(key: RsaPublicKey) -> Self {
        Self::Rsa(key.pkcs1)
    }
}

impl RsaPublicKey {
    /// The key in a PEM file that holds a public key and nothing else.
    ///
    /// # Errors
    /// What the file is instead, in one sentence, with the command that extracts a public key from it.
    pub fn from_pem(text: &str) -> Result<Self> {
        Self::from_pkcs1(pem::rsa_public(text)?)
    }

    /// The key from its PKCS#1 form.
    ///
    /// # Errors
    /// If it is damaged or insecure.
    pub fn from_pkcs1(pkcs1: Vec<u8>) -> Result<Self> {
        let (modulus, exponent) = pem::rsa_numbers(&pkcs1)?;
        let key = Self { pkcs1, modulus, exponent };
        let bits = key.bits();
        if bits < SHORTEST {
            bail!("the RSA key has {bits} bits; at least {SHORTEST} are required");
        }
        if bits > LONGEST {
            bail!("the RSA key has {bits} bits; at most {LONGEST} are supported");
        }
        // With the exponent 1, every text is its own signature.
        let odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
        if !odd(&key.modulus) || !odd(&key.exponent) || key.exponent == [1] {
            bail!("invalid RSA key: anyone could forge its signatures");
        }
        Ok(key)
    }

    /// The key in a PEM file that holds a public key or a certificate with one.
    ///
    /// # Errors
    /// As for [`Self::from_pem`].
    pub fn from_key_or_certificate(text: &str) -> Result<Self> {
        match pem::read(text) {
            Ok(pem::Pem::RsaPublic(pkcs1)) if text.contains("-----BEGIN CERTIFICATE-----") => Self::from_pkcs1(pkcs1),
            Err(error) if text.contains("-----BEGIN CERTIFICATE-----") => Err(error),
            _ => Self::from_pem(text),
        }
    }

    /// The key with this modulus and exponent.
    ///
    /// # Errors
    /// If it is insecure.
    pub fn from_numbers(modulus: &[u8], exponent: &[u8]) -> Result<Self> {
        Self::from_pkcs1(pem::rsa_key(modulus, exponent))
    }

    /// The size of its modulus in bits.
    pub fn bits(&self) -> usize {
        self.modulus.first().map_or(0, |first| self.modulus.len() * 8 - first.leading_zeros() as usize)
    }

    /// As PEM (`PUBLIC KEY`), whatever form it was read from.
    pub fn to_pem(&self) -> String {
        let text = STANDARD.encode(pem::rsa_info(&self.pkcs1));
        // base64 is ASCII.
        let lines: Vec<&str> =
            text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap_or_default()).collect();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
    }

    /// SHA-256 in hex, as `openssl pkey -pubin -in FILE -outform DER | sha256sum` prints it.
    pub fn fingerprint(&self) -> String {
        hex::encode(Sha256::digest(pem::rsa_info(&self.pkcs1)))
    }

    /// The name (`kid`) of a key that nobody has named: its RFC 7638 thumbprint, which JOSE libraries compute too.
    pub fn thumbprint(&self) -> String {
        let number = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let members = format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, number(&self.exponent), number(&self.modulus));
        URL_SAFE_NO_PAD.encode(Sha256::digest(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of RFC 7638, section 3.1.
    const N: &str = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";

    fn pkcs1(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
        let number = |bytes: &[u8]| {
            let padded = [&[0][..], bytes].concat();
            let length = (padded.len() as u16).to_be_bytes();
            [&[0x02, 0x82, length[0], length[1]][..], &padded].concat()
        };
        let both = [number(modulus), number(exponent)].concat();
        let length = (both.len() as u16).to_be_bytes();
        [&[0x30, 0x82, length[0], length[1]][..], &both].concat()
    }

    #[test]
    fn the_thumbprint_matches_rfc_7638() {
        let modulus = URL_SAFE_NO_PAD.decode(N).unwrap();
        let key = RsaPublicKey::from_pkcs1(pkcs1(&modulus, &[1, 0, 1])).unwrap();
        assert_eq!((key.bits(), &*key.thumbprint()), (2048, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"));
        assert_eq!(RsaPublicKey::from_pem(&key.to_pem()).unwrap(), key);
    }

    #[test]
    fn forgeable_and_badly_sized_keys_are_rejected() {
        let modulus = URL_SAFE_NO_PAD.decode(N).unwrap();
        for exponent in [&[1][..], &[2], &[]] {
            let error = RsaPublicKey::from_pkcs1(pkcs1(&modulus, exponent)).unwrap_err().to_string();
            assert!(error.contains("forge"), "{error}");
        }
        let short = RsaPublicKey::from_pkcs1(pkcs1(&modulus[..128], &[1, 0, 1])).unwrap_err();
        assert!(short.to_string().contains("has 1024 bits"), "{short}");
        let long = RsaPublicKey::from_pkcs1(pkcs1(&modulus.repeat(5), &[1, 0, 1])).unwrap_err();
        assert!(long.to_string().contains("10240 bits"), "{long}");
    }

    #[test]
    fn files_without_a_public_key_are_explained() {
        let block = |label: &str, body: &str| format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n");
        for (text, words) in [
            (String::new(), "not a public key in PEM format"),
            ("ssh-rsa AAAA me@here".to_owned(), "ssh-keygen -e -m PKCS8"),
            (block("PRIVATE KEY", "AAAA"), "this is a private key"),
            (block("RSA PRIVATE KEY", "AAAA"), "this is a private key"),
            (block("ENCRYPTED PRIVATE KEY", "AAAA"), "an encrypted private key"),
            (block("PUBLIC KEY", "AAAA") + &block("PRIVATE KEY", "AAAA"), "this is a private key"),
            (block("CERTIFICATE", "AAAA"), "openssl x509"),
            (block("PUBLIC KEY", "!"), "not base64"),
            (block("PUBLIC KEY", "MAAw"), "damaged"),
            ("-----BEGIN PUBLIC KEY-----\nAAAA".to_owned(), "incomplete"),
        ] {
            let error = format!("{:#}", RsaPublicKey::from_pem(&text).unwrap_err());
            assert!(error.contains(words) && !error.contains('\n'), "{text}: {error}");
        }
    }
}
