//! The claims that Jitsi reads, as a value; [`Claims::to_map`] gives them the names and the order they have in a token.

use serde_json::{Map, Value};

/// What a token says.
#[derive(Clone, Debug, Default)]
pub struct Claims {
    /// For whom it is (`aud`); a plugin wants the claim even where it takes any.
    pub audience: String,
    /// Who made it (`iss`): the app id.
    pub issuer: String,
    /// The site's domain, or a tenant (`sub`).
    pub subject: String,
    /// The room's name or `*`; none leaves the claim out.
    pub room: Option<String>,
    /// Made at, seconds since 1970 (`iat`).
    pub issued_at: Option<i64>,
    /// Valid from (`nbf`).
    pub not_before: Option<i64>,
    /// Valid until (`exp`).
    pub expires_at: Option<i64>,
    /// Who it is for (`context.user`).
    pub user: User,
    /// Group (`context.group`).
    pub group: Option<String>,
    /// Features switched on or off (`context.features`).
    pub features: Vec<(String, bool)>,
    /// Further claims, or other values for the ones above.
    pub extra: Map<String, Value>,
}

/// A person, as Jitsi shows and treats them.
#[derive(Clone, Debug, Default)]
pub struct User {
    /// Stable id.
    pub id: Option<String>,
    /// Name shown in the meeting.
    pub name: Option<String>,
    /// Mail address.
    pub email: Option<String>,
    /// URL of a picture.
    pub avatar: Option<String>,
    /// Whether they moderate.
    pub moderator: Option<bool>,
}

impl Claims {
    /// The claims as a token holds them.
    pub fn to_map(&self) -> Map<String, Value> {
        let mut map = Map::new();
        for (name, text) in [
            ("aud", Some(&self.audience)),
            ("iss", Some(&self.issuer)),
            ("sub", Some(&self.subject)),
            ("room", self.room.as_ref()),
        ] {
            put(&mut map, name, text.map(|text| text.as_str()));
        }
        for (name, time) in [
            ("iat", self.issued_at),
            ("nbf", self.not_before),
            ("exp", self.expires_at),
        ] {
            put(&mut map, name, time);
        }
        let context = self.context();
        if !context.is_empty() {
            put(&mut map, "context", Some(context));
        }
        for (name, value) in &self.extra {
            map.insert(name.clone(), value.clone());
        }
        map
    }

    fn context(&self) -> Map<String, Value> {
        let mut context = Map::new();
        let user = self.user.to_map();
        if !user.is_empty() {
            put(&mut context, "user", Some(user));
        }
        put(&mut context, "group", self.group.as_deref());
        if !self.features.is_empty() {
            // As text: the oldest plugins compare with "true", and all later readers take text as well.
            let features = self
                .features
                .iter()
                .map(|(name, on)| (name.clone(), Value::from(on.to_string())));
            put(
                &mut context,
                "features",
                Some(features.collect::<Map<_, _>>()),
            );
        }
        context
    }
}

impl User {
    fn to_map(&self) -> Map<String, Value> {
        let mut map = Map::new();
        put(&mut map, "id", self.id.as_deref());
        put(&mut map, "name", self.name.as_deref());
        put(&mut map, "email", self.email.as_deref());
        put(&mut map, "avatar", self.avatar.as_deref());
        if let Some(moderator) = self.moderator {
            put(&mut map, "moderator", Some(moderator));
            // The other spelling in use; plugins read one or the other.
            let affiliation = if moderator { "owner" } else { "member" };
            put(&mut map, "affiliation", Some(affiliation));
        }
        map
    }
}

fn put(map: &mut Map<String, Value>, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        map.insert(name.to_owned(), value.into());
    }
}

#[cfg(test)]
mod tests {
    use super::{Claims, User};
    use serde_json::{Value, json};

    #[test]
    fn absent_claims_leave_no_trace() {
        let claims = Claims {
            audience: "jitsi".to_owned(),
            issuer: "app".to_owned(),
            subject: "meet.example".to_owned(),
            ..Claims::default()
        };
        let text = Value::Object(claims.to_map()).to_string();
        assert_eq!(text, r#"{"aud":"jitsi","iss":"app","sub":"meet.example"}"#);
    }

    #[test]
    fn user_group_and_features_are_in_the_context_and_extra_claims_win() {
        let claims = Claims {
            room: Some("daily".to_owned()),
            expires_at: Some(1_800_000_060),
            user: User {
                name: Some("Ada".to_owned()),
                moderator: Some(true),
                ..User::default()
            },
            group: Some("staff".to_owned()),
            features: vec![
                ("recording".to_owned(), true),
                ("livestreaming".to_owned(), false),
            ],
            extra: json!({"sub": "other", "x": [1]})
                .as_object()
                .cloned()
                .unwrap(),
            ..Claims::default()
        };
        let map = claims.to_map();
        assert_eq!(
            map["context"],
            json!({
                "user": {"name": "Ada", "moderator": true, "affiliation": "owner"},
                "group": "staff",
                "features": {"recording": "true", "livestreaming": "false"},
            })
        );
        assert_eq!((&map["sub"], &map["x"]), (&json!("other"), &json!([1])));
        assert_eq!(map["exp"], json!(1_800_000_060));
    }
}
