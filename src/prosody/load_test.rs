//! What Prosody's Lua can load: asked of that interpreter itself, as Prosody's own user, with Prosody's paths. Neither
//! dpkg nor luarocks can answer this.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::command::Command;
use crate::host::Host;
use crate::prosody::interpreter::Interpreter;
use crate::token::{Algorithm, Header, sign};
use crate::{probe::Era, secret::Secret};

/// Its lines of input and output are described in the file.
/// (The line break in front: Lua takes an argument that begins with a dash for an option.)
const SCRIPT: &str = concat!("\n", include_str!("../../templates/load-test.lua"));

/// What the name of a file gets when it is moved aside: nothing loads it then.
pub const ASIDE: &str = ".set-aside-by-jitsi-tokens-setup";

/// Why a module does not load, or not as it should.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trouble {
    /// The first line of the error.
    pub why: String,
    /// Files that have to go before another copy can be found, the first one first.
    pub in_the_way: Vec<PathBuf>,
    /// Whether a better copy is behind them.
    pub behind: bool,
}

impl Trouble {
    /// The trouble in a line, with the file that makes it.
    pub fn text(&self, module: &str) -> String {
        match self.in_the_way.first() {
            Some(file) if !self.why.contains(&*file.to_string_lossy()) => {
                format!("{module}: {}: {}", file.display(), self.why)
            }
            _ if self.why.contains(module) => self.why.clone(),
            _ => format!("{module}: {}", self.why),
        }
    }
}

/// Where a link to a pure module is put.
pub fn linked(module: &str, lua: &Interpreter) -> PathBuf {
    let file = format!("{}.lua", module.replace('.', "/"));
    Path::new("/usr/local/share/lua")
        .join(&lua.version)
        .join(file)
}

/// What loading one module gave: its file, or the trouble.
pub type Loaded = Result<PathBuf, Trouble>;

/// What the interpreter can load.
#[derive(Clone, Debug, Default)]
pub struct LoadTest {
    /// For each module asked for, what came of it.
    pub modules: BTreeMap<String, Loaded>,
    /// Every file that was loaded on the way.
    pub files: Vec<PathBuf>,
    /// Whether `luajwtjitsi` does what is asked of it.
    pub jwt: Option<Result<(), Trouble>>,
    /// Which file serves as the module, of those that were tried by path.
    pub fits: Vec<(String, PathBuf)>,
}

impl LoadTest {
    /// Tries to load `modules`, each with whatever it needs itself, and asks `luajwtjitsi` to do what the plugin of
    /// this era asks of it: take a good token and refuse a bad one. One child for all.
    pub fn run(host: &dyn Host, lua: &Interpreter, modules: &[String], era: Era) -> Result<Self> {
        Self::ask(host, lua, &Self::question(lua, modules, era))
    }

    /// The query behind [`LoadTest::run`].
    pub fn question(lua: &Interpreter, modules: &[String], era: Era) -> Command {
        let mut input: String = modules
            .iter()
            .map(|module| format!("module {module}\n"))
            .collect();
        input.push_str(&jwt_question(era));
        query(lua, input)
    }

    /// Whether this file, which the interpreter does not find by itself, serves as the module.
    pub fn fits(host: &dyn Host, lua: &Interpreter, module: &str, file: &Path) -> Result<bool> {
        let question = query(lua, format!("try {module} {}\n", file.display()));
        let test = Self::ask(host, lua, &question)?;
        Ok(!test.fits.is_empty())
    }

    fn ask(host: &dyn Host, lua: &Interpreter, question: &Command) -> Result<Self> {
        let output = host.run(question)?;
        if !output.ok() {
            bail!(
                "{} failed: {}",
                lua.path.display(),
                output.stderr.lines().next().unwrap_or("no reason given")
            );
        }
        Self::parse(&output.stdout)
    }

    fn parse(text: &str) -> Result<Self> {
        let mut test = Self::default();
        for line in text.lines() {
            let fields: Vec<&str> = line.splitn(3, '\t').collect();
            let trouble = |why: &str| Trouble {
                why: why.to_owned(),
                ..Trouble::default()
            };
            match fields[..] {
                ["ok", module, file] => {
                    test.modules.insert(module.to_owned(), Ok(file.into()));
                }
                ["no", module, why] => {
                    test.modules.insert(module.to_owned(), Err(trouble(why)));
                }
                ["way", module, file] => {
                    if let Some(trouble) = test.trouble(module) {
                        trouble.in_the_way.push(file.into());
                    }
                }
                ["free", module] => {
                    if let Some(trouble) = test.trouble(module) {
                        trouble.behind = true;
                    }
                }
                ["fits", module, file] => test.fits.push((module.to_owned(), file.into())),
                ["unfit", ..] => {}
                ["file", path] => test.files.push(path.into()),
                ["jwt", "ok"] => test.jwt = Some(Ok(())),
                ["jwt", "no", why] => test.jwt = Some(Err(trouble(why))),
                _ => bail!("the load test printed something unexpected: {line:?}"),
            }
        }
        Ok(test)
    }

    /// The trouble that the lines behind it speak of.
    fn trouble(&mut self, module: &str) -> Option<&mut Trouble> {
        match self.modules.get_mut(module) {
            Some(loaded) => loaded.as_mut().err(),
            None => self.jwt.as_mut().and_then(|jwt| jwt.as_mut().err()),
        }
    }
}

/// The script in this interpreter, as Prosody's user with the daemon's environment.
fn query(lua: &Interpreter, input: String) -> Command {
    let query = Command::query(lua.path.display().to_string())
        .args(["-e", SCRIPT])
        .user("prosody")
        .env("HOME", "/var/lib/prosody")
        .env("PROSODY_SOURCES", lua.sources.display().to_string())
        .env("SET_ASIDE", ASIDE)
        .stdin(input);
    let daemons = lua.env.iter();
    daemons.fold(query, |query, (name, value)| query.env(name, value))
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

    #[test]
    fn the_answer_of_the_load_test_is_understood() {
        let test = LoadTest::parse(
            "ok\tbasexx\t/a.lua\nno\tcjson\tbad\nway\tcjson\t/x/cjson.so\nfree\tcjson\nfile\t/a.lua\njwt\tno\tno \
             decode\nway\tluajwtjitsi\t/b.lua\nfits\tinspect\t/c.lua\n",
        )
        .unwrap();
        assert_eq!(test.modules["basexx"], Ok("/a.lua".into()));
        let trouble = test.modules["cjson"].as_ref().unwrap_err();
        assert_eq!(trouble.in_the_way, [Path::new("/x/cjson.so")]);
        assert!(trouble.behind);
        assert_eq!(trouble.text("cjson"), "cjson: /x/cjson.so: bad");
        let jwt = test.jwt.unwrap().unwrap_err();
        assert_eq!(
            (jwt.why.as_str(), jwt.behind, jwt.in_the_way.len()),
            ("no decode", false, 1)
        );
        assert_eq!(test.fits.len(), 1);
        assert!(LoadTest::parse("what\n").is_err());
    }
}
