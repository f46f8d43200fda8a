//! Trouble on a real machine: one clear sentence, the documented exit code, nothing half-done.
