//! The generations of Jitsi's token plugins.

/// Which generation of Jitsi's plugins is installed; decides what is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// `jwt.decode`: takes any algorithm that it knows.
    Decode,
    /// `jwt.verify` from a rock: one algorithm.
    Verify,
    /// `luajwtjitsi` among the plugins.
    Bundled,
}
