//! The ways to sign that Jitsi's plugins know.

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
    /// RSA (PKCS#1 1.5) with SHA-256: what Jitsi takes where it gets public keys from a server.
    Rs256,
    /// RSA with SHA-384.
    Rs384,
    /// RSA with SHA-512.
    Rs512,
    /// ECDSA on the curve P-256 with SHA-256.
    Es256,
}

/// What kind of key an algorithm wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// A secret that both sides know.
    Hmac,
    /// An RSA key pair.
    Rsa,
    /// A key pair on the curve P-256.
    Ecdsa,
}

impl Family {
    /// What a key of this kind is called.
    pub fn key(self) -> &'static str {
        match self {
            Self::Hmac => "a shared secret",
            Self::Rsa => "an RSA key",
            Self::Ecdsa => "a P-256 key",
        }
    }

    /// The algorithm that is meant where nobody names one.
    pub fn usual(self) -> Algorithm {
        match self {
            Self::Hmac => Algorithm::Hs256,
            Self::Rsa => Algorithm::Rs256,
            Self::Ecdsa => Algorithm::Es256,
        }
    }
}

impl Algorithm {
    /// All of them, those with a shared secret first.
    pub const ALL: [Self; 7] =
        [Self::Hs256, Self::Hs384, Self::Hs512, Self::Rs256, Self::Rs384, Self::Rs512, Self::Es256];

    /// The name, as the header's `alg` has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Es256 => "ES256",
        }
    }

    /// The algorithm with this name, in capitals as the standard has it.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }

    /// What kind of key it wants.
    pub fn family(self) -> Family {
        match self {
            Self::Hs256 | Self::Hs384 | Self::Hs512 => Family::Hmac,
            Self::Rs256 | Self::Rs384 | Self::Rs512 => Family::Rsa,
            Self::Es256 => Family::Ecdsa,
        }
    }

    /// The HMAC with the same hash function.
    pub(super) fn hmac(self) -> ring::hmac::Algorithm {
        match self {
            Self::Hs256 | Self::Rs256 | Self::Es256 => ring::hmac::HMAC_SHA256,
            Self::Hs384 | Self::Rs384 => ring::hmac::HMAC_SHA384,
            Self::Hs512 | Self::Rs512 => ring::hmac::HMAC_SHA512,
        }
    }
}
