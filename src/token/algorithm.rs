//! The algorithms that tokens are signed with.

/// How a token is signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC with SHA-256: accepted by every Jitsi.
    #[default]
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
    /// RSA (PKCS#1 1.5) with SHA-256: what Jitsi accepts where it gets public keys from a server.
    Rs256,
    /// RSA with SHA-384.
    Rs384,
    /// RSA with SHA-512.
    Rs512,
    /// ECDSA on the curve P-256 with SHA-256.
    Es256,
}

/// The kind of key that an algorithm needs.
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
    /// A key of this kind, with its article, for messages.
    pub fn key(self) -> &'static str {
        match self {
            Self::Hmac => "a shared secret",
            Self::Rsa => "an RSA key",
            Self::Ecdsa => "a P-256 key",
        }
    }

    /// The algorithm to use when none is named.
    pub fn usual(self) -> Algorithm {
        match self {
            Self::Hmac => Algorithm::Hs256,
            Self::Rsa => Algorithm::Rs256,
            Self::Ecdsa => Algorithm::Es256,
        }
    }
}

impl Algorithm {
    /// All algorithms, those with a shared secret first.
    pub const ALL: [Self; 7] =
        [Self::Hs256, Self::Hs384, Self::Hs512, Self::Rs256, Self::Rs384, Self::Rs512, Self::Es256];

    /// The name, as in the header's `alg`.
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

    /// The algorithm with this name; the case matters, and the standard's names are in capitals.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }

    /// The kind of key it needs.
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
