//! The Lua that runs Prosody, and what it can load: asked of that interpreter itself, as Prosody's own user, with
//! Prosody's paths. Neither dpkg nor luarocks can answer this.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::command::Command;
use crate::host::Host;
use crate::token::{Algorithm, Header, sign};
use crate::{probe::Era, secret::Secret};

/// The interpreter of the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interpreter {
    /// Its path.
    pub path: PathBuf,
    /// Its version, `5.2`.
    pub version: String,
}

/// What loading one module gave: its file, or the error's first line.
pub type Loaded = Result<PathBuf, String>;

/// Where Prosody's own modules are.
pub const SOURCES: &str = "/usr/lib/prosody";

/// Runs in Prosody's Lua. Every line of input is `module NAME` or `jwt FUNCTION TOKEN GOOD-KEY BAD-KEY`.
/// (The line break in front: Lua takes an argument that begins with a dash for an option.)
const SCRIPT: &str = concat!("\n", include_str!("../../templates/load-test.lua"));

impl Interpreter {
    /// The interpreter that `prosody` names in its first line, found on the path that systemd gives the daemon.
    pub fn find(host: &dyn Host) -> Result<Option<Self>> {
        let Some(program) = host.read(Path::new("/usr/bin/prosody"))? else {
            return Ok(None);
        };
        let first = program
            .split(|byte| *byte == b'\n')
            .next()
            .unwrap_or_default();
        let first = String::from_utf8_lossy(first);
        let Some(name) = first
            .strip_prefix("#!")
            .and_then(|line| line.split(['/', ' ', '\t']).rfind(|w| !w.is_empty()))
        else {
            bail!("/usr/bin/prosody does not name its interpreter in its first line");
        };
        let version = name
            .strip_prefix("lua")
            .filter(|version| version.starts_with("5."))
            .with_context(|| {
                format!(
                    "/usr/bin/prosody is run by “{name}”, which is no Lua that this program knows"
                )
            })?;
        for folder in [
            "/usr/local/sbin",
            "/usr/local/bin",
            "/usr/sbin",
            "/usr/bin",
            "/sbin",
            "/bin",
        ] {
            let path = Path::new(folder).join(name);
            if host.exists(&path)? {
                return Ok(Some(Self {
                    path,
                    version: version.to_owned(),
                }));
            }
        }
        bail!("{name}, which runs Prosody, is not installed")
    }

    /// Tries to load `modules`, each with whatever it needs itself, and asks `luajwtjitsi` to do what the plugin of
    /// this era asks of it: take a good token and refuse a bad one. One child for all.
    pub fn load_test(&self, host: &dyn Host, modules: &[String], era: Era) -> Result<LoadTest> {
        let mut input: String = modules
            .iter()
            .map(|module| format!("module {module}\n"))
            .collect();
        input.push_str(&jwt_question(era));
        let query = Command::query(self.path.display().to_string())
            .args(["-e", SCRIPT])
            .user("prosody")
            .env("HOME", "/var/lib/prosody")
            .env("PROSODY_SOURCES", SOURCES)
            .stdin(input);
        let output = host.run(&query)?;
        if !output.ok() {
            bail!(
                "{} failed: {}",
                self.path.display(),
                output.stderr.lines().next().unwrap_or("no reason given")
            );
        }
        LoadTest::parse(&output.stdout)
    }
}

/// What the interpreter can load.
#[derive(Clone, Debug, Default)]
pub struct LoadTest {
    /// For each module asked for, what came of it.
    pub modules: BTreeMap<String, Loaded>,
    /// Every file that was loaded on the way.
    pub files: Vec<PathBuf>,
    /// Whether `luajwtjitsi` does what is asked of it: `Err` says what it did instead.
    pub jwt: Option<Result<(), String>>,
}

impl LoadTest {
    fn parse(text: &str) -> Result<Self> {
        let mut test = Self::default();
        for line in text.lines() {
            let fields: Vec<&str> = line.splitn(3, '\t').collect();
            match fields[..] {
                ["ok", module, file] => {
                    test.modules.insert(module.to_owned(), Ok(file.into()));
                }
                ["no", module, why] => {
                    test.modules.insert(module.to_owned(), Err(why.to_owned()));
                }
                ["file", path] => test.files.push(path.into()),
                ["jwt", "ok"] => test.jwt = Some(Ok(())),
                ["jwt", "no", why] => test.jwt = Some(Err(why.to_owned())),
                _ => bail!("the load test printed something unexpected: {line:?}"),
            }
        }
        Ok(test)
    }

    /// Whether `module` loads; the error says why not.
    pub fn loads(&self, host: &dyn Host, module: &str) -> Result<(), String> {
        if host.assumed().modules.iter().any(|known| known == module) {
            return Ok(());
        }
        match self.modules.get(module) {
            Some(Ok(_)) => Ok(()),
            Some(Err(why)) => Err(why.clone()),
            None => Err(format!("{module} was not tried")),
        }
    }
}

/// The plugin's own demand, with keys and tokens made for this one question.
fn jwt_question(era: Era) -> String {
    let function = match era {
        Era::Decode => "decode",
        Era::Verify => "verify",
        Era::Bundled => return String::new(),
    };
    let key = Secret::unlisted("key-of-the-load-test");
    let token = |issuer: &str| {
        let claims = serde_json::json!({"iss": issuer, "aud": "jitsi", "room": "*", "exp": 4_000_000_000_u64});
        sign(
            &Header::new(Algorithm::Hs256),
            claims.as_object().unwrap_or(&serde_json::Map::new()),
            &key,
        )
    };
    format!(
        "jwt {function} {} {} {} another-key\n",
        token("good"),
        token("bad"),
        key.reveal()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::FakeHost;

    #[test]
    fn the_interpreter_is_the_one_that_the_daemon_runs() {
        let host = FakeHost::new()
            .file("/usr/bin/prosody", "#!/usr/bin/env lua5.2\nprint()\n")
            .file("/usr/bin/lua5.2", "")
            .file("/usr/local/bin/lua5.2", "");
        let found = Interpreter::find(&host).unwrap().unwrap();
        assert_eq!(
            (found.path.to_str().unwrap(), found.version.as_str()),
            ("/usr/local/bin/lua5.2", "5.2")
        );
        assert_eq!(Interpreter::find(&FakeHost::new()).unwrap(), None);
    }

    #[test]
    fn the_answer_of_the_load_test_is_understood() {
        let test = LoadTest::parse(
            "ok\tbasexx\t/a.lua\nno\tcjson\tnot found\nfile\t/a.lua\njwt\tno\tno decode\n",
        )
        .unwrap();
        assert_eq!(test.modules["basexx"], Ok("/a.lua".into()));
        assert_eq!(test.modules["cjson"], Err("not found".into()));
        assert_eq!(test.jwt, Some(Err("no decode".into())));
        assert!(LoadTest::parse("what\n").is_err());
    }
}
