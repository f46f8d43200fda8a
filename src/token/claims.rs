//! The claims that Jitsi reads. Serializing writes them with the names and in the order that they have in a token,
//! without building a tree of values first, so a hundred thousand tokens are cheap.

use std::sync::Arc;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};

/// The claims of a token. `S` is `String`, or a borrowed string where they come from a row.
#[derive(Clone, Debug, Default)]
pub struct Claims<S = String> {
    /// The audience (`aud`); plugins require the claim even where they accept any value.
    pub audience: S,
    /// The issuer (`iss`): the app ID.
    pub issuer: S,
    /// The site's domain, or a tenant (`sub`).
    pub subject: S,
    /// The room's name, or `*`; `None` leaves the claim out.
    pub room: Option<S>,
    /// Whether `room` is a Lua pattern rather than a name (`context.room.regex`).
    pub room_is_pattern: bool,
    /// When it was issued, in seconds since 1970 (`iat`).
    pub issued_at: Option<i64>,
    /// When it becomes valid, in seconds since 1970 (`nbf`).
    pub not_before: Option<i64>,
    /// When it expires, in seconds since 1970 (`exp`).
    pub expires_at: Option<i64>,
    /// The user it is for (`context.user`).
    pub user: User<S>,
    /// The user's group (`context.group`).
    pub group: Option<S>,
    /// Features switched on or off (`context.features`).
    pub features: Vec<(S, bool)>,
    /// Further claims, which override the ones above.
    pub extra: Extra,
}

/// A user, as Jitsi shows and treats them.
#[derive(Clone, Debug, Default)]
pub struct User<S = String> {
    /// Stable ID.
    pub id: Option<S>,
    /// Name shown in the meeting.
    pub name: Option<S>,
    /// Email address.
    pub email: Option<S>,
    /// URL of a picture.
    pub avatar: Option<S>,
    /// Whether they are a moderator.
    pub moderator: Option<bool>,
    /// Their affiliation with the room (`owner`, `member`); `None` derives it from `moderator`.
    pub affiliation: Option<S>,
}

/// Further claims, split by the object that they go into. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Extra(Option<Arc<Places>>);

#[derive(Clone, Debug, Default)]
struct Places {
    top: Map<String, Value>,
    context: Map<String, Value>,
    user: Map<String, Value>,
    features: Map<String, Value>,
    room: Map<String, Value>,
}

impl From<Map<String, Value>> for Extra {
    fn from(mut top: Map<String, Value>) -> Self {
        if top.is_empty() {
            return Self(None);
        }
        let mut context = take(&mut top, "context");
        Self(Some(Arc::new(Places {
            user: take(&mut context, "user"),
            features: take(&mut context, "features"),
            room: take(&mut context, "room"),
            context,
            top,
        })))
    }
}

/// Removes an object from another one and returns it; a value that is not an object stays.
fn take(map: &mut Map<String, Value>, name: &str) -> Map<String, Value> {
    match map.get_mut(name) {
        Some(Value::Object(inner)) => {
            let inner = std::mem::take(inner);
            map.shift_remove(name);
            inner
        }
        _ => Map::new(),
    }
}

impl<S: AsRef<str>> Claims<S> {
    /// The claims as they appear in a token.
    pub fn to_map(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(map)) => map,
            _ => Map::new(),
        }
    }

    fn has_no_context(&self, extra: &Places) -> bool {
        self.user.is_empty()
            && self.group.is_none()
            && self.features.is_empty()
            && !self.room_is_pattern
            && [&extra.context, &extra.user, &extra.features, &extra.room].iter().all(|map| map.is_empty())
    }
}

impl<S> User<S> {
    fn is_empty(&self) -> bool {
        let Self { id, name, email, avatar, moderator, affiliation } = self;
        moderator.is_none() && [id, name, email, avatar, affiliation].iter().all(|text| text.is_none())
    }
}

/// An object being written. The further fields override its own and are written at the end.
struct Object<'a, M> {
    map: M,
    extra: &'a Map<String, Value>,
}

impl<'a, M: SerializeMap> Object<'a, M> {
    fn begin<Z: Serializer<SerializeMap = M, Error = M::Error>>(
        serializer: Z,
        extra: &'a Map<String, Value>,
    ) -> Result<Self, M::Error> {
        let map = serializer.serialize_map(None)?;
        Ok(Self { map, extra })
    }

    fn put(&mut self, name: &str, value: Option<impl Serialize>) -> Result<(), M::Error> {
        match value {
            Some(value) if !self.extra.contains_key(name) => self.map.serialize_entry(name, &value),
            _ => Ok(()),
        }
    }

    fn end(mut self) -> Result<M::Ok, M::Error> {
        for (name, value) in self.extra {
            self.map.serialize_entry(name, value)?;
        }
        self.map.end()
    }
}

fn text<S: AsRef<str>>(text: Option<&S>) -> Option<&str> {
    text.map(AsRef::as_ref)
}

impl<S: AsRef<str>> Serialize for Claims<S> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        let nothing = Places::default();
        let extra = self.extra.0.as_deref().unwrap_or(&nothing);
        let mut object = Object::begin(serializer, &extra.top)?;
        object.put("aud", Some(self.audience.as_ref()))?;
        object.put("iss", Some(self.issuer.as_ref()))?;
        object.put("sub", Some(self.subject.as_ref()))?;
        object.put("room", text(self.room.as_ref()))?;
        object.put("iat", self.issued_at)?;
        object.put("nbf", self.not_before)?;
        object.put("exp", self.expires_at)?;
        let context = (!self.has_no_context(extra)).then_some(Context(self, extra));
        object.put("context", context)?;
        object.end()
    }
}

/// `context`.
struct Context<'a, S>(&'a Claims<S>, &'a Places);

impl<S: AsRef<str>> Serialize for Context<'_, S> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        let Self(claims, extra) = self;
        let mut object = Object::begin(serializer, &extra.context)?;
        let user = !claims.user.is_empty() || !extra.user.is_empty();
        object.put("user", user.then_some(Person(&claims.user, &extra.user)))?;
        object.put("group", text(claims.group.as_ref()))?;
        let features = !claims.features.is_empty() || !extra.features.is_empty();
        let switches = Switches(&claims.features, &extra.features);
        object.put("features", features.then_some(switches))?;
        let room = claims.room_is_pattern || !extra.room.is_empty();
        let pattern = Pattern(claims.room_is_pattern, &extra.room);
        object.put("room", room.then_some(pattern))?;
        object.end()
    }
}

/// `context.user`.
struct Person<'a, S>(&'a User<S>, &'a Map<String, Value>);

impl<S: AsRef<str>> Serialize for Person<'_, S> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        let Self(user, extra) = self;
        let mut object = Object::begin(serializer, extra)?;
        object.put("id", text(user.id.as_ref()))?;
        object.put("name", text(user.name.as_ref()))?;
        object.put("email", text(user.email.as_ref()))?;
        object.put("avatar", text(user.avatar.as_ref()))?;
        object.put("moderator", user.moderator)?;
        // The other spelling in use: a plugin reads one or the other.
        let usual = user.moderator.map(|moderator| if moderator { "owner" } else { "member" });
        object.put("affiliation", text(user.affiliation.as_ref()).or(usual))?;
        object.end()
    }
}

/// `context.features`.
struct Switches<'a, S>(&'a [(S, bool)], &'a Map<String, Value>);

impl<S: AsRef<str>> Serialize for Switches<'_, S> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        let mut object = Object::begin(serializer, self.1)?;
        for (name, on) in self.0 {
            // As text: the oldest plugins compare with "true", and all later ones accept text too.
            object.put(name.as_ref(), Some(if *on { "true" } else { "false" }))?;
        }
        object.end()
    }
}

/// `context.room`.
struct Pattern<'a>(bool, &'a Map<String, Value>);

impl Serialize for Pattern<'_> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        let mut object = Object::begin(serializer, self.1)?;
        object.put("regex", self.0.then_some(true))?;
        object.end()
    }
}

#[cfg(test)]
mod tests {
    use super::{Claims, User};
    use serde_json::{Map, Value, json};

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn unset_claims_are_omitted() {
        let claims = Claims { audience: "jitsi", issuer: "app", subject: "meet.example", ..Claims::default() };
        let text = serde_json::to_string(&claims).unwrap();
        assert_eq!(text, r#"{"aud":"jitsi","iss":"app","sub":"meet.example"}"#);
    }

    #[test]
    fn context_claims_are_nested_and_extra_claims_win() {
        let claims = Claims {
            room: Some("daily".to_owned()),
            expires_at: Some(1_800_000_060),
            user: User { name: Some("Ada".to_owned()), moderator: Some(true), ..User::default() },
            group: Some("staff".to_owned()),
            features: vec![("recording".to_owned(), true), ("livestreaming".to_owned(), false)],
            extra: object(json!({"sub": "other", "x": [1]})).into(),
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

    #[test]
    fn extra_context_claims_are_merged() {
        let extra = json!({"context": {
            "user": {"name": "Grace", "rank": 1}, "features": {"flip": true}, "room": {"regex": false}, "x": null,
        }});
        let claims = Claims {
            user: User { id: Some("7"), name: Some("Ada"), affiliation: Some("member"), ..User::default() },
            room_is_pattern: true,
            extra: object(extra).into(),
            ..Claims::default()
        };
        assert_eq!(
            claims.to_map()["context"],
            json!({
                "user": {"id": "7", "affiliation": "member", "name": "Grace", "rank": 1},
                "features": {"flip": true},
                "room": {"regex": false},
                "x": null,
            })
        );
        let odd = Claims {
            user: User { id: Some("7"), ..User::default() },
            extra: object(json!({"context": {"user": "Ada"}})).into(),
            ..Claims::default()
        };
        assert_eq!(odd.to_map()["context"], json!({"user": "Ada"}));
    }
}
