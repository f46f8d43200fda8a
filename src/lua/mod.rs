//! Lua, as far as the program has to understand it: Prosody's configuration, read and edited without losing a byte,
//! and the modules that a plugin asks for. Nothing here runs Lua, and nothing here writes to the machine.

pub mod config;
pub mod edit;
mod expression;
mod include;
pub mod lexer;
mod literal;
mod load;
mod loader;
pub mod mentions;
mod parser;
mod remark;
pub mod requires;
mod statement;
pub mod value;

pub use literal::lua_string;

#[cfg(test)]
mod tests;
