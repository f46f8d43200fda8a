//! Configurations that Prosody accepts, in every spelling that people use: input for the property tests and for
//! Prosody's own loader.

use proptest::prelude::*;

/// Lua string literals for a text without special characters.
fn quoted(text: &'static str) -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        format!("\"{text}\""),
        format!("'{text}'"),
        format!("[[{text}]]"),
        format!("[==[{text}]==]"),
    ])
}

fn list() -> impl Strategy<Value = String> {
    let entries = ["bosh", "polls", "muc_meeting_id", "token_verification", "ping"];
    let entry = prop::sample::select(entries.to_vec()).prop_flat_map(quoted);
    let gaps = ["", " ", "\n        ", " -- why\n  ", " --[[ ; ]] ", "\n    --\"token_verification\";\n"];
    let gap = || prop::sample::select(gaps.to_vec());
    let separator = prop::sample::select(vec![",", ";"]);
    let one = (gap(), entry, gap(), separator);
    (prop::collection::vec(one, 0..4), gap(), any::<bool>()).prop_map(|(entries, gap, open)| {
        let count = entries.len();
        let mut text = "{".to_owned();
        for (number, (before, entry, after, separator)) in entries.into_iter().enumerate() {
            let separator = if open && number + 1 == count { "" } else { separator };
            text += &[before, &entry, after, separator].concat();
        }
        text + gap + "}"
    })
}

fn value(name: &'static str) -> BoxedStrategy<String> {
    match name {
        "authentication" => {
            prop::sample::select(vec!["anonymous", "token", "internal_hashed"]).prop_flat_map(quoted).boxed()
        }
        "app_id" | "app_secret" => {
            prop::sample::select(vec!["my_app", "s3cret", "example_app_id", ""]).prop_flat_map(quoted).boxed()
        }
        "modules_enabled" | "modules_disabled" | "plugin_paths" => {
            prop_oneof![4 => list(), 1 => list().prop_map(|list| format!("({list})"))].boxed()
        }
        "ssl" => Just("{ key = \"a}\"; options = { \"x\", [3] = 'y' }, }".to_owned()).boxed(),
        _ => prop::sample::select(vec!["true", "false", "3", "\"text\"", "{ }", "nil", "-1e3"])
            .prop_map(str::to_owned)
            .boxed(),
    }
}

fn option(names: &'static [&'static str]) -> impl Strategy<Value = String> {
    let ends = prop::sample::select(vec!["\n", "\n", ";\n", "; ", " -- note\n", " --[[ x ]]\n", "\n\n"]);
    let sign = prop::sample::select(vec![" = ", "=", "  =\n        "]);
    (prop::sample::select(names), sign, ends)
        .prop_flat_map(|(name, sign, end)| value(name).prop_map(move |value| format!("{name}{sign}{value}{end}")))
}

fn remark() -> impl Strategy<Value = String> {
    let remarks = [
        "-- authentication = \"token\"\n",
        " --app_id=\"example_app_id\"\n",
        " --app_secret=\"example_app_secret\"\n",
        "--modules_enabled = { \"token_verification\" }\n",
        "--[[ VirtualHost \"meet.example.org\"\n app_id = \"no\" ]]\n",
        "--[==[ ]] ]==]\n",
        "\n",
        "\t\n",
        "-- plain words\n",
    ];
    prop::sample::select(remarks.to_vec()).prop_map(str::to_owned)
}

const OPTIONS: &[&str] = &[
    "authentication",
    "app_id",
    "app_secret",
    "modules_enabled",
    "modules_disabled",
    "ssl",
    "storage",
    "c2s_require_encryption",
    "muc_room_locking",
];

fn body() -> impl Strategy<Value = String> {
    let line = prop_oneof![3 => option(OPTIONS), 1 => remark()];
    let indent = prop::sample::select(vec!["", "    ", "\t", "        "]);
    prop::collection::vec((indent, line), 0..6)
        .prop_map(|lines| lines.into_iter().map(|(indent, line)| indent.to_owned() + &line).collect())
}

fn section(word: &'static str, name: &'static str, module: &'static str) -> impl Strategy<Value = String> {
    let gap = || prop::sample::select(vec![" ", "", "  "]);
    let behind = prop::sample::select(vec!["\n", ";\n", " -- here\n", "\n\n"]);
    let parts = (quoted(name), gap(), any::<bool>(), gap(), behind, body());
    parts.prop_map(move |(name, gap, parentheses, before, behind, body)| {
        let name = if parentheses { format!("({name})") } else { name };
        let module = if module.is_empty() { String::new() } else { format!("{before}\"{module}\"") };
        format!("{word}{gap}{name}{module}{behind}{body}")
    })
}

/// A whole configuration with the site, its rooms, and perhaps other sections.
pub fn configuration() -> impl Strategy<Value = String> {
    let global = prop_oneof![
        3 => option(&["plugin_paths", "admins", "authentication", "c2s_require_encryption", "storage"]),
        1 => remark()
    ];
    let site = section("VirtualHost", "meet.example.org", "");
    let rooms = section("Component", "conference.meet.example.org", "muc");
    let other = || {
        prop_oneof![
            section("VirtualHost", "other.example.org", ""),
            section("VirtualHost", "meet.example.org", ""),
            section("Component", "lobby.meet.example.org", "muc"),
            section("Host", "auth.example.org", ""),
        ]
    };
    let others = prop::collection::vec(other(), 0..3);
    let head = prop::collection::vec(global, 0..4).prop_map(|lines| lines.concat());
    let more = (any::<bool>(), any::<bool>(), any::<bool>());
    (head, site, rooms, others, more).prop_map(|(head, site, rooms, others, (swap, windows, end))| {
        let (first, second) = if swap { (rooms, site) } else { (site, rooms) };
        let mut text = [head, first, others.concat(), second].concat();
        if end {
            text.truncate(text.trim_end().len());
        }
        if windows { text.replace('\n', "\r\n") } else { text }
    })
}

/// A configuration for Prosody 13, with lists that grow in places that are reached always, sometimes or never.
pub fn growing() -> impl Strategy<Value = String> {
    let entry = || {
        prop::sample::select(vec!["polls", "muc_meeting_id", "token_verification", "ping", "/srv/plugins"])
            .prop_flat_map(quoted)
    };
    let entries = move || prop::collection::vec(entry(), 0..3).prop_map(|all| all.join(", "));
    let place = prop::sample::select(vec![
        ("", "\n"),
        ("if 1 == 2 then ", " end\n"),
        ("if not ENV_NEVER_SET then\n        ", "\n    end\n"),
        ("for _ in pairs({ 1, 2 }) do ", " end\n"),
        ("do ", " end\n"),
    ]);
    let one = (place, any::<bool>(), entries()).prop_map(|((before, after), named, entries)| {
        let call = if named { ":append" } else { "" };
        format!("    {before}LIST{call} {{ {entries} }}{after}")
    });
    let list = move |name: &'static str| {
        (entries(), prop::collection::vec(one.clone(), 0..5)).prop_map(move |(entries, appends)| {
            let appends = appends.concat().replace("LIST", name);
            format!("    {name} = {{ {entries} }}\n{appends}")
        })
    };
    (list("plugin_paths"), list("modules_enabled")).prop_map(|(plugins, modules)| {
        format!(
            "{plugins}VirtualHost \"meet.example.org\"\n    authentication = \"anonymous\"\n\
             Component \"conference.meet.example.org\" \"muc\"\n{modules}"
        )
    })
}
