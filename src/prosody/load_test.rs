//! What Prosody's Lua can load, asked of that interpreter itself, as Prosody's own user and with Prosody's paths;
//! neither dpkg nor luarocks can tell. The modules run during the test, so its answers are evidence: they say how each
//! question came out, and nothing else. Root locates files by itself, along the search path.

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail};

use crate::host::command::Command;
use crate::host::ownership::changeable_or_target;
use crate::host::secret::Secret;
use crate::host::{Host, Output};
use crate::prosody::era::Era;
use crate::prosody::interpreter::Interpreter;
use crate::prosody::search_path::{SearchPath, is_module_name};
use crate::token::{Algorithm, Header, sign};

/// The module that is judged by what it does, not by whether it loads.
const JWT: &str = "luajwtjitsi";

/// The script that answers; the file describes its input and output. The line break comes first because Lua takes an
/// argument that starts with a dash as an option.
const SCRIPT: &str = concat!("\n", include_str!("../../templates/load-test.lua"));

/// How long one round of questions may take on a machine with slow disks; a tenth of a second is usual.
const LIMIT: Duration = Duration::from_secs(60);

/// A round that takes longer than this is taken to hang. If users other than root can add modules, it is stopped at
/// this point and asked again without theirs.
const SLOW: Duration = Duration::from_secs(5);

/// How many such rounds make the test give up.
const GIVEN_UP: usize = 2;

/// The most files that can be in the way of one module.
const ROUNDS: usize = 8;

/// The longest reason that is passed on, in characters.
const REASON: usize = 300;

/// How many loaded modules are remembered at most.
const LOADED: usize = 1000;

/// The suffix of a file that is moved aside: nothing loads it then.
pub const ASIDE: &str = ".set-aside-by-jitsi-tokens-setup";

/// Why a module does not load, or does not work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trouble {
    /// The first line of the error, as evidence for people to read.
    pub why: String,
    /// Files, or a folder of other users, that must go before another copy can be found, in this order. Root finds
    /// them.
    pub in_the_way: Vec<PathBuf>,
    /// Whether a working copy is behind them.
    pub behind: bool,
}

impl Trouble {
    /// The trouble on one line, with the file that causes it.
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

/// Where a link to a pure Lua module is put.
pub fn linked(module: &str, lua: &Interpreter) -> PathBuf {
    let file = format!("{}.lua", module.replace('.', "/"));
    Path::new("/usr/local/share/lua").join(&lua.version).join(file)
}

/// The result of loading one module.
pub type Loaded = Result<(), Trouble>;

/// What the interpreter can load.
#[derive(Clone, Debug, Default)]
pub struct LoadTest {
    /// The result for each module asked about.
    pub modules: BTreeMap<String, Loaded>,
    /// Whether `luajwtjitsi` does what the plugin needs; none if the plugin ships its own.
    pub jwt: Option<Loaded>,
    /// The names of all modules that the test loaded.
    loaded: BTreeSet<String>,
}

/// Where the interpreter looks for modules, as root works it out.
struct Places {
    all: SearchPath,
    /// The places in folders that only root can write to.
    roots: SearchPath,
    /// The folders that other users can write to, if they exist.
    others: Vec<PathBuf>,
}

impl Places {
    fn of(host: &dyn Host, lua: &Interpreter) -> Result<Self> {
        let all = SearchPath::of(host, lua)?;
        let (roots, others) = all.split(host)?;
        let mut others = others.folders(host)?;
        // luarocks' loader reads settings and manifests there, whether there are modules or not.
        let rocks = lua.account.home.join(".luarocks");
        if host.exists(&rocks)? && changeable_or_target(host, &rocks)?.is_some() {
            others.push(rocks);
        }
        Ok(Self { all, roots, others })
    }

    fn everywhere(&self) -> Look<'_> {
        Look::Everywhere { shared: !self.others.is_empty() }
    }
}

/// Where a round of questions looks for modules.
#[derive(Clone, Copy)]
enum Look<'a> {
    /// Wherever Prosody looks. What any user put there may answer.
    Everywhere {
        /// Whether users other than root can add modules there.
        shared: bool,
    },
    /// Only in these places.
    Only(&'a SearchPath),
}

/// A question to the interpreter.
#[derive(Clone, Debug)]
struct Question {
    /// The number that its answer carries.
    number: usize,
    /// The module that it is about.
    module: String,
    /// The question in the words of `load-test.lua`.
    words: String,
    /// Files that are treated as missing.
    without: Vec<PathBuf>,
}

impl Question {
    fn new(number: usize, module: &str, words: String) -> Self {
        Self { number, module: module.to_owned(), words, without: Vec::new() }
    }
}

/// What the interpreter answered.
#[derive(Default)]
struct Answers {
    /// By question number, with a reason if the answer is no.
    of: BTreeMap<usize, Result<(), String>>,
    loaded: BTreeSet<String>,
}

impl LoadTest {
    /// Tries to load `modules`, each with its own dependencies, and has `luajwtjitsi` do what the plugin of this era
    /// needs: accept a valid token and reject an invalid one. One child process does it all, unless something is wrong.
    pub fn run(host: &dyn Host, lua: &Interpreter, modules: &[String], era: Era) -> Result<Self> {
        let questions = questions(modules, era);
        let places = Places::of(host, lua)?;
        let Answers { mut of, loaded } = ask(host, lua, places.everywhere(), &questions)?;
        let mut troubled = Vec::new();
        for question in &questions {
            if let Some(Err(why)) = of.remove(&question.number) {
                let trouble = Trouble { why, ..Trouble::default() };
                troubled.push((question.clone(), trouble));
            }
        }
        let known: Vec<&str> = questions.iter().map(|asked| asked.module.as_str()).collect();
        explain(host, lua, &places, &known, &mut troubled)?;
        let mut test = Self { loaded, ..Self::default() };
        for question in &questions {
            let is = |(asked, _): &&(Question, Trouble)| asked.number == question.number;
            let trouble = troubled.iter().find(is).map(|(_, trouble)| trouble.clone());
            let loaded = trouble.map_or(Ok(()), Err);
            if question.module == JWT {
                test.jwt = Some(loaded);
            } else {
                test.modules.insert(question.module.clone(), loaded);
            }
        }
        Ok(test)
    }

    /// The query that [`LoadTest::run`] starts with.
    pub fn question(host: &dyn Host, lua: &Interpreter, modules: &[String], era: Era) -> Result<Command> {
        let places = Places::of(host, lua)?;
        Ok(query(lua, places.everywhere(), &questions(modules, era)))
    }

    /// Whether this file, which the interpreter does not find by itself, works as the module. Other users' files play
    /// no part in it.
    pub fn fits(host: &dyn Host, lua: &Interpreter, module: &str, file: &Path) -> Result<bool> {
        let words = format!("try {module} {}", file.display());
        let roots = Places::of(host, lua)?.roots.closed(host);
        let question = [Question::new(1, module, words)];
        let answers = ask(host, lua, Look::Only(&roots), &question)?;
        Ok(answers.of[&1].is_ok())
    }

    /// Every file that a running Prosody may have loaded these modules from.
    pub fn files(&self, host: &dyn Host, lua: &Interpreter) -> Result<Vec<PathBuf>> {
        let path = SearchPath::of(host, lua)?;
        let mut files = Vec::new();
        for module in &self.loaded {
            files.extend(path.candidates(host, module)?.into_iter().next());
        }
        // A file that was moved aside may still be in the daemon's memory.
        for module in self.modules.keys().map(String::as_str).chain([JWT]) {
            for place in path.places(module) {
                let aside = aside(&place);
                if host.exists(&aside)? {
                    files.push(aside);
                }
            }
        }
        Ok(files)
    }
}

/// The name that a file gets when it is moved aside.
pub fn aside(file: &Path) -> PathBuf {
    let mut name = file.to_owned().into_os_string();
    name.push(ASIDE);
    name.into()
}

fn questions(modules: &[String], era: Era) -> Vec<Question> {
    let asked = modules
        .iter()
        .filter(|module| is_module_name(module))
        .map(|module| (module.as_str(), format!("module {module}")));
    let asked = asked.chain(jwt_question(era).map(|words| (JWT, words)));
    let numbered = asked.enumerate();
    numbered.map(|(at, (module, words))| Question::new(at + 1, module, words)).collect()
}

/// The user that owns nothing on Debian.
const NOBODY: &str = "nobody";

/// Runs the script in this interpreter, as Prosody's user and with the unit's variables. In root's places only, it runs
/// as nobody in Prosody's group: any process of Prosody's user could kill or tamper with one that runs as that user,
/// and root's files would be blamed for it.
fn query(lua: &Interpreter, look: Look, questions: &[Question]) -> Command {
    let mut input = String::new();
    for Question { number, words, without, .. } in questions {
        for file in without {
            input += &format!("{number} without {}\n", file.display());
        }
        input += &format!("{number} {words}\n");
    }
    let path = lua.path.display().to_string();
    let query = Command::query(path)
        .args(["-e", SCRIPT])
        .env("PROSODY_SOURCES", lua.sources.display().to_string())
        .stdin(input)
        .untrusted();
    let with = |query: Command, variables: &[(String, String)]| {
        let variables = variables.iter();
        variables.fold(query, |query, (name, value)| query.env(name, value))
    };
    match look {
        Look::Everywhere { shared } => {
            let limit = if shared { SLOW } else { LIMIT };
            let home = lua.account.home.display().to_string();
            with(lua.account.runs(query).timeout(limit).env("HOME", home), &lua.env)
        }
        // Without the rocks in the home of Prosody's user.
        Look::Only(path) => {
            let variables = path.variables();
            let query = query.user(NOBODY, &lua.account.group);
            with(query.timeout(LIMIT).env("HOME", "/nonexistent"), &variables)
        }
    }
}

/// Gets an answer to every question. If one makes the interpreter exit or hang, that is its answer, and the questions
/// after it are asked again.
fn ask(host: &dyn Host, lua: &Interpreter, look: Look, questions: &[Question]) -> Result<Answers> {
    let mut all = Answers::default();
    let mut open = questions.to_vec();
    let mut slow = 0;
    while !open.is_empty() {
        let asked = host.now();
        let output = host.run(&query(lua, look, &open))?;
        let long = host.now().duration_since(asked).is_ok_and(|took| took > SLOW);
        all.take(&output.stdout, &open);
        open.retain(|question| !all.of.contains_key(&question.number));
        if open.is_empty() {
            break;
        }
        let why = end_of(&output);
        // Who is to blame is found out by asking again without their files.
        let shared = matches!(look, Look::Everywhere { shared: true });
        if shared && (long || output.cut.is_some() || all.of.is_empty()) {
            let unanswered = open.iter().map(|question| (question.number, Err(why.clone())));
            all.of.extend(unanswered);
            break;
        }
        if all.of.is_empty() {
            let nothing = [Question::new(0, "string", "module string".to_owned())];
            let output = host.run(&query(lua, look, &nothing))?;
            if Answers::default().take(&output.stdout, &nothing) == 0 {
                let (path, why) = (lua.path.display(), end_of(&output));
                bail!("{path} fails before loading any module: {why}");
            }
        }
        let Question { number, module, .. } = open.remove(0);
        slow += usize::from(long || output.cut.is_some());
        if slow == GIVEN_UP {
            bail!("several Lua modules never finish loading, including {module}: {why}");
        }
        all.of.insert(number, Err(why));
    }
    Ok(all)
}

impl Answers {
    /// Takes one answer to each of these questions and ignores everything else. Returns how many it took.
    fn take(&mut self, text: &str, questions: &[Question]) -> usize {
        let mut taken = 0;
        for line in text.lines() {
            let fields: Vec<&str> = line.splitn(3, '\t').collect();
            let (number, answer) = match fields[..] {
                ["loaded", name] => {
                    if is_module_name(name) && self.loaded.len() < LOADED {
                        self.loaded.insert(name.to_owned());
                    }
                    continue;
                }
                [number, "yes"] => (number, Ok(())),
                [number, "no", why] => (number, Err(printable(why))),
                _ => continue,
            };
            let is = |question: &&Question| question.number.to_string() == number;
            let Some(question) = questions.iter().find(is) else {
                continue;
            };
            if let Entry::Vacant(place) = self.of.entry(question.number) {
                place.insert(answer);
                taken += 1;
            }
        }
        taken
    }
}

/// How the interpreter ended before it had answered everything.
fn end_of(output: &Output) -> String {
    let ended = match (&output.cut, output.code) {
        (Some(why), _) => format!("loading it never finishes ({why})"),
        (None, Some(0)) => "Lua exited while loading it".to_owned(),
        (None, Some(code)) => format!("Lua exited with code {code} while loading it"),
        (None, None) => "Lua was killed by a signal while loading it: it crashed or ran too long".to_owned(),
    };
    let said = output.stderr.lines().find(|line| !line.trim().is_empty());
    match said {
        Some(said) => printable(&format!("{ended}: {said}")),
        None => ended,
    }
}

/// Makes untrusted text safe to show.
fn printable(text: &str) -> String {
    let plain = |c: char| {
        if c == ' ' || c.is_ascii_graphic() { c } else { '?' }
    };
    text.chars().take(REASON).map(plain).collect()
}

/// Finds out which files are in the way, and whether removing them is enough, by asking again as if they did not exist.
/// The reasons given only choose among the files that root finds for the modules it knows. Users other than root may
/// have made up the answers, so everything is asked again without their files: what is still missing really is missing,
/// and what loads then is kept from loading by them.
fn explain(
    host: &dyn Host,
    lua: &Interpreter,
    places: &Places,
    known: &[&str],
    troubled: &mut [(Question, Trouble)],
) -> Result<()> {
    if troubled.is_empty() {
        return Ok(());
    }
    let (theirs, roots) = files(host, &places.all, known)?;
    // Even if they have no folder: they can kill whatever runs as their user.
    let closed = places.roots.closed(host);
    let look = Look::Only(&closed);
    let mut reasons = without_untrusted(host, lua, places, &closed, &theirs, troubled)?;
    for _ in 0..ROUNDS {
        let mut again = Vec::new();
        for (question, trouble) in troubled.iter_mut() {
            let Some(why) = reasons.get(&question.number) else {
                continue;
            };
            let own = places.all.candidates(host, &question.module)?;
            let own: Vec<PathBuf> = own.into_iter().filter(|file| roots.contains(file)).collect();
            let culprit = culprit(why, &own, &roots, &question.without);
            if let Some(file) = culprit.filter(|file| !is_from_debian(file, lua)) {
                question.without.push(file.clone());
                trouble.in_the_way.push(file);
                again.push(question.clone());
            }
        }
        if again.is_empty() {
            break;
        }
        let mut answers = ask(host, lua, look, &again)?.of;
        reasons.clear();
        for (question, trouble) in troubled.iter_mut() {
            match answers.remove(&question.number) {
                Some(Ok(())) => trouble.behind = true,
                Some(Err(why)) => drop(reasons.insert(question.number, why)),
                None => {}
            }
        }
    }
    Ok(())
}

/// The existing files of these modules: those that users other than root can change, and root's.
fn files(host: &dyn Host, path: &SearchPath, known: &[&str]) -> Result<(BTreeSet<PathBuf>, BTreeSet<PathBuf>)> {
    let (mut theirs, mut roots) = (BTreeSet::new(), BTreeSet::new());
    let names: BTreeSet<String> = known
        .iter()
        .flat_map(|module| {
            let family = module.split('.').next().unwrap_or(module);
            // luaossl's own library is called _openssl.so.
            [(*module).to_owned(), family.to_owned(), format!("_{family}")]
        })
        .collect();
    // Most folders on the path do not exist.
    let path = path.existing(host)?;
    for name in names {
        for file in path.candidates(host, &name)? {
            let files = match changeable_or_target(host, &file) {
                Ok(None) => &mut roots,
                // An error means that it leads through another user's link.
                _ => &mut theirs,
            };
            files.insert(file);
        }
    }
    Ok((theirs, roots))
}

/// Asks again without the files that users other than root can change. Returns the reasons that remain; where none
/// does, one of their files is in the way.
fn without_untrusted(
    host: &dyn Host,
    lua: &Interpreter,
    places: &Places,
    closed: &SearchPath,
    theirs: &BTreeSet<PathBuf>,
    troubled: &mut [(Question, Trouble)],
) -> Result<BTreeMap<usize, String>> {
    for (question, trouble) in troubled.iter_mut() {
        let own = places.all.candidates(host, &question.module)?;
        let own: Vec<PathBuf> = own.into_iter().filter(|file| theirs.contains(file)).collect();
        trouble.in_the_way.extend(culprit(&trouble.why, &own, theirs, &[]));
        let in_roots = closed.candidates(host, &question.module)?;
        question.without.extend(in_roots.into_iter().filter(|file| theirs.contains(file)));
    }
    let questions: Vec<Question> = troubled.iter().map(|(question, _)| question.clone()).collect();
    let mut answers = ask(host, lua, Look::Only(closed), &questions)?.of;
    let mut reasons = BTreeMap::new();
    for (question, trouble) in troubled.iter_mut() {
        match answers.remove(&question.number) {
            Some(Ok(())) => {
                trouble.behind = true;
                if trouble.in_the_way.is_empty() {
                    // The reason may name any file they like, so it is ignored.
                    let place = places.others.first().or(theirs.first()).cloned();
                    trouble.in_the_way.extend(place.or_else(|| places.roots.others_place(host)));
                    if trouble.in_the_way.is_empty() {
                        let (user, why) = (&lua.account.user, &trouble.why);
                        bail!(
                            "the user {user} cannot load the Lua module {} ({why}), and the cause was not found; \
                             check the running processes of {user}",
                            question.module
                        );
                    }
                }
            }
            Some(Err(why)) => {
                if trouble.in_the_way.is_empty() {
                    trouble.why.clone_from(&why);
                }
                reasons.insert(question.number, why);
            }
            None => {}
        }
    }
    Ok(reasons)
}

/// The file to blame: the one of `files` that the reason names, else the first of the module's own.
fn culprit(why: &str, own: &[PathBuf], files: &BTreeSet<PathBuf>, gone: &[PathBuf]) -> Option<PathBuf> {
    let there = |file: &&PathBuf| !gone.contains(file);
    let named = |file: &&PathBuf| {
        let end = |at: usize, text: &str| {
            !why[at + text.len()..].starts_with(|c: char| c.is_alphanumeric() || "._-/".contains(c))
        };
        let text = file.to_string_lossy();
        why.match_indices(&*text).any(|(at, text)| end(at, text))
    };
    let blamed = files.iter().filter(there).find(named);
    // Prosody's user does not find files that it cannot read, so they are in nobody's way.
    let first = || own.iter().find(there).filter(|_| !why.contains("' not found"));
    blamed.or_else(first).cloned()
}

/// Whether a file is Debian's, so not ours to move even if it is broken. What is among Prosody's own may be anybody's.
fn is_from_debian(file: &Path, lua: &Interpreter) -> bool {
    let debians = file.starts_with("/usr/share/lua") || file.starts_with("/usr/lib");
    debians && !file.starts_with(&lua.sources)
}

/// What the plugin needs of `luajwtjitsi`, with keys and tokens made for this one question.
fn jwt_question(era: Era) -> Option<String> {
    let function = match era {
        Era::Decode => "decode",
        Era::Verify => "verify",
        Era::Bundled => return None,
    };
    let key = Secret::unlisted("key-of-the-load-test");
    let token = |issuer: &str| {
        let claims = serde_json::json!({"iss": issuer, "aud": "jitsi", "room": "*", "exp": 4_000_000_000_u64});
        sign(&Header::new(Algorithm::Hs256), claims.as_object().unwrap_or(&serde_json::Map::new()), &key)
    };
    let (good, bad) = (token("good"), token("bad"));
    Some(format!("jwt {function} {good} {bad} {} another-key", key.reveal()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::{FakeHost, output};

    fn lua() -> Interpreter {
        Interpreter::debians("5.4")
    }

    /// A machine whose Lua answers with what `answer` makes of its input.
    fn machine(answer: impl Fn(&str) -> Option<Output> + 'static) -> FakeHost {
        FakeHost::new().answers(move |command| match &command.stdin {
            Some(input) => answer(input.reveal()),
            None => output(
                0,
                "Lua 5.4\n/usr/local/share/lua/5.4/?.lua\n/usr/local/lib/lua/5.4/?.so;/usr/lib/lua/5.4/?.so\n",
            ),
        })
    }

    fn run(host: &FakeHost, modules: &[&str]) -> LoadTest {
        let modules: Vec<String> = modules.iter().map(|name| (*name).to_owned()).collect();
        LoadTest::run(host, &lua(), &modules, Era::Bundled).unwrap()
    }

    fn why(test: &LoadTest, module: &str) -> String {
        test.modules[module].as_ref().unwrap_err().why.clone()
    }

    #[test]
    fn only_first_answers_to_asked_questions_count() {
        let host = machine(|_| {
            output(
                0,
                "noise\n1\tyes\n1\tno\tlate\n2\tno\t\u{1b}[2J/etc/shadow\u{202e}\n7\tyes\n02\tyes\n\
                 way\tbasexx\t/etc/passwd\nfree\tbasexx\nfile\t/etc/shadow\nok\tcjson\t/etc/passwd\n\
                 loaded\tbasexx\nloaded\t../../etc/passwd\nloaded\ta\tb\n",
            )
        })
        .file("/usr/local/share/lua/5.4/basexx.lua", "")
        .file("/etc/passwd", "root:x:0:0::/root:\n");
        let test = run(&host, &["basexx", "cjson"]);
        assert_eq!(test.modules["basexx"], Ok(()));
        assert_eq!(why(&test, "cjson"), "?[2J/etc/shadow?");
        assert_eq!(test.modules["cjson"].as_ref().unwrap_err().in_the_way, [] as [&Path; 0]);
        assert_eq!(test.modules.len(), 2);
        let files = test.files(&host, &lua()).unwrap();
        assert_eq!(files, [Path::new("/usr/local/share/lua/5.4/basexx.lua")]);
    }

    #[test]
    fn the_reason_only_selects_among_files_root_finds() {
        let stale = "/usr/local/lib/lua/5.4/cjson.so";
        let host =
            machine(move |input| match input.contains("1 without /usr/local/lib/lua/5.4/cjson.so\n1 module cjson\n") {
                true => output(0, "1\tyes\n"),
                false => {
                    output(0, "1\tno\tcannot load /etc/passwd and /usr/local/lib/lua/5.4/cjson.so: undefined symbol\n")
                }
            })
            .file(stale, "")
            .file("/usr/lib/lua/5.4/cjson.so", "")
            .file("/etc/passwd", "");
        let test = run(&host, &["cjson"]);
        let trouble = test.modules["cjson"].as_ref().unwrap_err();
        assert_eq!((&trouble.in_the_way[..], trouble.behind), (&[PathBuf::from(stale)][..], true));
    }

    #[test]
    fn a_broken_copy_is_blamed_but_not_debians_own() {
        let host = machine(|_| output(0, "1\tno\tit has no function encode\n"))
            .file("/usr/local/lib/lua/5.4/cjson.so", "")
            .file("/usr/lib/lua/5.4/cjson.so", "");
        let test = run(&host, &["cjson"]);
        let trouble = test.modules["cjson"].as_ref().unwrap_err();
        assert_eq!(trouble.in_the_way, [Path::new("/usr/local/lib/lua/5.4/cjson.so")]);
        assert!(!trouble.behind);
        assert_eq!(trouble.text("cjson"), "cjson: /usr/local/lib/lua/5.4/cjson.so: it has no function encode");
        let absent =
            machine(|_| output(0, "1\tno\tmodule 'cjson' not found:\n")).file("/usr/local/lib/lua/5.4/cjson.so", "");
        assert!(run(&absent, &["cjson"]).modules["cjson"].as_ref().unwrap_err().in_the_way.is_empty());
    }

    const THEIRS: &str = "/var/lib/prosody/custom_plugins/share/lua/5.4";

    /// A machine where Prosody's user can add modules too, and Lua's answers with and without them.
    fn shared(with: &'static str, without: &'static str) -> FakeHost {
        FakeHost::new()
            .answers(move |command| {
                let only_roots = command.env.iter().any(|(name, _)| name == "ONLY_PATH");
                match (&command.stdin, only_roots) {
                    (None, _) => output(0, "Lua 5.4\n/usr/local/share/lua/5.4/?.lua\n/usr/lib/lua/5.4/?.so\n"),
                    (Some(_), true) => {
                        let is = |(name, value): &(String, String)| {
                            (name == "ONLY_PATH" && value == "/usr/local/share/lua/5.4/?.lua")
                                || (name == "HOME" && value == "/nonexistent")
                        };
                        assert_eq!(command.env.iter().filter(|pair| is(pair)).count(), 2);
                        output(0, without)
                    }
                    (Some(_), false) if with.is_empty() => {
                        Some(Output { cut: Some("timed out after 10 s".to_owned()), ..Output::default() })
                    }
                    (Some(_), false) => output(0, with),
                }
            })
            .file("/usr/local/share/lua/5.4/basexx.lua", "")
            .file(&format!("{THEIRS}/_cjson/core.lua"), "")
            .access("/var/lib/prosody", 0o750, 104, 107)
    }

    /// Whatever their code answers, nothing is fetched for a module that loads without it.
    #[test]
    fn a_module_hidden_by_untrusted_files_is_not_missing() {
        let lies = [
            "1\tno\tmodule 'cjson' not found:\n",
            "1\tno\terror in '/var/lib/prosody/custom_plugins/share/lua/5.4/_cjson/core.lua':\n",
            "1\tno\t/var/lib/prosody/custom_plugins/share/lua/5.4/../../../../passwd: bad\n",
            "noise\n",
            // It never ends.
            "",
        ];
        for lie in lies {
            let test = run(&shared(lie, "1\tyes\n"), &["cjson"]);
            let trouble = test.modules["cjson"].as_ref().unwrap_err();
            assert!(trouble.behind, "{lie}: {trouble:?}");
            assert_eq!(trouble.in_the_way, [Path::new(THEIRS)], "{lie}");
        }
        let own = format!("{THEIRS}/cjson.lua");
        let host = shared("1\tno\tbad\n", "1\tyes\n").file(&own, "");
        let test = run(&host, &["cjson"]);
        let trouble = test.modules["cjson"].as_ref().unwrap_err();
        assert_eq!(trouble.in_the_way, [PathBuf::from(own)]);
    }

    /// luarocks' loader opens its settings there, which may be a pipe.
    #[test]
    fn rocks_of_prosodys_user_get_the_short_timeout() {
        let host = FakeHost::new()
            .answers(|_| output(0, "Lua 5.4\n/usr/share/lua/5.4/?.lua\n/usr/lib/lua/5.4/?.so\n"))
            .access("/var/lib/prosody", 0o750, 104, 107);
        let is_shared = |host: &FakeHost| {
            let places = Places::of(host, &lua()).unwrap();
            matches!(places.everywhere(), Look::Everywhere { shared: true })
        };
        assert!(!is_shared(&host));
        assert!(is_shared(&host.file("/var/lib/prosody/.luarocks/config-5.4.lua", "")));
    }

    #[test]
    fn the_reason_without_untrusted_files_is_reported() {
        let host = shared("1\tno\tmodule 'other' not found:\n", "1\tno\tmodule 'cjson' not found:\n");
        let test = run(&host, &["cjson"]);
        let trouble = test.modules["cjson"].as_ref().unwrap_err();
        assert!(!trouble.behind && trouble.in_the_way.is_empty());
        assert_eq!(trouble.why, "module 'cjson' not found:");
    }

    #[test]
    fn a_module_that_exits_lua_fails_alone() {
        let host = machine(|input| match input.contains("2 module b\n") {
            true if input.contains("1 module a\n") => output(0, "1\tyes\n"),
            true => output(0, ""),
            false if input.starts_with("0 ") => output(0, "0\tyes\n"),
            false => output(0, "3\tyes\n"),
        });
        let test = run(&host, &["a", "b", "c"]);
        assert_eq!((&test.modules["a"], &test.modules["c"]), (&Ok(()), &Ok(())));
        assert_eq!(why(&test, "b"), "Lua exited while loading it");
    }

    #[test]
    fn hanging_modules_cost_two_timeouts_at_most() {
        let host = machine(|input| {
            Some(Output {
                stdout: if input.starts_with("0 ") { "0\tyes\n" } else { "" }.to_owned(),
                cut: Some("timed out after 10 s".to_owned()),
                ..Output::default()
            })
        });
        let modules = ["a", "b", "c", "d"].map(str::to_owned);
        let error = LoadTest::run(&host, &lua(), &modules, Era::Bundled).unwrap_err();
        assert_eq!(
            error.to_string(),
            "several Lua modules never finish loading, including b: loading it never finishes (timed out after \
             10 s)"
        );
    }

    #[test]
    fn a_failing_interpreter_is_not_blamed_on_a_module() {
        let host = machine(|_| output(1, ""));
        let modules = ["a".to_owned()];
        let error = LoadTest::run(&host, &lua(), &modules, Era::Bundled).unwrap_err();
        assert!(error.to_string().contains("fails before loading any module"), "{error}");
    }
}
