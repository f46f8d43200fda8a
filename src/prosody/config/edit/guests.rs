//! The virtual host that people log in to without a token.

use super::super::parser::parses;
use super::Guests;
use super::editor::{Editor, Planned, refuse};
use super::splice::{Splice, deeper, ends_line, eol, lines_behind};
use crate::lua::value::Value;
use crate::prosody::config::Section;

impl Editor<'_> {
    /// There is a virtual host for guests, and it asks for nothing.
    pub fn guests(&mut self) -> Planned {
        let Some(guests) = self.wanted.guests else {
            return Ok(());
        };
        let mut declared = self.config.sections.iter();
        if !declared.any(|section| section.name.as_deref() == Some(guests.domain)) {
            return self.new_guest_host(guests);
        }
        let section = self.section(guests.domain, false)?;
        let Some(scope) = self.config.scope(Some(guests.domain)) else {
            return Ok(());
        };
        let found = self.config.candidates(scope, "authentication");
        if found.is_empty() && !self.inherited("authentication", is_anonymous) {
            self.authentication_of(section, guests)?;
        }
        for index in found {
            let setting = &self.config.settings[index];
            if setting.certain && is_anonymous(&setting.value) {
                continue;
            }
            self.plain(setting, "authentication", &lines(guests))?;
            let text = format!("'{}'", guests.authentication);
            let splice = Splice::new(setting.at.clone(), text);
            let what = format!("authentication of {} becomes '{}'", guests.domain, guests.authentication);
            self.splices.plan(self.source(setting), vec![splice], what);
        }
        Ok(())
    }

    fn authentication_of(&mut self, section: &Section, guests: Guests<'_>) -> Planned {
        let line = authentication(guests).into_bytes();
        let bytes = self.bytes(section.source);
        let splice = match &section.body {
            Some(body) => Splice::insert(body.start + 1, [b" ", &line[..], b";"].concat()),
            None => {
                self.free(section.source, "authentication", &lines(guests))?;
                let indent = self.indent(section);
                lines_behind(bytes, section.range.end, &indent, &[line], false)
            }
        };
        let what = format!("new on {}: authentication", guests.domain);
        self.splices.plan(section.source, vec![splice], what);
        Ok(())
    }

    /// Declares it at the end of the site's file, where it takes no option from any other section.
    fn new_guest_host(&mut self, guests: Guests<'_>) -> Planned {
        let site = self.section(self.wanted.domain, false)?;
        for name in ["authentication", "c2s_require_encryption"] {
            self.free(site.source, name, &lines(guests))?;
        }
        let bytes = self.bytes(site.source);
        let eol = eol(bytes);
        let indent = deeper(bytes, b"");
        let mut text = if ends_line(bytes) { vec![] } else { eol.to_vec() };
        for (number, line) in lines(guests).iter().enumerate() {
            let before: &[u8] = if number == 0 { eol } else { &indent };
            text.extend([before, line.trim_start().as_bytes(), eol].concat());
        }
        // Nothing may follow a `return`.
        if !parses(&[bytes, &text].concat()) {
            let file = &self.config.sources[site.source].real;
            let line = bytes.iter().filter(|byte| **byte == b'\n').count() + 1;
            let why = "no virtual host can be added at the end of this file".to_owned();
            return refuse(file, line, why, lines(guests));
        }
        let splice = Splice::insert(bytes.len(), text);
        let what = format!("new: the virtual host {} for guests", guests.domain);
        self.splices.plan(site.source, vec![splice], what);
        Ok(())
    }
}

/// In single quotes: scripts of Jitsi's packages look for the double ones and would turn this host to tokens.
fn authentication(guests: Guests<'_>) -> String {
    format!("authentication = '{}'", guests.authentication)
}

/// The section. The web server speaks to Prosody on this machine, without encryption.
pub(super) fn lines(guests: Guests<'_>) -> Vec<String> {
    vec![
        format!("VirtualHost \"{}\"", guests.domain),
        format!("    {}", authentication(guests)),
        "    c2s_require_encryption = false".to_owned(),
    ]
}

fn is_anonymous(value: &Value) -> bool {
    matches!(value.as_str(), Some("anonymous" | "jitsi-anonymous"))
}
