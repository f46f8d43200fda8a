//! JSON Web Tokens as Jitsi reads them: claims to token and back. Pure: the clock is passed in, nothing is read
//! from the machine and nothing is printed. [`inspect`] explains whatever people hand over as a token.

pub mod claims;
pub mod inspect;
pub mod judge;
pub mod locate;
pub mod percent;
pub mod room;
pub mod sign;
pub mod times;

pub use claims::{Claims, User};
pub use inspect::{Inspection, Problem, Signature, inspect};
pub use judge::Expect;
pub use sign::{Algorithm, Header, sign};
