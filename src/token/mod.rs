//! JSON Web Tokens as Jitsi reads them: claims to token and back. Pure: the clock is passed in, nothing is read
//! from the machine and nothing is printed. [`inspect`] explains whatever people hand over as a token.

pub mod algorithm;
pub mod claims;
#[cfg(test)]
mod fuzz_tests;
pub mod inspect;
pub mod key;
pub mod locate;
mod mint;
pub mod options;
mod pem;
pub mod percent;
pub mod plugin;
pub mod role;
pub mod room;
mod row;
pub mod rsa;
pub mod sign;
pub mod times;

pub use algorithm::{Algorithm, Family};
pub use claims::{Claims, User};
pub use inspect::{Inspection, Problem, Signature, Verifier, inspect};
pub use key::{NamedKey, PublicKey, SigningKey};
pub use mint::{Issuer, Minted, Minter, Token};
pub use plugin::{Answer, FindingKind, Lua, PluginKeys, PluginModel, PluginRelease, Room, Rooms, Rules, Stage};
pub use row::{Field, Row};
pub use rsa::RsaPublicKey;
pub use sign::{Header, Signer, sign};
