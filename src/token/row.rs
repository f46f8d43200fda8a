//! A row: what sets one token of many apart from what the options set for all. Nothing is copied that can be borrowed,
//! and no tree of values is built unless a row has claims of its own.

use std::borrow::Cow;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};

use super::options::{Expiry, check_affiliation, feature, unknown_feature};
use super::times::{parse_moment, parse_span};
use super::{Claims, User, role};

/// A field of a row.
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
    /// All fields with their names in rows, in the order of their discriminants.
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

    /// The path of the claim that it sets.
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

/// The values of one row.
#[derive(Debug, Default)]
pub struct Row<'a> {
    texts: [Cow<'a, str>; Field::ALL.len()],
    /// Further claims.
    pub claims: Map<String, Value>,
}

impl<'a> Row<'a> {
    /// Sets the row's value for this field.
    pub fn set(&mut self, field: Field, text: impl Into<Cow<'a, str>>) {
        self.texts[field as usize] = text.into();
    }

    /// The row's value for this field, unless it is empty.
    pub fn get(&self, field: Field) -> Option<&str> {
        let text = self.texts[field as usize].as_ref();
        (!text.is_empty()).then_some(text)
    }

    /// When the row's token expires: as the row says, else as in `usual`, the options' claims.
    ///
    /// # Errors
    /// If the row has two expiries, an invalid one, or one before the token becomes valid.
    pub(super) fn end(&self, usual: &Claims) -> Result<Option<i64>> {
        let expiry = match (self.get(Field::ExpiresIn), self.get(Field::ExpiresAt)) {
            (None, None) => return Ok(usual.expires_at),
            (Some(_), Some(_)) => {
                bail!("the claim \"exp\" has two sources: expires_in and expires_at")
            }
            (Some(span), None) => Expiry::In(parse_span(span).context("expires_in")?),
            (None, Some(moment)) => Expiry::At(parse_moment(moment).context("expires_at")?),
        };
        let start = usual.not_before.or(usual.issued_at).unwrap_or_default();
        expiry.check(start).context("expires_at")?;
        Ok(expiry.moment(start))
    }

    /// The row's user; the options' user fills the gaps. `note` receives a warning about a value that misleads.
    ///
    /// # Errors
    /// If a field is invalid, or two fields set the same thing.
    pub(super) fn user<'b>(&'b self, usual: &'b User, note: &mut dyn FnMut(String)) -> Result<User<Cow<'b, str>>> {
        let text = |field, usual: &'b Option<String>| self.get(field).or(usual.as_deref()).map(Cow::Borrowed);
        let told = self.get(Field::Moderator);
        let moderator = match told {
            // The options' moderator is an owner, whatever affiliation the row gives.
            None if self.get(Field::Affiliation).is_some() => None,
            None => usual.moderator,
            Some(text) => {
                Some(yes_or_no(text).with_context(|| format!("invalid \"moderator\" \"{text}\": use true or false"))?)
            }
        };
        if let Some(affiliation) = self.get(Field::Affiliation) {
            check_affiliation(affiliation)?;
            role::affiliation_warning(affiliation).into_iter().for_each(note);
            if told.is_some() {
                bail!("the claim \"context.user.affiliation\" has two sources: moderator and affiliation");
            }
        }
        Ok(User {
            id: text(Field::Id, &usual.id),
            name: text(Field::Name, &usual.name),
            email: text(Field::Email, &usual.email),
            avatar: text(Field::Avatar, &usual.avatar),
            moderator,
            // A row that says whether the user is a moderator thereby sets their affiliation, too.
            affiliation: if told.is_some() { None } else { text(Field::Affiliation, &usual.affiliation) },
        })
    }

    /// The features from the options, overridden and extended by the row. `note` receives warnings about unknown ones.
    ///
    /// # Errors
    /// If a feature is invalid or given twice.
    pub(super) fn features<'b>(
        &'b self,
        usual: &'b [(String, bool)],
        note: &mut dyn FnMut(String),
    ) -> Result<Vec<(Cow<'b, str>, bool)>> {
        let mut all: Vec<(Cow<str>, bool)> =
            usual.iter().map(|(name, on)| (Cow::Borrowed(name.as_str()), *on)).collect();
        let Some(list) = self.get(Field::Features) else {
            return Ok(all);
        };
        let first_of_row = all.len();
        let words = list.split([' ', ',', ';']).filter(|word| !word.is_empty());
        for word in words {
            let (name, on) = feature(word)?;
            unknown_feature(name).into_iter().for_each(&mut *note);
            match all.iter().position(|(known, _)| *known == name) {
                Some(at) if at < first_of_row => all[at].1 = on,
                Some(_) => bail!("the feature \"{name}\" is given twice"),
                None => all.push((Cow::Borrowed(name), on)),
            }
        }
        Ok(all)
    }
}

fn yes_or_no(text: &str) -> Option<bool> {
    let is = |words: [&str; 3]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is(["true", "yes", "1"]) { Some(true) } else { is(["false", "no", "0"]).then_some(false) }
}

/// Checks that the options do not already set this field's claim.
///
/// # Errors
/// Names both sources.
pub(super) fn allow(field: Field, extra: &Map<String, Value>) -> Result<()> {
    // Either of these claims makes a moderator, whatever the other says.
    let role = [Field::Moderator, Field::Affiliation];
    let fields = if role.contains(&field) { &role[..] } else { &[field] };
    if let Some(taken) = fields.iter().find(|field| has(extra, field.path())) {
        bail!(
            "the claim \"{}\" has two sources: the rows' \"{}\" and --claim or --claims",
            taken.path().join("."),
            field.name()
        );
    }
    Ok(())
}

/// Checks that rows may set a further claim of this name.
///
/// # Errors
/// If the claim has a field of its own, or the options already set it.
pub(super) fn allow_claim(name: &str, extra: &Map<String, Value>) -> Result<()> {
    if ["aud", "iss", "sub", "room", "iat", "nbf", "exp", "context"].contains(&name) {
        bail!("rows cannot set the claim \"{name}\" directly; use --claim, --claims or another field");
    }
    if extra.contains_key(name) {
        bail!("the claim \"{name}\" has two sources: the rows and --claim or --claims");
    }
    Ok(())
}

/// Whether an object has this claim, or another value in place of one of the objects around it.
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
