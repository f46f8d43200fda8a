//! A row of a batch, and the token that it asks for. Nothing is copied that can be borrowed, and no tree of values is
//! made unless a row has claims of its own.

use std::borrow::Cow;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};

use super::super::mint::{self, Draft, Expiry};
use crate::commands::token::claim_options;
use crate::token::times::{parse_moment, parse_span};
use crate::token::{Claims, Rules, Signer, User, room};

/// What a row can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Room,
    Id,
    Name,
    Email,
    Avatar,
    Moderator,
    Affiliation,
    Group,
    Features,
    ExpiresIn,
    ExpiresAt,
    Sub,
}

impl Field {
    /// All of them with the names that they have in rows, in the order of their numbers.
    pub const ALL: [(&str, Self); 12] = [
        ("room", Self::Room),
        ("id", Self::Id),
        ("name", Self::Name),
        ("email", Self::Email),
        ("avatar", Self::Avatar),
        ("moderator", Self::Moderator),
        ("affiliation", Self::Affiliation),
        ("group", Self::Group),
        ("features", Self::Features),
        ("expires_in", Self::ExpiresIn),
        ("expires_at", Self::ExpiresAt),
        ("sub", Self::Sub),
    ];

    /// The field of this name.
    pub fn named(name: &str) -> Option<Self> {
        let found = Self::ALL.into_iter().find(|(known, _)| *known == name);
        found.map(|(_, field)| field)
    }

    /// The name of its column.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].0
    }

    /// The claim that it becomes.
    fn path(self) -> &'static [&'static str] {
        match self {
            Self::Room => &["room"],
            Self::Id => &["context", "user", "id"],
            Self::Name => &["context", "user", "name"],
            Self::Email => &["context", "user", "email"],
            Self::Avatar => &["context", "user", "avatar"],
            Self::Moderator => &["context", "user", "moderator"],
            Self::Affiliation => &["context", "user", "affiliation"],
            Self::Group => &["context", "group"],
            Self::Features => &["context", "features"],
            Self::ExpiresIn | Self::ExpiresAt => &["exp"],
            Self::Sub => &["sub"],
        }
    }
}

/// What one row says.
#[derive(Debug, Default)]
pub struct Row<'a> {
    texts: [Cow<'a, str>; Field::ALL.len()],
    /// Further claims.
    pub claims: Map<String, Value>,
}

impl<'a> Row<'a> {
    /// What the row has for this field.
    pub fn set(&mut self, field: Field, text: impl Into<Cow<'a, str>>) {
        self.texts[field as usize] = text.into();
    }

    /// What the row has for this field, unless that is nothing.
    pub fn get(&self, field: Field) -> Option<&str> {
        let text = self.texts[field as usize].as_ref();
        (!text.is_empty()).then_some(text)
    }
}

/// Whether an object has this claim, or something in place of what it would be in.
fn has(claims: &Map<String, Value>, path: &[&str]) -> bool {
    let Some((first, rest)) = path.split_first() else {
        return true;
    };
    match claims.get(*first) {
        None => false,
        Some(Value::Object(inner)) => has(inner, rest),
        Some(_) => true,
    }
}

/// What all tokens of a batch have in common.
pub struct Template {
    /// What rows leave open.
    pub draft: Draft,
    /// The site's domain.
    pub domain: String,
    /// The rules by which the site judges tokens, if they are known.
    pub rules: Option<Rules>,
    /// Whether rows may leave the room open.
    pub room_is_given: bool,
    /// Whether links are wanted.
    pub link: bool,
    /// What signs them.
    pub signer: Signer,
}

impl Template {
    /// An error if `--claim` or `--claims` already give what rows with this field would.
    pub fn allow(&self, field: Field) -> Result<()> {
        if has(&self.draft.extra, field.path()) {
            bail!(
                "the claim “{}” has two sources: the rows' “{}” and --claim or --claims",
                field.path().join("."),
                field.name()
            );
        }
        Ok(())
    }

    /// An error if rows cannot have a further claim of this name.
    pub fn allow_claim(&self, name: &str) -> Result<()> {
        if ["aud", "iss", "sub", "room", "iat", "nbf", "exp", "context"].contains(&name) {
            bail!("rows cannot set the claim “{name}” directly; --claim, --claims and the other fields can");
        }
        if self.draft.extra.contains_key(name) {
            bail!("the claim “{name}” has two sources: the rows and --claim or --claims");
        }
        Ok(())
    }
}

/// Makes tokens, one after the other, in the same buffers.
pub struct Maker<'a> {
    template: &'a Template,
    claims: Vec<u8>,
    signature: Vec<u8>,
    /// The last token.
    pub token: Vec<u8>,
    /// Its link, if links are wanted.
    pub url: String,
}

impl<'a> Maker<'a> {
    pub fn new(template: &'a Template) -> Self {
        Self { template, claims: Vec::new(), signature: Vec::new(), token: Vec::new(), url: String::new() }
    }

    /// Makes the token that a row asks for; an error says what is wrong with the row. `note` takes what is odd.
    pub fn make(&mut self, row: &Row, note: &mut dyn FnMut(String)) -> Result<()> {
        let template = self.template;
        let usual = &template.draft.claims;
        let written = match row.get(Field::Room) {
            Some(room) => room,
            None if template.room_is_given => usual.room.as_deref().unwrap_or("*"),
            None => bail!("it has no room"),
        };
        let mut room = Cow::Borrowed(written);
        if !room::is_plain(written) {
            let (normal, warning) = mint::normal_room(written)?;
            warning.into_iter().for_each(&mut *note);
            room = Cow::Owned(normal);
        }
        let claims = Claims {
            audience: usual.audience.as_str(),
            issuer: &usual.issuer,
            subject: row.get(Field::Sub).unwrap_or(&usual.subject),
            room: Some(room.as_ref()),
            room_is_pattern: false,
            issued_at: usual.issued_at,
            not_before: usual.not_before,
            expires_at: self.end(row)?,
            user: user(row, &usual.user)?,
            group: row.get(Field::Group).or(usual.group.as_deref()),
            features: features(row, &usual.features, note)?,
            extra: if row.claims.is_empty() {
                usual.extra.clone()
            } else {
                let mut all = template.draft.extra.clone();
                all.extend(row.claims.clone());
                all.into()
            },
        };
        self.claims.clear();
        serde_json::to_writer(&mut self.claims, &claims)?;
        self.token.clear();
        template.signer.append(&self.claims, &mut self.token, &mut self.signature)?;
        if template.link {
            let token = std::str::from_utf8(&self.token)?;
            let own = template.draft.extra.get("sub").and_then(Value::as_str);
            let subject = own.unwrap_or(claims.subject);
            let tenant = mint::tenant(subject, &template.domain, template.rules.as_ref());
            self.url = mint::link(&template.domain, tenant, &room, false, token);
        }
        Ok(())
    }

    fn end(&self, row: &Row) -> Result<Option<i64>> {
        let usual = &self.template.draft.claims;
        let expiry = match (row.get(Field::ExpiresIn), row.get(Field::ExpiresAt)) {
            (None, None) => return Ok(usual.expires_at),
            (Some(_), Some(_)) => {
                bail!("the claim “exp” has two sources: expires_in and expires_at")
            }
            (Some(span), None) => Expiry::In(parse_span(span).context("expires_in")?),
            (None, Some(moment)) => Expiry::At(parse_moment(moment).context("expires_at")?),
        };
        let start = usual.not_before.or(usual.issued_at).unwrap_or_default();
        expiry.check(start).context("expires_at")?;
        Ok(expiry.moment(start))
    }
}

fn user<'a>(row: &'a Row, usual: &'a User) -> Result<User<&'a str>> {
    let text = |field, usual: &'a Option<String>| row.get(field).or(usual.as_deref());
    let moderator = match row.get(Field::Moderator) {
        None => usual.moderator,
        Some(text) => Some(yes_or_no(text).with_context(|| format!("moderator is “{text}”, neither true nor false"))?),
    };
    if let Some(affiliation) = row.get(Field::Affiliation) {
        claim_options::check_affiliation(affiliation)?;
        if row.get(Field::Moderator).is_some() {
            bail!("the claim “context.user.affiliation” has two sources: moderator and affiliation");
        }
    }
    // A row that says whether somebody moderates has said what they are in the room.
    let affiliation = match row.get(Field::Moderator) {
        Some(_) => None,
        None => text(Field::Affiliation, &usual.affiliation),
    };
    Ok(User {
        id: text(Field::Id, &usual.id),
        name: text(Field::Name, &usual.name),
        email: text(Field::Email, &usual.email),
        avatar: text(Field::Avatar, &usual.avatar),
        moderator,
        affiliation,
    })
}

fn yes_or_no(text: &str) -> Option<bool> {
    let is = |words: [&str; 3]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is(["true", "yes", "1"]) { Some(true) } else { is(["false", "no", "0"]).then_some(false) }
}

/// The features that options give, switched and added to as the row says.
fn features<'a>(
    row: &'a Row,
    usual: &'a [(String, bool)],
    note: &mut dyn FnMut(String),
) -> Result<Vec<(&'a str, bool)>> {
    let mut all: Vec<(&str, bool)> = usual.iter().map(|(name, on)| (name.as_str(), *on)).collect();
    let Some(list) = row.get(Field::Features) else {
        return Ok(all);
    };
    let first_of_row = all.len();
    let words = list.split([' ', ',', ';']).filter(|word| !word.is_empty());
    for word in words {
        let (name, on) = claim_options::feature(word)?;
        claim_options::unknown_feature(name).into_iter().for_each(&mut *note);
        match all.iter().position(|(known, _)| *known == name) {
            Some(at) if at < first_of_row => all[at].1 = on,
            Some(_) => bail!("the feature “{name}” is given twice"),
            None => all.push((name, on)),
        }
    }
    Ok(all)
}
