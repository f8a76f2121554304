//! A field of a request's body that never stops the reading of its neighbours.
//!
//! serde gives up at the first field of a wrong type. A body made of [`Field`]s reads whatever a client sent, and
//! [`Check`](super::check::Check) then names everything that is wrong at once. It also tells an absent field from
//! `null`, which mean different things in an update.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserializer, Visitor};
use serde::{Deserialize, de};
use serde_json::Value;

use super::bounded::Bounded;

/// What a client sent for one field. A field without `#[serde(default)]` reads as `Null` when it is absent and is
/// required in the schema.
#[derive(Default)]
pub(super) enum Field<B: Bounded> {
    /// Nothing.
    #[default]
    Absent,
    /// `null`.
    Null,
    /// A value of the right type, within its bounds or not.
    Value(B::Sent),
    /// Something else.
    Wrong,
}

impl<'de, B: Bounded> Deserialize<'de> for Field<B> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<B>(std::marker::PhantomData<B>);

        impl<'de, B: Bounded> Visitor<'de> for Reader<B> {
            type Value = Field<B>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a value")
            }

            fn visit_none<E: de::Error>(self) -> Result<Field<B>, E> {
                Ok(Field::Null)
            }

            fn visit_unit<E: de::Error>(self) -> Result<Field<B>, E> {
                Ok(Field::Null)
            }

            fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Field<B>, D::Error> {
                let value = Value::deserialize(deserializer)?;
                Ok(serde_json::from_value(value).map_or(Field::Wrong, Field::Value))
            }
        }

        deserializer.deserialize_option(Reader(std::marker::PhantomData))
    }
}

impl<B: Bounded> JsonSchema for Field<B> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        std::any::type_name::<B>().into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        B::schema(generator)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::bounded::{Name, Port};
    use super::*;

    #[derive(Deserialize, JsonSchema)]
    #[allow(dead_code)]
    struct Body {
        name: Field<Name>,
        #[serde(default)]
        port: Field<Port>,
    }

    fn read(json: &str) -> Body {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn absent_null_right_and_wrong_are_distinguished() {
        assert!(matches!(read(r#"{"name":"a"}"#), Body { name: Field::Value(_), port: Field::Absent }));
        assert!(matches!(read(r#"{"port":null}"#), Body { name: Field::Null, port: Field::Null }));
        assert!(matches!(read(r#"{"name":1,"port":9}"#), Body { name: Field::Wrong, port: Field::Value(9) }));
        for port in ["9.5", "\"9\"", "true", "{}", "[9]", "1e400000", "99999999999999999999"] {
            let Ok(body) = serde_json::from_str::<Body>(&format!(r#"{{"port":{port}}}"#)) else { continue };
            assert!(matches!(body.port, Field::Wrong), "{port}");
        }
    }

    #[test]
    fn the_schema_says_the_bounds() {
        let schema = schemars::schema_for!(Body).to_value();
        assert_eq!(schema["required"], serde_json::json!(["name"]));
        assert_eq!(
            schema["properties"]["name"],
            serde_json::json!({"type": "string", "minLength": 1, "maxLength": 100})
        );
    }
}
