//! Reads keys from files: PEM around DER, parsed only as far as the cryptography library needs.

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// rsaEncryption, 1.2.840.113549.1.1.1.
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// id-ecPublicKey, 1.2.840.10045.2.1.
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
/// prime256v1, 1.2.840.10045.3.1.7.
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;

/// What a PEM file holds.
#[derive(Debug)]
pub(super) enum Pem {
    /// An RSA private key, PKCS#1.
    RsaPrivate(Vec<u8>),
    /// A private key of any kind, PKCS#8.
    Pkcs8(Vec<u8>),
    /// A private key on P-256 with its public point, from SEC1.
    EcPrivate { private: Vec<u8>, point: Vec<u8> },
    /// An RSA public key, PKCS#1.
    RsaPublic(Vec<u8>),
    /// A point on P-256.
    EcPublic(Vec<u8>),
}

/// Reads the first key in `text`. Errors say what the file is instead, and never quote it.
pub(super) fn read(text: &str) -> Result<Pem> {
    let mut rest = text;
    while let Some((label, body, behind)) = block(rest)? {
        rest = behind;
        // openssl writes the curve's parameters before the key.
        if label == "EC PARAMETERS" {
            continue;
        }
        if label == "ENCRYPTED PRIVATE KEY" || body.contains("ENCRYPTED") {
            bail!("the key is encrypted; remove the passphrase: openssl pkey -in KEY -out PLAIN-KEY");
        }
        let packed: String = body.split_whitespace().collect();
        let der = STANDARD.decode(packed).ok().with_context(|| format!("the {label} is damaged: it is not base64"))?;
        return parse(label, der).with_context(|| format!("the {label} cannot be used"));
    }
    bail!("it contains no key in PEM format (-----BEGIN ... KEY-----)")
}

/// The RSA public key (PKCS#1) in a file that must contain nothing else, as `PUBLIC KEY` or `RSA PUBLIC KEY`. Errors
/// say what the file is instead, and how to extract a public key from it.
pub(super) fn rsa_public(text: &str) -> Result<Vec<u8>> {
    if text.contains("PRIVATE KEY-----") {
        let what = if text.contains("ENCRYPTED") { "an encrypted private key" } else { "a private key" };
        bail!(
            "this is {what}, which only the application may have; extract the public key: \
             openssl pkey -in KEY -pubout -out PUBLIC-KEY"
        );
    }
    if text.starts_with("ssh-") {
        bail!("this is an OpenSSH key; convert it: ssh-keygen -e -m PKCS8 -f KEY > PUBLIC-KEY");
    }
    let Some((label, body, _)) = block(text)? else {
        bail!("not a public key in PEM format (-----BEGIN PUBLIC KEY-----)")
    };
    if label == "CERTIFICATE" {
        bail!("this is a certificate; extract the key: openssl x509 -in CERTIFICATE -noout -pubkey > PUBLIC-KEY");
    }
    let packed: String = body.split_whitespace().collect();
    let der = STANDARD.decode(packed).ok().with_context(|| format!("the {label} is damaged: it is not base64"))?;
    match label {
        "RSA PUBLIC KEY" => Ok(der),
        "PUBLIC KEY" => {
            let mut info = Der(&der).enter(SEQUENCE)?;
            let kind = info.enter(SEQUENCE)?.take(OID)?;
            if kind == EC {
                bail!("this is an EC key, and Jitsi's plugins support only RSA keys");
            }
            if kind != RSA {
                bail!("this is not an RSA key, and Jitsi's plugins support only RSA keys");
            }
            Ok(bits(info.take(BIT_STRING)?)?.to_vec())
        }
        _ => bail!("this is a {label}, not a public key"),
    }
}

/// Modulus and exponent of an RSA public key (PKCS#1), without leading zeros.
pub(super) fn rsa_numbers(key: &[u8]) -> Result<(Vec<u8>, Vec<u8>)> {
    let mut key = Der(key).enter(SEQUENCE)?;
    let mut number = || -> Result<Vec<u8>> {
        let content = key.take(INTEGER)?;
        let zeros = content.iter().take_while(|byte| **byte == 0).count();
        Ok(content[zeros..].to_vec())
    };
    Ok((number()?, number()?))
}

/// An RSA public key (PKCS#1) with these numbers.
pub(super) fn rsa_key(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    // A leading zero keeps a number from being read as negative.
    let number = |bytes: &[u8]| {
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        element(INTEGER, &[&[0][..], &bytes[zeros..]].concat())
    };
    element(SEQUENCE, &[number(modulus), number(exponent)].concat())
}

/// An RSA public key (PKCS#1) as `SubjectPublicKeyInfo`.
pub(super) fn rsa_info(key: &[u8]) -> Vec<u8> {
    let algorithm = element(SEQUENCE, &[&element(OID, RSA)[..], &[0x05, 0x00]].concat());
    element(SEQUENCE, &[algorithm, element(BIT_STRING, &[&[0][..], key].concat())].concat())
}

/// One DER element.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let digits: Vec<u8> = length.into_iter().skip_while(|byte| *byte == 0).collect();
    let mut made = vec![tag];
    match digits[..] {
        [] => made.push(0),
        [short] if short < 0x80 => made.push(short),
        _ => {
            made.push(0x80 | digits.len() as u8);
            made.extend(digits);
        }
    }
    made.extend_from_slice(content);
    made
}

/// The label and the body of the first block, and the text after it.
fn block(text: &str) -> Result<Option<(&str, &str, &str)>> {
    let Some((_, rest)) = text.split_once("-----BEGIN ") else {
        return Ok(None);
    };
    let (label, rest) = rest.split_once("-----").context("its first line is incomplete")?;
    let (body, rest) = rest
        .split_once(&format!("-----END {label}-----"))
        .with_context(|| format!("it is incomplete: the line -----END {label}----- is missing"))?;
    Ok(Some((label, body, rest)))
}

fn parse(label: &str, der: Vec<u8>) -> Result<Pem> {
    Ok(match label {
        "RSA PRIVATE KEY" => Pem::RsaPrivate(der),
        "PRIVATE KEY" => Pem::Pkcs8(der),
        "EC PRIVATE KEY" => sec1(&der)?,
        "RSA PUBLIC KEY" => Pem::RsaPublic(der),
        "PUBLIC KEY" => public(Der(&der).enter(SEQUENCE)?)?,
        "CERTIFICATE" => certificate(&der)?,
        "OPENSSH PRIVATE KEY" => {
            bail!("it is in OpenSSH format; convert a copy to PEM: ssh-keygen -p -m PEM -f COPY")
        }
        _ => bail!("a key is needed"),
    })
}

/// `ECPrivateKey`: version, private key, curve, public point.
fn sec1(der: &[u8]) -> Result<Pem> {
    let mut key = Der(der).enter(SEQUENCE)?;
    key.take(INTEGER)?;
    let private = key.take(OCTET_STRING)?.to_vec();
    let (mut curve, mut point) = (None, None);
    while let Some((tag, content)) = key.next()? {
        match tag {
            0xa0 => curve = Some(Der(content).take(OID)?),
            0xa1 => point = Some(bits(Der(content).take(BIT_STRING)?)?),
            _ => {}
        }
    }
    if curve.is_some_and(|curve| curve != P256) {
        bail!("its curve is not P-256, which ES256 requires");
    }
    let Some(point) = point else { bail!("it has no public part; add it: openssl ec -in KEY -out WHOLE-KEY") };
    let point = point.to_vec();
    Ok(Pem::EcPrivate { private, point })
}

/// `SubjectPublicKeyInfo`.
fn public(mut info: Der) -> Result<Pem> {
    let mut algorithm = info.enter(SEQUENCE)?;
    let kind = algorithm.take(OID)?;
    let key = bits(info.take(BIT_STRING)?)?.to_vec();
    if kind == RSA {
        return Ok(Pem::RsaPublic(key));
    }
    if kind != EC {
        bail!("it is neither an RSA key nor one on the curve P-256");
    }
    if algorithm.take(OID)? != P256 {
        bail!("its curve is not P-256, which ES256 requires");
    }
    Ok(Pem::EcPublic(key))
}

/// The public key of a certificate; nothing else in it is checked.
fn certificate(der: &[u8]) -> Result<Pem> {
    let mut body = Der(der).enter(SEQUENCE)?.enter(SEQUENCE)?;
    // The version is optional; serial number, algorithm, issuer, validity and subject follow.
    let mut before_key = 5;
    if body.0.first() == Some(&0xa0) {
        before_key += 1;
    }
    for _ in 0..before_key {
        body.next()?;
    }
    public(body.enter(SEQUENCE)?)
}

/// A bit string without its count of unused bits, which must be 0 in keys.
fn bits(content: &[u8]) -> Result<&[u8]> {
    match content.split_first() {
        Some((0, bits)) => Ok(bits),
        _ => bail!("{DAMAGED}"),
    }
}

const DAMAGED: &str = "it is damaged or incomplete";

/// DER elements, consumed from the front.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The next element, or `None` at the end.
    fn next(&mut self) -> Result<Option<(u8, &'a [u8])>> {
        let Some((&tag, rest)) = self.0.split_first() else {
            return Ok(None);
        };
        let (&first, mut rest) = rest.split_first().context(DAMAGED)?;
        let mut length = usize::from(first);
        if first >= 0x80 {
            let count = usize::from(first & 0x7f);
            // No key is so long that its length takes more than three bytes.
            if !(1..=3).contains(&count) || rest.len() < count {
                bail!("{DAMAGED}");
            }
            let (digits, behind) = rest.split_at(count);
            length = digits.iter().fold(0, |sum, digit| (sum << 8) | usize::from(*digit));
            rest = behind;
        }
        if rest.len() < length {
            bail!("{DAMAGED}");
        }
        let (content, behind) = rest.split_at(length);
        self.0 = behind;
        Ok(Some((tag, content)))
    }

    /// The content of the next element, which must have this tag.
    fn take(&mut self, wanted: u8) -> Result<&'a [u8]> {
        match self.next()? {
            Some((tag, content)) if tag == wanted => Ok(content),
            _ => bail!("{DAMAGED}"),
        }
    }

    fn enter(&mut self, wanted: u8) -> Result<Der<'a>> {
        Ok(Der(self.take(wanted)?))
    }
}

#[cfg(test)]
mod tests {
    use super::read;
    use proptest::prelude::{any, prop, proptest};

    fn why(text: &str) -> String {
        format!("{:#}", read(text).unwrap_err())
    }

    #[test]
    fn unusable_keys_are_reported() {
        let block = |label: &str, body: &str| format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n");
        for (text, words) in [
            (String::new(), "no key in PEM format"),
            ("secret".to_owned(), "no key in PEM format"),
            (block("ENCRYPTED PRIVATE KEY", "AAAA"), "is encrypted"),
            (block("RSA PRIVATE KEY", "Proc-Type: 4,ENCRYPTED\n\nAAAA"), "is encrypted"),
            (block("OPENSSH PRIVATE KEY", "AAAA"), "ssh-keygen -p -m PEM"),
            (block("PUBLIC KEY", "!"), "not base64"),
            (block("PUBLIC KEY", "MAA="), "damaged"),
            (block("PGP MESSAGE", "AAAA"), "a key is needed"),
            ("-----BEGIN PRIVATE KEY-----\nAAAA".to_owned(), "incomplete"),
        ] {
            assert!(why(&text).contains(words), "{text}: {}", why(&text));
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_do_not_panic(label in 0..4_usize, bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            use base64::Engine;
            let label = ["EC PRIVATE KEY", "PUBLIC KEY", "CERTIFICATE", "PRIVATE KEY"][label];
            let body = base64::engine::general_purpose::STANDARD.encode(bytes);
            let _ = read(&format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----"));
        }
    }
}
