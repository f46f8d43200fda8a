//! What people see: progress, reports as text and JSON, and text from outside made safe to show.

pub mod escape;
pub mod masked_diff;
pub mod progress;
pub mod qr;
pub mod render;
pub mod terminal;
mod wrap;
