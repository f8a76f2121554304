//! What a row of the route table is made of: groups, placeholders, headers, schemas.

use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::HeaderName;

/// Gives the JSON Schema of a type.
pub type Describe = fn(&mut SchemaGenerator) -> Schema;

/// Gives the schema of `T`.
pub fn describe<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// A group of routes in the API's document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag {
    /// Its name.
    pub name: &'static str,
    /// What belongs to it, in one line for people.
    pub about: &'static str,
}

impl Tag {
    /// A tag.
    pub const fn new(name: &'static str, about: &'static str) -> Self {
        Self { name, about }
    }
}

/// A placeholder of a path that is no ID.
#[derive(Debug, Clone, Copy)]
pub struct Param {
    /// Its name in the path.
    pub name: &'static str,
    /// What it is, in one line for people.
    pub about: &'static str,
    /// Its schema.
    pub schema: Describe,
}

/// A header that a request may bring, or an answer.
#[derive(Debug, Clone)]
pub struct Header {
    /// Its name.
    pub name: HeaderName,
    /// What it says, in one line for people.
    pub about: &'static str,
}

/// What a route answers when all went well.
#[derive(Debug, Clone, Copy)]
pub enum Gives {
    /// The envelope, with data of this schema.
    Envelope(Describe),
    /// Something else, of one of these media types; `*/*` stands for any.
    Raw(&'static [&'static str]),
    /// A WebSocket.
    Upgrade,
}
