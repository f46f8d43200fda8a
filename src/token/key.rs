//! Keys to sign and verify tokens with.

use anyhow::{Result, anyhow, bail};
use ring::rand::SystemRandom;
use ring::signature::{
    self, ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RsaKeyPair,
    UnparsedPublicKey,
};

use super::algorithm::{Algorithm, Family};
use super::pem::{self, Pem};
use crate::host::secret::Secret;

/// A key to sign with.
pub enum SigningKey {
    /// A secret prepared for one algorithm.
    Hmac(ring::hmac::Key),
    /// An RSA key pair.
    Rsa(Box<RsaKeyPair>),
    /// A key pair on P-256.
    Ecdsa(Box<EcdsaKeyPair>),
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.family().key())
    }
}

impl SigningKey {
    /// The app secret, for an HMAC with the algorithm's hash function.
    pub fn shared(secret: &Secret, algorithm: Algorithm) -> Self {
        Self::Hmac(ring::hmac::Key::new(algorithm.hmac(), secret.reveal().as_bytes()))
    }

    /// The private key in a PEM file (PKCS#1, PKCS#8 or SEC1).
    pub fn from_pem(text: &Secret) -> Result<Self> {
        let refused = |error: ring::error::KeyRejected| match error.to_string().as_str() {
            "TooSmall" => anyhow!("the RSA key is shorter than 2048 bits, which is not secure"),
            "TooLarge" => anyhow!("the RSA key is longer than 4096 bits"),
            "PublicKeyIsMissing" => {
                anyhow!("the key has no public part; add it: openssl ec -in KEY -out WHOLE-KEY")
            }
            why => anyhow!("the private key cannot be used: {why}"),
        };
        let curve = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let random = SystemRandom::new();
        let rsa = |pair: RsaKeyPair| Self::Rsa(Box::new(pair));
        let ecdsa = |pair: EcdsaKeyPair| Self::Ecdsa(Box::new(pair));
        match pem::read(text.reveal())? {
            Pem::RsaPrivate(der) => RsaKeyPair::from_der(&der).map(rsa).map_err(refused),
            Pem::EcPrivate { private, point } => {
                EcdsaKeyPair::from_private_key_and_public_key(curve, &private, &point, &random)
                    .map(ecdsa)
                    .map_err(refused)
            }
            Pem::Pkcs8(der) => match RsaKeyPair::from_pkcs8(&der) {
                Ok(pair) => Ok(rsa(pair)),
                Err(error) if error.to_string() != "WrongAlgorithm" => Err(refused(error)),
                Err(_) => EcdsaKeyPair::from_pkcs8(curve, &der, &random).map(ecdsa).map_err(|error| {
                    match error.to_string().as_str() {
                        "WrongAlgorithm" => {
                            anyhow!("the key is neither an RSA key nor one on the curve P-256")
                        }
                        _ => refused(error),
                    }
                }),
            },
            Pem::RsaPublic(_) | Pem::EcPublic(_) => {
                bail!("this is a public key; signing needs the private key")
            }
        }
    }

    /// What kind of key it is.
    pub fn family(&self) -> Family {
        match self {
            Self::Hmac(_) => Family::Hmac,
            Self::Rsa(_) => Family::Rsa,
            Self::Ecdsa(_) => Family::Ecdsa,
        }
    }

    /// The algorithm to sign with: `asked`, or the usual one for this key. An error if the key does not fit `asked`.
    pub fn algorithm(&self, asked: Option<Algorithm>) -> Result<Algorithm> {
        let family = self.family();
        let usual = match family {
            Family::Hmac => Algorithm::Hs256,
            Family::Rsa => Algorithm::Rs256,
            Family::Ecdsa => Algorithm::Es256,
        };
        match asked {
            Some(asked) if asked.family() != family => {
                bail!("{} needs {}, but this is {}", asked.name(), asked.family().key(), family.key())
            }
            asked => Ok(asked.unwrap_or(usual)),
        }
    }

    /// The public half of an RSA key; `None` for any other key.
    pub fn rsa_public(&self) -> Option<super::RsaPublicKey> {
        match self {
            Self::Rsa(pair) => super::RsaPublicKey::from_pkcs1(pair.public_key().as_ref().to_vec()).ok(),
            Self::Hmac(_) | Self::Ecdsa(_) => None,
        }
    }

    /// The public half, where there is one.
    fn public(&self) -> Option<PublicKey> {
        match self {
            Self::Hmac(_) => None,
            Self::Rsa(pair) => Some(PublicKey::Rsa(pair.public_key().as_ref().to_vec())),
            Self::Ecdsa(pair) => Some(PublicKey::Ecdsa(pair.public_key().as_ref().to_vec())),
        }
    }

    /// Writes the signature of `signed` to `signature`, replacing what that held.
    pub(super) fn sign(&self, algorithm: Algorithm, signed: &[u8], signature: &mut Vec<u8>) -> Result<()> {
        let failed = |_| anyhow!("signing failed: no random numbers available");
        signature.clear();
        match self {
            Self::Hmac(key) => {
                signature.extend_from_slice(ring::hmac::sign(key, signed).as_ref());
            }
            Self::Rsa(pair) => {
                let padding: &dyn signature::RsaEncoding = match algorithm {
                    Algorithm::Rs384 => &signature::RSA_PKCS1_SHA384,
                    Algorithm::Rs512 => &signature::RSA_PKCS1_SHA512,
                    _ => &signature::RSA_PKCS1_SHA256,
                };
                signature.resize(pair.public().modulus_len(), 0);
                pair.sign(padding, &SystemRandom::new(), signed, signature).map_err(failed)?;
            }
            Self::Ecdsa(pair) => {
                let made = pair.sign(&SystemRandom::new(), signed).map_err(failed)?;
                signature.extend_from_slice(made.as_ref());
            }
        }
        Ok(())
    }
}

/// A public key that a server accepts.
#[derive(Clone, Debug)]
pub struct NamedKey {
    /// Its name (`kid`) in the header of tokens.
    pub kid: String,
    /// The key.
    pub key: PublicKey,
}

/// A key to verify signatures with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicKey {
    /// RSA, in PKCS#1 form.
    Rsa(Vec<u8>),
    /// A point on P-256.
    Ecdsa(Vec<u8>),
}

impl PublicKey {
    /// The key in a PEM file: a public key, a certificate, or the private key that it belongs to.
    pub fn from_pem(text: &Secret) -> Result<Self> {
        match pem::read(text.reveal())? {
            Pem::RsaPublic(key) => Ok(Self::Rsa(key)),
            Pem::EcPublic(key) => Ok(Self::Ecdsa(key)),
            _ => SigningKey::from_pem(text)?.public().ok_or_else(|| anyhow!("it contains no public key")),
        }
    }

    /// What kind of key it is.
    pub fn family(&self) -> Family {
        match self {
            Self::Rsa(_) => Family::Rsa,
            Self::Ecdsa(_) => Family::Ecdsa,
        }
    }

    /// Whether `signature` was made for `signed` with this key's private half.
    pub fn accepts(&self, algorithm: Algorithm, signed: &[u8], signature: &[u8]) -> bool {
        let (Self::Rsa(key) | Self::Ecdsa(key)) = self;
        let how: &dyn signature::VerificationAlgorithm = match algorithm {
            Algorithm::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
            Algorithm::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
            Algorithm::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
            Algorithm::Es256 => &ECDSA_P256_SHA256_FIXED,
            Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => return false,
        };
        self.family() == algorithm.family() && UnparsedPublicKey::new(how, key).verify(signed, signature).is_ok()
    }
}

/// Whether `signature` is the HMAC of `signed` with the secret `key`. Takes constant time.
pub fn hmac_accepts(algorithm: Algorithm, key: &[u8], signed: &[u8], signature: &[u8]) -> bool {
    algorithm.family() == Family::Hmac
        && ring::hmac::verify(&ring::hmac::Key::new(algorithm.hmac(), key), signed, signature).is_ok()
}
