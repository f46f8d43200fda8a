//! debconf's answers, read from its own files. debconf itself first reads half a megabyte of templates, which would be
//! most of a rerun. Only the plain case is handled here; anything else is left to debconf.
//!
//! Follows `Debconf::Config`, `Debconf::Format::822` and `Debconf::DbDriver::Stack` of Debian 10 to 13: databases are
//! replaced whole, so no lock is needed, and the first database in a stack that has the question wins.

use std::path::{Path, PathBuf};

use crate::host::Host;

const CONFIGURATION: &str = "/etc/debconf.conf";
/// Root's own configuration, which would take precedence.
const OVERRIDE: &str = "/root/.debconfrc";

/// The fields that a plain file database may have.
const FILE_FIELDS: [&str; 9] =
    ["name", "driver", "mode", "reject-type", "accept-type", "filename", "backup", "required", "readonly"];

/// The answers to these questions, `None` for one without an answer; `None` altogether if debconf has to be asked.
pub fn answers(host: &dyn Host, questions: &[&str]) -> Option<Vec<Option<String>>> {
    let texts: Vec<String> = databases(host)?.iter().map(|path| read(host, path)).collect::<Option<_>>()?;
    questions
        .iter()
        .map(|question| {
            let entry = texts.iter().find_map(|text| entry(text, question));
            match entry {
                None => Some(None),
                // Without a value, the template's default applies, which only debconf knows.
                Some(fields) => Some(Some(plain(value_of(&fields, "value")?)?.to_owned())),
            }
        })
        .collect()
}

/// The files that hold the answers, in the order in which debconf searches them.
fn databases(host: &dyn Host) -> Option<Vec<PathBuf>> {
    if host.exists(Path::new(OVERRIDE)).ok()? {
        return None;
    }
    let text = read(host, Path::new(CONFIGURATION))?;
    let stanzas: Vec<Fields> = stanzas(&text).collect();
    let named = |name: &str| {
        let mut all = stanzas.iter().filter(|fields| value_of(fields, "name") == Some(name));
        all.next().filter(|_| all.next().is_none())
    };
    let top = named(value_of(stanzas.first()?, "config")?)?;
    let names: Vec<&str> = match value_of(top, "driver")? {
        "Stack" => value_of(top, "stack")?.split(',').map(str::trim).collect(),
        _ => vec![value_of(top, "name")?],
    };
    names.into_iter().map(|name| file(named(name)?)).collect()
}

/// The path of a plain file database; `None` for any other kind.
fn file(fields: &Fields) -> Option<PathBuf> {
    let known = fields.iter().all(|(name, _)| FILE_FIELDS.contains(&&**name));
    let path = Path::new(value_of(fields, "filename")?);
    let plain = known && value_of(fields, "driver")? == "File" && path.is_absolute();
    plain.then(|| path.to_owned())
}

fn read(host: &dyn Host, path: &Path) -> Option<String> {
    String::from_utf8(host.read(path).ok()??).ok()
}

/// Field names, in lower case, with their values.
type Fields<'a> = Vec<(String, &'a str)>;

fn value_of<'a>(fields: &Fields<'a>, name: &str) -> Option<&'a str> {
    let field = fields.iter().find(|(known, _)| known == name);
    field.map(|(_, value)| *value)
}

/// The stanzas of a configuration, without those that are only comments.
fn stanzas(text: &str) -> impl Iterator<Item = Fields<'_>> {
    text.split("\n\n")
        .map(|stanza| fields(stanza.lines().filter(|line| !line.starts_with('#'))))
        .filter(|fields| !fields.is_empty())
}

/// The fields that a database has for a question.
fn entry<'a>(text: &'a str, question: &str) -> Option<Fields<'a>> {
    let name = format!("Name: {question}\n");
    let start = match text.starts_with(&name) {
        true => 0,
        false => text.find(&format!("\n\n{name}"))? + 2,
    };
    let end = text[start..].find("\n\n").map_or(text.len(), |end| start + end);
    Some(fields(text[start..end].lines()))
}

fn fields<'a>(lines: impl Iterator<Item = &'a str>) -> Fields<'a> {
    lines
        .filter(|line| !line.starts_with(' '))
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.strip_prefix(' ').unwrap_or(value)))
        .collect()
}

/// The value, unless it has escapes: debconf writes a line break as `\n`.
fn plain(value: &str) -> Option<&str> {
    (!value.contains('\\')).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::FakeHost;

    const PLAIN: &str = "# Of the machine.\n\nConfig: both\nTemplates: templates\n\n# Open ones.\n\nName: open\nDriver: File\nMode: 644\nReject-Type: password\nFilename: /db/open\n\nName: closed\nDriver: File\nBackup: false\nFilename: /db/closed\n\nName: both\nDriver: Stack\nStack: open, closed\n";
    const OPEN: &str = "Name: a/id\nTemplate: a/id\nValue: my: app \nOwners: a\nVariables:\n Value: no\n\nName: a/none\nTemplate: a/none\nOwners: a\n\nName: a/lines\nValue: one\\ntwo\n\nName: a/empty\nValue: \n\n";
    const CLOSED: &str = "Name: a/secret\nTemplate: a/secret\nValue: s3cret\nFlags: seen\n\n";

    fn host(configuration: &str) -> FakeHost {
        FakeHost::new().file(CONFIGURATION, configuration).file("/db/open", OPEN).file("/db/closed", CLOSED)
    }

    #[test]
    fn answers_are_read_from_stacked_databases() {
        let found = answers(&host(PLAIN), &["a/id", "a/secret", "a/missing", "a/empty"]).unwrap();
        let wanted = [Some("my: app "), Some("s3cret"), None, Some("")];
        assert_eq!(found, wanted.map(|value| value.map(str::to_owned)));
    }

    #[test]
    fn complex_setups_are_left_to_debconf() {
        assert_eq!(answers(&host(PLAIN), &["a/none"]), None);
        assert_eq!(answers(&host(PLAIN), &["a/lines"]), None);
        for (from, to) in [
            ("Driver: File", "Driver: LDAP"),
            ("Filename: /db/open", "Filename: ~/open"),
            ("Filename: /db/closed", "Filename: /db/gone"),
            ("Mode: 644", "Accept-Name: x/"),
            ("Name: closed", "Name: open"),
        ] {
            let configuration = PLAIN.replace(from, to);
            assert_eq!(answers(&host(&configuration), &["a/id"]), None, "{to}");
        }
        let overridden = host(PLAIN).file(OVERRIDE, "");
        assert_eq!(answers(&overridden, &["a/id"]), None);
        assert_eq!(answers(&FakeHost::new(), &["a/id"]), None);
    }
}
