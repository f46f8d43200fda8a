//! What the removal script of jitsi-meet-tokens turns our lines into. It reverts them by pattern, in spellings of its
//! own, so they are neither as we left them nor as they were before. Recognized here, they still count as ours.

/// The script's edits: the text that it replaces, and the replacement.
const EDITS: [(&str, &str); 5] = [
    ("authentication=\"token\"", "authentication=\"anonymous\""),
    ("authentication=\"token\"", "authentication=\"jitsi-anonymous\""),
    ("app_id=", "--app_id=\"example_app_id\""),
    ("app_secret=", "--app_secret=\"example_app_secret\""),
    ("\"token_verification\"", "--\"token_verification\""),
];

/// `now`, with every line that the script made from one of ours replaced by ours. `ours` is the text as we left it.
pub fn undone(ours: &[u8], now: &[u8]) -> Vec<u8> {
    let lines =
        |text: &[u8]| -> Vec<Vec<u8>> { text.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect() };
    let (ours, mut now) = (lines(ours), lines(now));
    let mut missing: Vec<&Vec<u8>> = ours.iter().filter(|line| !now.contains(line)).collect();
    for line in &mut now {
        if ours.contains(line) {
            continue;
        }
        let bare = spelling(line);
        if let Some(at) = missing.iter().position(|known| script_variants(known).contains(&bare)) {
            line.clone_from(missing.remove(at));
        }
    }
    now.concat()
}

/// Everything that the script may turn a line into: it may find only some of its patterns.
fn script_variants(line: &[u8]) -> Vec<String> {
    let mut forms = vec![spelling(line)];
    for (from, to) in EDITS {
        let edited: Vec<String> = forms.iter().filter_map(|form| edit(form, from, to)).collect();
        forms.extend(edited);
    }
    forms.remove(0);
    forms
}

fn edit(form: &str, from: &str, to: &str) -> Option<String> {
    let at = form.find(from)?;
    if form[..at].ends_with("--") {
        return None;
    }
    let rest = &form[at + from.len()..];
    // The value of an option, in double quotes, is replaced too.
    let rest = if from.ends_with('=') { rest.strip_prefix('"')?.split_once('"')?.1 } else { rest };
    Some(format!("{}{to}{rest}", &form[..at]))
}

/// A line without whitespace, which the script changes, and without the marker, which it may leave behind.
fn spelling(line: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(line).chars().filter(|c| !c.is_whitespace()).collect();
    text.trim_end_matches("--donotdeleteme").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "VirtualHost \"m\"\n    authentication = \"token\" -- do not delete me\n    app_id=\"A1\"\n    \
                        app_secret=\"S1\"\n    other = 1\nComponent \"c\"\n        \"token_verification\";\n";

    #[test]
    fn script_changes_are_reverted_and_hand_edits_kept() {
        for (method, marker) in
            [("anonymous", ""), ("anonymous", " -- do not delete me"), ("jitsi-anonymous", " -- do not delete me")]
        {
            let now = format!(
                "VirtualHost \"m\"\n    authentication = \"{method}\"{marker}\n    --app_id=\"example_app_id\"\n    \
                 --app_secret=\"example_app_secret\"\n    other = 2\nComponent \"c\"\n        -- \"token_verification\";\n"
            );
            let undone = undone(OURS.as_bytes(), now.as_bytes());
            assert_eq!(String::from_utf8(undone).unwrap(), OURS.replace("other = 1", "other = 2"));
        }
    }

    #[test]
    fn partial_script_changes_are_reverted_too() {
        let now = OURS.replace("\"token\" -- do not delete me", "\"anonymous\"");
        assert_eq!(undone(OURS.as_bytes(), now.as_bytes()), OURS.as_bytes());
        let one_line = "authentication = \"token\"; app_id=\"A1\"; app_secret=\"S1\"\n";
        let now = "authentication = \"anonymous\"; --app_id=\"example_app_id\"; app_secret=\"S1\"\n";
        assert_eq!(undone(one_line.as_bytes(), now.as_bytes()), one_line.as_bytes());
    }

    #[test]
    fn edits_by_others_are_not_blamed_on_the_script() {
        let now = OURS.replace("app_id=\"A1\"", "app_id=\"THEIRS\"");
        assert_eq!(undone(OURS.as_bytes(), now.as_bytes()), now.as_bytes());
    }
}
