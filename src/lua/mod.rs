//! Lua, as far as the program has to understand it: Prosody's configuration, read and edited without losing a byte, and
//! the modules that a plugin requires. Nothing here runs Lua or writes to the machine.

pub mod lexer;
pub mod literal;
pub mod names;
pub mod requires;
pub mod value;

pub use literal::lua_string;
