//! `token mint` and `token inspect`: a request in, a value out that has a text for people and a JSON form.

mod inspect;
mod mint;

pub use inspect::{InspectRequest, inspect};
pub use mint::{MintRequest, mint};

#[cfg(test)]
mod tests;
