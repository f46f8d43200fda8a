//! The generations of Jitsi's token plugins.

/// The generation of Jitsi's plugins that is installed. It decides which tokens are rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// `jwt.decode`: accepts any algorithm that it knows.
    Decode,
    /// `jwt.verify` from a rock: accepts one algorithm.
    Verify,
    /// `luajwtjitsi` ships with the plugins.
    Bundled,
}
