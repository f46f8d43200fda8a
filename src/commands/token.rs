//! `token mint` and `token inspect`: a request in, a value out that has a text for people and a JSON form.

mod inspect;
mod mint;

pub use inspect::{InspectRequest, Inspected, inspect};
pub use mint::{MintRequest, Minted, mint};

#[cfg(test)]
mod tests;
