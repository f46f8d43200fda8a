//! How a command ends.

use std::borrow::Cow;
use std::process::ExitCode;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};

/// How a command ended; the values are exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done, or nothing to do.
    Done = 0,
    /// It was tried and failed.
    Failed = 1,
    /// The command line or a file that it names is wrong.
    Usage = 2,
    /// Changes are needed; for a token: its validity cannot be decided.
    Pending = 3,
    /// A login gave an unexpected result; for a token: it is not valid.
    Refused = 4,
    /// You must act first.
    Blocked = 5,
    /// The operator interrupted it, or declined.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl Serialize for Exit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(*self as u8)
    }
}

impl JsonSchema for Exit {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        u8::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        u8::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize, JsonSchema)]
    #[schemars(rename = "Ended")]
    struct Ended {
        code: Exit,
    }

    #[derive(JsonSchema)]
    #[schemars(rename = "Ended")]
    struct Numbered {
        #[allow(dead_code)]
        code: u8,
    }

    #[test]
    fn exit_codes_are_numbers_everywhere() {
        assert_eq!(ExitCode::from(Exit::Pending), ExitCode::from(3));
        assert_eq!(serde_json::to_string(&Ended { code: Exit::Interrupted }).unwrap(), r#"{"code":130}"#);
        assert_eq!(schemars::schema_for!(Ended), schemars::schema_for!(Numbered));
        assert_eq!((Exit::schema_name(), Exit::inline_schema()), (u8::schema_name(), true));
    }
}
