//! A command as data: what to run, as whom, with which input, and whether it only looks or changes something. There is
//! no default effect: each command has to declare its own.

use std::time::Duration;

use crate::host::secret::Secret;

/// Whether running a command can change the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It only looks; a preview runs it too.
    Query,
    /// It changes the host; a preview swallows it.
    Mutate,
}

/// What a mutating command provides once it succeeds, so a preview can answer the checks of later steps.
#[derive(Clone, Debug)]
pub enum Brings {
    /// A Debian package, by name.
    Package(String),
    /// A Lua module that Prosody's interpreter can load.
    Module(String),
    /// The function of `luajwtjitsi` that the installed plugin calls.
    JwtFunction,
    /// A debconf answer.
    Debconf {
        /// The question, `package/name`.
        question: String,
        /// Its value (an app ID is not secret, but hiding it here does no harm).
        value: Secret,
    },
    /// Package lists that are fresh enough to install from.
    PackageLists,
    /// A dpkg database without half-configured packages.
    RepairedPackages,
    /// A daemon that was restarted and has loaded all changes.
    Restart,
    /// Another service that was restarted, by name.
    Service(&'static str),
}

impl Brings {
    /// The Debian package, if it is one.
    pub fn package(&self) -> Option<&String> {
        match self {
            Self::Package(name) => Some(name),
            _ => None,
        }
    }
}

/// How the live output of a command is turned into progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Follow {
    /// Its last line is the message.
    #[default]
    Lines,
    /// `APT::Status-Fd` gives percentage and package.
    AptStatus,
}

/// Which session a command runs in. Anything in the session of root's terminal can write into it as if root had typed
/// that, so nothing that may be somebody else's is left there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Session {
    /// This program's, in a process group of its own.
    #[default]
    Ours,
    /// A new one.
    Own,
    /// A new one, which the command starts itself before anything else.
    ByItself,
}

/// A command to run on the host.
#[derive(Clone, Debug)]
pub struct Command {
    /// Program, by name or path.
    pub program: String,
    /// Arguments. Never a secret: anybody can read a process's arguments.
    pub args: Vec<String>,
    /// Standard input, which may hold secrets and is never shown.
    pub stdin: Option<Secret>,
    /// Variables on top of the clean environment that every child gets. Never a secret.
    pub env: Vec<(String, String)>,
    /// The user and group to run as, with the user's other groups; root if none. Uses `setpriv`, which unlike `runuser`
    /// does not use PAM and logs no session.
    pub user: Option<(String, String)>,
    /// How long it may run before it is stopped.
    pub timeout: Duration,
    /// Whether it changes the host.
    pub effect: Effect,
    /// What it provides once it succeeds.
    pub brings: Vec<Brings>,
    /// How its output becomes progress.
    pub follow: Follow,
    /// Whether it must never be killed halfway (dpkg at work); an interruption then waits for it to finish.
    pub sturdy: bool,
    /// Whether its answer may have changed even though this program changed nothing (a daemon's state).
    pub volatile: bool,
    /// Whether a successful answer stays valid whatever this program changes afterwards.
    pub lasting: bool,
    /// Which session it runs in.
    pub session: Session,
    /// Whether it runs somebody else's code: it gets only seconds of CPU time, and taking too long or printing too much
    /// is an answer, not an error.
    pub untrusted: bool,
}

impl Command {
    /// A command that only looks.
    pub fn query(program: impl Into<String>) -> Self {
        Self::new(program, Effect::Query, Duration::from_secs(60))
    }

    /// A command that changes the host.
    pub fn mutate(program: impl Into<String>) -> Self {
        Self::new(program, Effect::Mutate, Duration::from_secs(1800))
    }

    fn new(program: impl Into<String>, effect: Effect, timeout: Duration) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            stdin: None,
            env: Vec::new(),
            user: None,
            timeout,
            effect,
            brings: Vec::new(),
            follow: Follow::default(),
            sturdy: false,
            volatile: false,
            lasting: false,
            session: Session::default(),
            untrusted: false,
        }
    }

    /// Adds one argument.
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    pub fn args<I, S>(mut self, args: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: Into<String>,
    {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Gives it standard input.
    pub fn stdin(mut self, text: impl Into<String>) -> Self {
        self.stdin = Some(Secret::unlisted(text));
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Runs it as this user in this group.
    pub fn user(mut self, user: impl Into<String>, group: impl Into<String>) -> Self {
        self.user = Some((user.into(), group.into()));
        self.session = Session::Own;
        self
    }

    /// Stops it after `timeout`.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Declares what it provides.
    pub fn brings(mut self, brings: impl IntoIterator<Item = Brings>) -> Self {
        self.brings.extend(brings);
        self
    }

    /// Sets how its output becomes progress.
    pub fn follow(mut self, follow: Follow) -> Self {
        self.follow = follow;
        self
    }

    /// Marks it as one that must never be killed halfway.
    pub fn sturdy(mut self) -> Self {
        self.sturdy = true;
        self
    }

    /// Marks it as one to run each time, not to be answered from the cache.
    pub fn volatile(mut self) -> Self {
        self.volatile = true;
        self
    }

    /// Marks a successful answer as one to keep for the whole run.
    pub fn lasting(mut self) -> Self {
        self.lasting = true;
        self
    }

    /// Marks it as one that runs somebody else's code.
    pub fn untrusted(mut self) -> Self {
        self.untrusted = true;
        self
    }

    /// Runs it in this session.
    pub fn session(mut self, session: Session) -> Self {
        self.session = session;
        self
    }

    /// The program and arguments that are actually started (`setsid` in front for a session of its own, `setpriv` for
    /// another account).
    pub fn argv(&self) -> Vec<String> {
        let mut argv = Vec::new();
        if self.session == Session::Own {
            argv.push("setsid".to_owned());
        }
        if let Some((user, group)) = &self.user {
            let (user, group) = (format!("--reuid={user}"), format!("--regid={group}"));
            argv.extend(["setpriv", &user, &group, "--init-groups"].map(str::to_owned));
            // Not for Prosody itself, which may need new privileges.
            if self.untrusted {
                argv.push("--no-new-privs".to_owned());
            }
            argv.push("--".to_owned());
        }
        argv.push(self.program.clone());
        argv.extend(self.args.iter().cloned());
        argv
    }

    /// The command as a shell line.
    pub fn display(&self) -> String {
        shell_line(self.env.iter().map(|(name, value)| (name, value)), &self.argv(), self.stdin.is_some())
    }
}

/// A command as a shell line: variables, words, and a masked here-string if it has standard input.
pub fn shell_line<'a>(
    environment: impl IntoIterator<Item = (&'a String, &'a String)>,
    argv: &[String],
    input: bool,
) -> String {
    let variables = environment.into_iter().map(|(name, value)| format!("{name}={}", quote(value)));
    let words = variables.chain(argv.iter().map(|word| quote(word)));
    let input = input.then(|| format!("<<< {}", quote(crate::host::secret::MASK)));
    words.chain(input).collect::<Vec<_>>().join(" ")
}

/// One word, quoted for a shell if it needs quotes: bash if it contains control characters, which become escapes, and
/// otherwise any POSIX shell.
pub fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+.,:/@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    if word.chars().any(char::is_control) {
        let escaped = word.chars().map(|c| match c {
            '\n' => r"\n".to_owned(),
            '\t' => r"\t".to_owned(),
            '\'' | '\\' => format!(r"\{c}"),
            c if c.is_control() => c.to_string().bytes().map(|byte| format!(r"\x{byte:02x}")).collect(),
            c => c.to_string(),
        });
        return format!("$'{}'", escaped.collect::<String>());
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_display_as_shell_lines() {
        let command =
            Command::mutate("luarocks").args(["install", "a b", "it's"]).user("prosody", "xmpp").env("X", "1");
        assert_eq!(
            command.display(),
            r"X=1 setsid setpriv --reuid=prosody --regid=xmpp --init-groups -- luarocks install 'a b' 'it'\''s'"
        );
    }

    #[test]
    fn control_characters_survive_quoting_for_bash() {
        let word = "it's\\\n\x1b[1m\u{85}ü";
        assert_eq!(quote(word), r"$'it\'s\\\n\x1b[1m\xc2\x85ü'");
        let output = duct::cmd!("bash", "-c", format!("printf %s {}", quote(word))).read().unwrap();
        assert_eq!(output, word);
    }

    #[test]
    fn standard_input_is_never_shown() {
        let command = Command::mutate("debconf-set-selections").stdin("hunter-twelve");
        assert!(!command.display().contains("hunter"));
        assert!(!format!("{command:?}").contains("hunter"));
    }
}
