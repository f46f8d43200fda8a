//! The one or two lines of a failed command's output that matter.

use super::Output;
use crate::host::command::Command;
use crate::host::secret::redact;

/// What went wrong with a command, in one or a few lines; none if it exited 0.
pub fn failure(command: &Command, output: &Output) -> Option<String> {
    if output.ok() {
        return None;
    }
    let ended = match output.code {
        Some(code) => format!("exited with code {code}"),
        None => match (output.signal, &output.cut) {
            (Some(signal), _) => format!("was killed by signal {signal}"),
            (None, Some(cut)) => cut.clone(),
            (None, None) => "was killed".to_owned(),
        },
    };
    let said = relevant_lines(output) + rocks_server(output);
    Some(redact(&format!("`{}` {ended}{said}", command.display())))
}

/// luarocks prints the same message for a server that does not answer and for a rock that does not exist.
fn rocks_server(output: &Output) -> &'static str {
    let no_rock = output.stderr.contains("No results matching query");
    match no_rock {
        true if output.stderr.contains("Failed searching manifest") => " (the LuaRocks server could not be reached)",
        true => " (the LuaRocks server has no such rock)",
        false => "",
    }
}

/// What dpkg prints in front of a package that it could not unpack or configure.
const PACKAGE: &str = "dpkg: error processing ";

/// Prefixes of lines about apt's and dpkg's own work, as opposed to output of a package's script.
const PROGRESS: [&str; 9] = [
    "Setting up ",
    "Unpacking ",
    "Preparing ",
    "Selecting ",
    "Processing ",
    "(Reading ",
    "Progress: ",
    "E: ",
    "Errors were encountered",
];

/// The package that failed, what failed, and its script's last output. apt itself only says “returned an error code
/// (1)”. If dpkg writes to apt's terminal, everything is in one stream; otherwise its errors are in the other one.
fn failed_package(output: &Output) -> Option<String> {
    let streams = [&output.stderr, &output.stdout].map(|text| {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        lines.collect::<Vec<&str>>()
    });
    let found = |lines: &Vec<&str>| lines.iter().position(|line| line.starts_with(PACKAGE));
    let (lines, at) = streams.iter().find_map(|lines| Some((lines, found(lines)?)))?;
    let what = lines[at].trim_start_matches(PACKAGE).trim_end_matches(':');
    let how = lines.get(at + 1).copied().unwrap_or_default();
    let own = |line: &&&str| !PROGRESS.iter().any(|start| line.starts_with(start));
    let before = lines[..at].iter().rev().find(own);
    let last_words = before.or_else(|| {
        let elsewhere = streams.iter().find(|other| *other != lines)?;
        elsewhere.iter().rev().find(own)
    });
    let words = last_words.map_or_else(String::new, |words| format!("; last output: {words}"));
    Some(format!("{what}: {how}{words}"))
}

/// The most telling lines: the package that failed; else a compiler's first error and what luarocks, dpkg or apt call
/// an error; else the last line.
pub fn relevant_lines(output: &Output) -> String {
    let all: Vec<&str> = output.stderr.lines().chain(output.stdout.lines()).map(str::trim).collect();
    let compiler = all.iter().find(|line| line.contains(": error:") || line.contains(": fatal error:"));
    let tools = all.iter().filter(|line| {
        ["E: ", "Error: ", "Build error: ", "dpkg: error", "fatal: "].iter().any(|start| line.starts_with(start))
    });
    let package = failed_package(output);
    let mut lines: Vec<&str> = match &package {
        Some(package) => vec![package],
        None => compiler.into_iter().chain(tools.take(3)).copied().collect(),
    };
    if lines.is_empty() {
        let last = output.stderr.lines().rev().chain(output.stdout.lines().rev());
        lines = last.map(str::trim).filter(|line| !line.is_empty()).take(1).collect();
    }
    lines.dedup();
    let printable = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let text = lines
        .iter()
        .map(|line| clipped(line))
        .collect::<Vec<_>>()
        .join("; ")
        .chars()
        .map(printable)
        .collect::<String>();
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

/// The most characters of a line that are passed on: a reason is one sentence.
const LONGEST: usize = 400;

/// The part of a line that is passed on.
pub fn clipped(line: &str) -> String {
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::output;

    const SCRIPT: &str = "installed lua5.2 package post-installation script subprocess returned error exit status 7";

    #[test]
    fn failed_package_scripts_are_reported_with_output() {
        let dpkg = format!("dpkg: error processing package lua5.2 (--configure):\n {SCRIPT}\n");
        let apt = "E: Sub-process /usr/bin/dpkg returned an error code (1)\n";
        let all = format!(": package lua5.2 (--configure): {SCRIPT}; last output: update-alternatives: out of luck");
        let words = "update-alternatives: out of luck\n";
        for (stdout, stderr) in [
            (
                format!(
                    "Setting up lua5.2 (5.2.4-3) ...\n{words}{dpkg}Errors were encountered while processing:\n lua5.2\n"
                ),
                apt.to_owned(),
            ),
            ("Setting up lua5.2 (5.2.4-3) ...\n".to_owned(), format!("{words}{dpkg}{apt}")),
            (format!("Setting up lua5.2 (5.2.4-3) ...\n{words}"), format!("{dpkg}{apt}")),
        ] {
            let ended = Output { stderr, ..output(100, &stdout).unwrap() };
            assert_eq!(relevant_lines(&ended), all);
        }
    }

    #[test]
    fn overlong_lines_are_truncated() {
        let said = relevant_lines(&Output { stderr: "x".repeat(1 << 20), ..Output::default() });
        assert_eq!(said, format!(": {}…", "x".repeat(400)));
    }

    #[test]
    fn apt_errors_are_reported_if_no_package_failed() {
        let ended = Output {
            stderr: "E: Unable to locate package nonsense\n".to_owned(),
            ..output(100, "Reading package lists...\n").unwrap()
        };
        assert_eq!(relevant_lines(&ended), ": E: Unable to locate package nonsense");
    }
}
