//! Values that completions and `--help` offer for options that are validated later, with a better message than clap's.

use std::ffi::OsStr;

use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use clap::{Arg, Command, Error};

/// Step IDs for `--only`.
pub const STEPS: [&str; 18] = [
    "preflight",
    "apt-sources",
    "apt-packages",
    "rock-basexx",
    "rockspec",
    "rock-luajwtjitsi",
    "lua-modules",
    "credentials",
    "options",
    "moderators-module",
    "token-keys",
    "key-source",
    "prosody-config",
    "web-config",
    "jitsi-meet-tokens",
    "prosody-restart",
    "jicofo",
    "verify",
];

/// The words of all commands that have JSON output, for `schema`.
pub const RESULTS: [&str; 11] =
    ["install", "status", "verify", "uninstall", "token", "mint", "inspect", "credentials", "show", "rotate", "keygen"];

/// The words of all commands, for `man`.
pub const COMMANDS: [&str; 15] = [
    "install",
    "status",
    "verify",
    "token",
    "mint",
    "batch",
    "inspect",
    "credentials",
    "show",
    "rotate",
    "keygen",
    "uninstall",
    "completions",
    "schema",
    "man",
];

/// Accepts any text and offers these values.
#[derive(Clone, Copy, Debug)]
pub struct Offered(pub &'static [&'static str]);

impl TypedValueParser for Offered {
    type Value = String;

    fn parse_ref(&self, command: &Command, argument: Option<&Arg>, value: &OsStr) -> Result<String, Error> {
        StringValueParser::new().parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.0.iter().map(PossibleValue::new)))
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::{COMMANDS, STEPS};
    use crate::cli::Cli;

    fn words(command: &clap::Command) -> Vec<String> {
        command
            .get_subcommands()
            .flat_map(|below| std::iter::once(below.get_name().to_owned()).chain(words(below)))
            .collect()
    }

    #[test]
    fn offered_values_match_steps_and_commands() {
        let ids: Vec<&str> = crate::steps::STEPS.iter().map(|step| step.id).collect();
        assert_eq!(ids, STEPS);
        let mut all = words(&Cli::command());
        all.sort_unstable();
        let mut offered = COMMANDS.map(str::to_owned).to_vec();
        offered.sort_unstable();
        assert_eq!(all, offered);
    }
}
