//! `token mint`, `token batch` and `token inspect`: a request in, a value out that has a text for people and a JSON
//! form; a batch streams.

pub mod batch;
mod claim_options;
mod inspect;
mod mint;
mod qr;

pub use crate::commands::token::claim_options::ClaimsFile;
pub use inspect::{InspectRequest, Inspected, inspect};
pub use mint::{Draft, Expiry, Issuer, JITSI, MintRequest, Minted, draft, objections};
pub use qr::qr;

#[cfg(test)]
mod tests;
