//! What a failed command said, in the one or two lines that matter.

use super::Output;
use crate::command::Command;
use crate::secret::redact;

/// What went wrong with a command, in one or a few lines; none if it exited 0.
pub fn failure(command: &Command, output: &Output) -> Option<String> {
    if output.ok() {
        return None;
    }
    let ended = match output.code {
        Some(code) => format!("exited with code {code}"),
        None => "was ended by a signal".to_owned(),
    };
    let said = telling_lines(output) + rocks_server(output);
    Some(redact(&format!("`{}` {ended}{said}", command.display())))
}

/// luarocks says the same of a server that does not answer and of a rock that does not exist.
fn rocks_server(output: &Output) -> &'static str {
    let no_rock = output.stderr.contains("No results matching query");
    match no_rock {
        true if output.stderr.contains("Failed searching manifest") => {
            " (the rocks server could not be asked, so the rock may well exist)"
        }
        true => " (the rocks server answered that it has no such rock)",
        false => "",
    }
}

/// The lines that say most: a compiler's first error, else what luarocks, dpkg or apt call an error, else the last.
pub fn telling_lines(output: &Output) -> String {
    let all: Vec<&str> = output
        .stderr
        .lines()
        .chain(output.stdout.lines())
        .map(str::trim)
        .collect();
    let compiler = all
        .iter()
        .find(|line| line.contains(": error:") || line.contains(": fatal error:"));
    let tools = all.iter().filter(|line| {
        ["E: ", "Error: ", "Build error: ", "dpkg: error", "fatal: "]
            .iter()
            .any(|start| line.starts_with(start))
    });
    let mut lines: Vec<&str> = compiler.into_iter().chain(tools.take(3)).copied().collect();
    if lines.is_empty() {
        let last = output
            .stderr
            .lines()
            .rev()
            .chain(output.stdout.lines().rev());
        lines = last
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .take(1)
            .collect();
    }
    lines.dedup();
    let printable = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let text = lines.join("; ").chars().map(printable).collect::<String>();
    if text.is_empty() {
        String::new()
    } else {
        format!(": {text}")
    }
}
