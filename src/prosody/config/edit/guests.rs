//! People without a token: a virtual host where they log in, and what makes them wait there until somebody with a token
//! opens the room. Follows Jitsi's `muc_wait_for_host`, which has a lobby created for them.

use super::super::parser::parses;
use super::editor::{Editor, Planned, refuse};
use super::requirement::{Assignment, Must, Requirement};
use super::splice::{Splice, deeper, ends_line, eol, line_start};
use crate::lua::value::Value;
use crate::prosody::config::Section;

/// The module of the component with the rooms that makes guests wait.
pub const WAIT_FOR_HOST: &str = "muc_wait_for_host";

/// The modules that it needs on the site's virtual host.
pub const SITE_MODULES: [&str; 2] = ["muc_lobby_rooms", "persistent_lobby"];

/// The option of the component with the rooms that lists the hosts whose users need no token there.
pub const ALLOWLIST: &str = "token_verification_allowlist";

/// What happens to people without a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guests<'a> {
    /// Whatever is configured for them stays.
    LeaveAsIs,
    /// They log in to a virtual host of their own and wait there for somebody with a token.
    Wait {
        /// The name of their virtual host.
        domain: &'a str,
        /// The module that lets them log in.
        authentication: &'a str,
    },
    /// There are no guests any more.
    None {
        /// The name of the virtual host that they had.
        domain: &'a str,
    },
}

impl<'a> Guests<'a> {
    /// The name of their virtual host, if it is to be set up or removed.
    pub(super) fn domain(self) -> Option<&'a str> {
        match self {
            Self::LeaveAsIs => None,
            Self::Wait { domain, .. } | Self::None { domain } => Some(domain),
        }
    }

    /// The section as a person would write it. The web server talks to Prosody on this machine, without encryption.
    pub(super) fn lines(self) -> Vec<String> {
        let Self::Wait { domain, authentication } = self else { return Vec::new() };
        let authentication = Must::Anonymous(authentication).statement("authentication");
        vec![
            format!("VirtualHost \"{domain}\""),
            format!("    {}", String::from_utf8_lossy(&authentication)),
            "    c2s_require_encryption = false".to_owned(),
        ]
    }
}

impl<'a> Editor<'a> {
    /// What must hold for the site's virtual host. If empty tokens were allowed, somebody without a token would count
    /// as the host for whom everybody else waits.
    pub fn of_site_for_guests<'b>(
        &self,
        scope: usize,
        nobody: &'b Assignment,
        by_hand: &'b [String],
    ) -> Vec<Requirement<'b>> {
        let site = self.wanted.domain;
        let modules = |modules: &'static [&'static str], wanted: bool| {
            modules.iter().flat_map(move |module| Requirement::module(scope, site, module, wanted, by_hand))
        };
        match self.wanted.guests {
            Guests::LeaveAsIs => Vec::new(),
            Guests::None { .. } => modules(&SITE_MODULES[1..], false).collect(),
            Guests::Wait { .. } => {
                let let_in = self.config.effective(site, nobody.0).map(|setting| &setting.value);
                let closed = let_in.is_none_or(|value| *value == Value::Bool(false));
                let close = (!closed).then(|| Requirement::chosen(scope, nobody, by_hand));
                modules(&SITE_MODULES, true).chain(close).collect()
            }
        }
    }

    /// What must hold for the component with the rooms.
    pub fn of_rooms_for_guests<'b>(&self, scope: usize, by_hand: &'b [String]) -> Vec<Requirement<'b>>
    where
        'a: 'b,
    {
        let rooms = self.wanted.muc;
        let Some(domain) = self.wanted.guests.domain() else { return Vec::new() };
        let wait = matches!(self.wanted.guests, Guests::Wait { .. });
        let mut wanted = Requirement::module(scope, rooms, WAIT_FOR_HOST, wait, by_hand);
        let (verb, place, must) =
            if wait { ("add", "to", Must::Hold(domain)) } else { ("remove", "from", Must::Lack(domain)) };
        let what = format!("{verb} \"{domain}\" {place} {ALLOWLIST} of {rooms}");
        wanted.push(Requirement::new(scope, ALLOWLIST, must, what, by_hand));
        wanted
    }

    /// Makes sure that guests have a virtual host that lets everybody in, or that there is none.
    pub fn guests(&mut self) -> Planned {
        let Some(domain) = self.wanted.guests.domain() else {
            return Ok(());
        };
        let is_theirs = |section: &&Section| section.name.as_deref() == Some(domain);
        let there = self.config.sections.iter().find(is_theirs);
        let Guests::Wait { authentication, .. } = self.wanted.guests else {
            return there.map_or(Ok(()), |section| self.remove_guest_host(section));
        };
        if there.is_none() {
            return self.new_guest_host();
        }
        let section = self.section(domain, false)?;
        let Some(scope) = self.config.scope(Some(domain)) else {
            return Ok(());
        };
        let by_hand = self.wanted.guests.lines();
        let what = format!("set authentication of {domain} to '{authentication}'");
        let must = Must::Anonymous(authentication);
        match self.ensure(&Requirement::new(scope, "authentication", must, what, &by_hand))? {
            None => Ok(()),
            Some(line) => {
                let what = format!("add authentication to {domain}");
                self.add_to_section(section, &[line], vec![what], &by_hand)
            }
        }
    }

    /// Declares the virtual host at the end of the site's file, where no option of another section can become its own.
    fn new_guest_host(&mut self) -> Planned {
        let guests = self.wanted.guests;
        let site = self.section(self.wanted.domain, false)?;
        for name in ["authentication", "c2s_require_encryption"] {
            self.free(site.source, name, &guests.lines())?;
        }
        let bytes = self.bytes(site.source);
        let eol = eol(bytes);
        let indent = deeper(bytes, b"");
        let mut text = if ends_line(bytes) { vec![] } else { eol.to_vec() };
        for (number, line) in guests.lines().iter().enumerate() {
            let before: &[u8] = if number == 0 { eol } else { &indent };
            text.extend([before, line.trim_start().as_bytes(), eol].concat());
        }
        // Nothing may follow a `return`.
        if !parses(&[bytes, &text].concat()) {
            let file = &self.config.sources[site.source].real;
            let line = bytes.iter().filter(|byte| **byte == b'\n').count() + 1;
            let why = "a virtual host cannot be added at the end of this file".to_owned();
            return refuse(file, line, why, guests.lines());
        }
        let splice = Splice::insert(bytes.len(), text);
        let what = format!("add the virtual host {} for guests", guests.domain().unwrap_or_default());
        self.splices.plan(site.source, vec![splice], what);
        Ok(())
    }

    /// Removes the virtual host if nothing was added to what [`Self::new_guest_host`] wrote.
    fn remove_guest_host(&mut self, section: &Section) -> Planned {
        let domain = self.wanted.guests.domain().unwrap_or_default();
        let bytes = self.bytes(section.source);
        let start = line_start(bytes, section.range.start);
        let later = self
            .config
            .sections
            .iter()
            .filter(|other| other.source == section.source && other.range.start > section.range.start);
        let end = later.map(|other| line_start(bytes, other.range.start)).min().unwrap_or(bytes.len());
        let text = String::from_utf8_lossy(&bytes[start..end]);
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let heading = lines.next().is_some_and(|line| line == format!("VirtualHost \"{domain}\""));
        let ours = |line: &str| {
            let options = ["authentication = '", "c2s_require_encryption = "];
            options.iter().any(|option| line.starts_with(option))
        };
        if !section.certain || !heading || !lines.all(ours) {
            let why = format!("VirtualHost {domain} has options that `install --guests` did not write");
            let by_hand = vec![format!("remove VirtualHost \"{domain}\" by hand")];
            return refuse(&section.file, section.line, why, by_hand);
        }
        // The empty line above it was added with it.
        let eol = eol(bytes);
        let above = bytes[..start].ends_with(&[eol, eol].concat());
        let start = if above { start - eol.len() } else { start };
        let splice = Splice::new(start..end, "");
        self.splices.plan(section.source, vec![splice], format!("remove the virtual host {domain}"));
        Ok(())
    }
}
