//! What the logins of a run are worth beyond it: whether the last whole proof still holds ([`whole`]), and whether the
//! next restart takes it back ([`at_restart`]).

pub mod at_restart;
pub mod whole;
