//! Lua modules that Prosody's user could write in order to speak for the load test: every answer that the script knows,
//! with paths of root's, before, after and instead of the real ones; and modules that never return, or take the
//! language apart.

use std::collections::BTreeSet;
use std::path::Path;

/// A module that attacks.
#[derive(Clone, Debug)]
pub struct Attack {
    pub name: String,
    /// Its source; it can get its own name from `...`.
    pub module: String,
}

/// Files that must be neither shown nor touched, or that would be executed.
const PATHS: [&str; 3] = ["/etc/passwd", "/etc/shadow", "/usr/bin/env"];

/// The modules that an answer may be about.
const NAMES: [&str; 4] = ["basexx", "inspect", "cjson.safe", "luajwtjitsi"];

/// Where a module records that it was loaded, and by whom.
pub const LOADED: &str = "/var/lib/prosody/loaded-modules";

/// The beginning of every module: it records who runs it, and can serve as any of the modules.
const HEAD: &str = r#"
local name = tostring((...))
do
	local status, uid = io.open("/proc/self/status"), "?"
	if status then uid = status:read("*a"):match("Uid:%s+(%d+)") or "?" status:close() end
	local note = io.open("/var/lib/prosody/loaded-modules", "a")
	if note then note:write(uid, " ", name, "\n") note:close() end
end
local out = io.stdout
local works = setmetatable({}, { __index = function() return function() return { iss = "good" } end end })
"#;

/// The current load test.
fn script() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/load-test.lua");
    std::fs::read_to_string(file).expect("the load test")
}

/// Functions by which the script may answer, in case it is rewritten.
const ANSWER_CALLS: [&str; 6] = ["say", "print", "write", "answer", "tell", "reply"];

/// The arguments of each call by which the script answers; at least one of them is a string literal.
fn calls(script: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for (at, _) in script.match_indices('(') {
        let before = script[..at].trim_end();
        let is_answer = ANSWER_CALLS.iter().any(|name| before.ends_with(name));
        let is_definition = before.rsplit('\n').next().is_some_and(|line| line.contains("function say"));
        if is_answer && !is_definition {
            let arguments = arguments(&script[at..]);
            if arguments.iter().any(|text| is_word(text)) {
                found.push(arguments);
            }
        }
    }
    found
}

fn is_word(argument: &str) -> bool {
    let text = argument.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    text.is_some_and(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase()))
}

/// What is between the parenthesis at the start of `text` and its closing one, split at the commas.
fn arguments(text: &str) -> Vec<String> {
    let (mut depth, mut quoted, mut found, mut from) = (0, false, Vec::new(), 1);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'(' | b'{' => depth += 1,
            b',' if depth == 1 => {
                found.push(text[from..at].trim().to_owned());
                from = at + 1;
            }
            b')' | b'}' => {
                depth -= 1;
                if depth == 0 {
                    found.push(text[from..at].trim().to_owned());
                    return found;
                }
            }
            _ => {}
        }
    }
    found
}

/// Every string in the script that may be a word of its answers.
fn words(script: &str) -> BTreeSet<String> {
    let texts = script.lines().filter(|line| !line.trim().starts_with("--"));
    texts
        .flat_map(|line| line.split('"').skip(1).step_by(2))
        .filter(|word| (2..=12).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_lowercase()))
        .map(str::to_owned)
        .collect()
}

/// The lines of one kind of answer, as the script would print them: for every question and module, and for files of
/// root's.
fn lines(call: &[String]) -> String {
    let mut lines = BTreeSet::new();
    for path in PATHS {
        for name in NAMES {
            for number in 0..16 {
                let number = number.to_string();
                let fields: Vec<&str> = call
                    .iter()
                    .map(|argument| match argument.as_str() {
                        text if text.starts_with('"') => text.trim_matches('"'),
                        text if text.contains("file") || text.contains("path") => path,
                        text if text.contains("name") || text.contains("words") => name,
                        text if text.contains("number") || text.contains("id") => &number,
                        // A reason, which may select among files.
                        _ => path,
                    })
                    .collect();
                lines.insert(fields.join("\t"));
            }
        }
    }
    lines.into_iter().map(|line| line + "\n").collect()
}

/// Lines that any other protocol may understand: each word with a number, a module and a path, in several orders.
fn any_lines(word: &str) -> String {
    let mut lines = String::new();
    for path in PATHS {
        for name in NAMES {
            for separator in ["\t", " "] {
                for fields in [vec![word, name, path], vec![word, path], vec![name, word, path], vec![word, name]] {
                    lines.push_str(&fields.join(separator));
                    lines.push('\n');
                }
                for number in ["0", "1", "2", "7", "-1", "18446744073709551616"] {
                    for fields in [vec![number, word], vec![word, number, path], vec![number, word, path]] {
                        lines.push_str(&fields.join(separator));
                        lines.push('\n');
                    }
                }
            }
        }
    }
    lines
}

/// A text as a Lua string literal.
fn quoted(text: &str) -> String {
    let escaped =
        text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").replace('\t', "\\t").replace('\0', "\\0");
    format!("\"{escaped}\"")
}

/// The same lines at each moment when they can be printed.
fn at_each_moment(name: &str, lines: &str) -> Vec<Attack> {
    let say = format!("local function attack() out:write({}) out:flush() end", quoted(lines));
    let moments = [
        ("before the answer", "attack() return works"),
        (
            "after the answer",
            "local print = print\n_G.print = function(...) print(...) attack() end\n\
             _G.kept = setmetatable({}, { __gc = attack })\nreturn works",
        ),
        ("instead of the answer", "attack() os.exit(0)"),
        ("in the middle and twice", "attack() attack() _G.kept = setmetatable({}, { __gc = attack }) error('bad')"),
    ];
    moments
        .iter()
        .map(|(moment, then)| Attack { name: format!("{name}, {moment}"), module: format!("{HEAD}{say}\n{then}\n") })
        .collect()
}

/// The answers that make root move a file: a module does not load, a file is in the way, a good copy is behind it.
pub fn in_the_way(path: &str) -> Vec<Attack> {
    let lines: String =
        NAMES.iter().map(|name| format!("no\t{name}\tbad\nway\t{name}\t{path}\nfree\t{name}\n")).collect();
    let mut attacks = at_each_moment(&format!("{path} is in the way"), &lines);
    // Only about itself: the answers of the other modules are real.
    attacks.push(Attack {
        name: format!("{path} is in the module's own way"),
        module: format!(
            "{HEAD}out:write(\"no\\t\" .. name .. \"\\tbad\\nway\\t\" .. name .. \"\\t\" .. {} .. \"\\nfree\\t\" .. name .. \"\\n\") \
             out:flush() _G.print = function() end\nerror('bad')\n",
            quoted(path)
        ),
    });
    attacks
}

/// Each answer of the script, each word in it in any shape, and the whole conversation.
pub fn answers() -> Vec<Attack> {
    let script = script();
    let calls = calls(&script);
    let mut attacks = Vec::new();
    let mut said = BTreeSet::new();
    for call in &calls {
        let lines = lines(call);
        if said.insert(lines.clone()) {
            attacks.extend(at_each_moment(&call.join(" "), &lines));
        }
    }
    let whole: String = calls.iter().map(|call| lines(call)).collect();
    attacks.extend(at_each_moment("every answer", &whole));
    for path in PATHS {
        attacks.extend(in_the_way(path));
    }
    for word in words(&script) {
        attacks.extend(at_each_moment(&format!("the word {word}"), &any_lines(&word)).into_iter().take(1));
    }
    // A forged conversation: every question answered, then root's files named as what was loaded.
    let numbered: String = (0..64)
        .map(|number| format!("{number}\tno\terror loading module 'x' from file '/etc/passwd':\n"))
        .chain(PATHS.iter().map(|path| format!("loaded\t{path}\nloaded\t../../..{path}\n")))
        .collect();
    attacks.extend(at_each_moment("every question", &numbered));
    let odd = "\tok\t\t\n\n\0\0\nok\nway\t/etc/passwd\r\n\u{1b}]0;x\u{7}\nfile\t\nfile\t/etc/shadow\nfile\trelative\nfile\t/../etc/shadow\n";
    attacks.extend(at_each_moment("odd lines", odd));
    assert!(attacks.len() > 30, "the load test's answers were not found in it: {attacks:?}");
    attacks
}

/// Modules that do not answer: they end the interpreter, keep it from ending, or replace its built-in functions.
pub fn misbehavior() -> Vec<Attack> {
    let lie = quoted("way\tbasexx\t/etc/passwd\nfree\tbasexx\nfile\t/etc/shadow\n");
    let cases = [
        ("os.exit(0)", "os.exit(0)".to_owned()),
        ("os.exit(1)", "os.exit(1)".to_owned()),
        ("a crash", "os.execute('kill -SEGV ' .. (io.open('/proc/self/stat'):read('*n')))".to_owned()),
        ("error()", "error()".to_owned()),
        ("an error that is no text", "error(setmetatable({}, { __tostring = function() while true do end end }))".to_owned()),
        ("an error of 10 MB", "error(('x'):rep(10000000) .. '\\27]0;x\\7', 0)".to_owned()),
        ("an error with control characters", "error('\\27[2J\\27]0;x\\7\\0\\r\\8 /etc/shadow', 0)".to_owned()),
        ("an error that names a file of root's", "error(\"error loading module 'x' from file '/etc/passwd':\\n/etc/passwd:1: bad\", 0)".to_owned()),
        ("a loop without end", "while true do end".to_owned()),
        ("lines without end", "while true do out:write('ok\\tbasexx\\t/etc/passwd\\n') end".to_owned()),
        ("a line without end", "local x = ('x'):rep(65536) while true do out:write(x) end".to_owned()),
        ("errors without end", "local x = ('x'):rep(65536) while true do io.stderr:write(x) end".to_owned()),
        ("a closed output", "out:close() io.stderr:close() return works".to_owned()),
        ("a child that keeps the output", "os.execute('sleep 300 & :') return works".to_owned()),
        ("a child that keeps talking", "os.execute('(while :; do echo file /etc/shadow; sleep 0.01; done) &') return works".to_owned()),
        ("a child that stops its parent", "os.execute('kill -STOP $PPID') return works".to_owned()),
        ("all input read", "io.read('*a') return works".to_owned()),
        ("another print", format!("_G.print = function() out:write({lie}) end return works")),
        ("another io.write", format!("io.write = function() out:write({lie}) end io.stdout = {{ write = io.write, flush = print }} return works")),
        ("another require", format!("_G.require = function(...) out:write({lie}) return works end return works")),
        ("other searchers", "local s = package.searchers or package.loaders for i in pairs(s) do s[i] = nil end s[1] = function() return function() return works end, '/etc/shadow' end return works".to_owned()),
        ("another string.format", "string.format = function() return 'way\\tbasexx\\t/etc/passwd' end return works".to_owned()),
        ("another table.concat", "table.concat = function() return 'way\\tbasexx\\t/etc/passwd' end return works".to_owned()),
        ("another tostring, pcall and type", "_G.tostring = function() return '/etc/shadow' end _G.pcall = function() return false, '/etc/shadow:1: bad' end _G.type = function() return 'table' end return works".to_owned()),
        ("strings taken apart", "local s = getmetatable('').__index for k in pairs(s) do s[k] = function() return '/etc/shadow' end end return works".to_owned()),
        ("other search paths", "package.path = '/etc/shadow;/etc/passwd;/root/?.lua' package.cpath = package.path return works".to_owned()),
        ("names of modules that are paths", "for _, n in ipairs { '/etc/shadow', '../../../etc/shadow', 'a\\tb\\nfile\\t/etc/shadow', ('x'):rep(100000) } do package.loaded[n] = works end return works".to_owned()),
        ("a million loaded modules", "for i = 1, 1000000 do package.loaded['m' .. i] = works end return works".to_owned()),
        ("a module that is a number", "return 7".to_owned()),
        ("a syntax error", "this is not Lua \\27[2J".to_owned()),
    ];
    cases.into_iter().map(|(name, then)| Attack { name: name.to_owned(), module: format!("{HEAD}{then}\n") }).collect()
}
