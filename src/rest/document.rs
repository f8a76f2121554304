//! The API's document: OpenAPI 3.1, made of the rows of the route table and of the registry's commands.
//!
//! Nothing is written here that the rows know. Bodies and queries are described in place, as they are read; data of
//! answers by their types' names, as they are written.

use std::collections::BTreeMap;

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::row::Row;
use super::row_part::{Describe, Gives, Header};
use super::{Access, StatusCode, envelope};
use crate::error::failures::Failure;
use crate::registry::Registry;

/// Where schemas are.
const SCHEMAS: &str = "#/components/schemas/";

/// The generators of a document's schemas.
struct Writer {
    /// Of what is sent to the server.
    taken: SchemaGenerator,
    /// Of what it answers.
    given: SchemaGenerator,
    /// The answers to failures, which many routes share, by their names.
    failed: Map<String, Value>,
}

/// The document of these routes and commands.
pub(super) fn document<'a>(rows: impl Iterator<Item = &'a Row>, registry: &Registry) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut writer = Writer {
        taken: settings.clone().with(|settings| settings.inline_subschemas = true).into_generator(),
        given: settings.for_serialize().into_generator(),
        failed: Map::new(),
    };
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    let mut tags: Vec<Value> = Vec::new();
    for row in rows {
        if let Some(tag) = row.tag
            && tags.iter().all(|known| known["name"] != tag.name)
        {
            tags.push(json!({"name": tag.name, "description": tag.about}));
        }
        let method = row.method.as_str().to_ascii_lowercase();
        let path = row.path.replace("{*", "{");
        paths.entry(path).or_default().insert(method, writer.operation(row, registry));
    }
    let mut schemas = writer.given.take_definitions(true);
    schemas.insert("Error".to_owned(), error_schema());
    for entry in registry.sendable() {
        for (part, schema) in [("payload", (entry.payload_schema)()), ("reply", (entry.reply_schema)())] {
            let name = command_schema(entry.name, part);
            schemas.insert(name.clone(), placed(schema, &name));
        }
    }
    json!({
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "NetIgnite",
            "version": crate::VERSION,
            "summary": "Power devices on from anywhere, through small always-on agents",
            "license": {"name": "AGPL-3.0-or-later", "identifier": "AGPL-3.0-or-later"},
        },
        "servers": [{"url": "/"}],
        "tags": tags,
        "paths": paths,
        "components": {"schemas": schemas, "responses": writer.failed, "securitySchemes": security_schemes()},
    })
}

fn security_schemes() -> Value {
    json!({
        "session": {"type": "apiKey", "in": "cookie", "name": "session",
            "description": "The cookie that a login sets"},
        "token": {"type": "http", "scheme": "bearer", "description": "An API token"},
        "agent": {"type": "http", "scheme": "basic", "description": "An agent's ID and secret"},
    })
}

fn error_schema() -> Value {
    json!({
        "type": "object",
        "description": "What went wrong: `code` for programs, `message` for people",
        "required": ["status", "message", "data", "code", "requestID"],
        "properties": {
            "status": {"const": "ERROR"},
            "message": {"type": "string"},
            "data": {},
            "code": {"type": "string"},
            "errors": {"type": "array", "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            }},
            "requestID": {"type": "string"},
        },
    })
}

/// The name of the schema of a command's payload or reply.
fn command_schema(command: &str, part: &str) -> String {
    format!("Command.{command}.{part}")
}

/// A schema that stood alone, with its inner references as they are at its place in the document.
fn placed(mut schema: Value, name: &str) -> Value {
    if let Some(schema) = schema.as_object_mut() {
        schema.remove("$schema");
    }
    refer(&mut schema, name);
    schema
}

fn refer(value: &mut Value, name: &str) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Value::String(target) if key == "$ref" && target.starts_with("#/$defs") => {
                        *target = format!("{SCHEMAS}{name}{}", &target[1..]);
                    }
                    other => refer(other, name),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| refer(value, name)),
        _ => {}
    }
}

impl Writer {
    fn operation(&mut self, row: &Row, registry: &Registry) -> Value {
        let mut operation = json!({
            "operationId": operation_id(row),
            "summary": row.summary,
            "security": security(row.access),
            "parameters": self.parameters(row),
            "responses": self.responses(row),
        });
        if let Some(tag) = row.tag {
            operation["tags"] = json!([tag.name]);
        }
        let permissions: Vec<_> = row.access.permissions().iter().map(|needed| needed.name()).collect();
        if !permissions.is_empty() {
            operation["x-permissions"] = json!(permissions);
            operation["description"] = format!("Needs {}.", permissions.join(" and ")).into();
        }
        if row.access == Access::Operator {
            operation["description"] =
                "Open to the local operator alone, through the server's Unix socket.".into();
        }
        if let Some(takes) = row.takes {
            operation["requestBody"] = self.body(row, takes, registry);
        }
        operation
    }

    fn body(&mut self, row: &Row, takes: Describe, registry: &Registry) -> Value {
        let mut schema = takes(&mut self.taken).to_value();
        if row.placeholders().any(|name| name == "name") && row.path.contains("/commands/") {
            let all = registry.sendable();
            let refs = all
                .map(|entry| json!({"$ref": format!("{SCHEMAS}{}", command_schema(entry.name, "payload"))}));
            schema["anyOf"] = refs.collect();
        }
        let required = schema["required"].as_array().is_some_and(|fields| !fields.is_empty());
        let mut content = json!({"schema": schema});
        if let Some(example) = row.example.and_then(|json| serde_json::from_str::<Value>(json).ok()) {
            content["example"] = example;
        }
        json!({"required": required, "content": {"application/json": content}})
    }

    fn parameters(&mut self, row: &Row) -> Vec<Value> {
        let mut parameters = Vec::new();
        for name in row.placeholders() {
            let name = name.trim_start_matches('*');
            let known = row.params.iter().find(|param| param.name == name);
            let (about, schema) = match known {
                Some(param) => (param.about, (param.schema)(&mut self.taken).to_value()),
                None => ("An ID", json!({"type": "integer", "format": "int64", "minimum": 1})),
            };
            parameters.push(
                json!({"name": name, "in": "path", "required": true, "description": about, "schema": schema}),
            );
        }
        for query in &row.queries {
            let schema = query(&mut self.taken).to_value();
            let required = schema["required"].as_array().cloned().unwrap_or_default();
            for (name, field) in schema["properties"].as_object().into_iter().flatten() {
                parameters.push(parameter(name, field.clone(), required.contains(&json!(name))));
            }
        }
        if row.admin_mode {
            parameters.push(json!({
                "name": "adminMode", "in": "query", "required": false, "schema": {"type": "boolean"},
                "description": "`true` means everyone's things, for admins; from others it is ignored",
            }));
        }
        // What a document may not have as a parameter is said by the security scheme.
        for header in row.reads.iter().filter(|header| header.name != hyper::header::AUTHORIZATION) {
            parameters.push(json!({
                "name": header.name.as_str(), "in": "header", "required": false,
                "description": header.about, "schema": {"type": "string"},
            }));
        }
        parameters
    }

    fn responses(&mut self, row: &Row) -> Value {
        let mut responses = Map::new();
        for status in &row.statuses {
            let mut response = json!({"description": reason(*status), "headers": headers(&row.sends)});
            match row.gives {
                Gives::Envelope(data) => {
                    let data = data(&mut self.given).to_value();
                    response["content"] = json!({"application/json": {"schema": {
                        "type": "object",
                        "required": ["status", "message", "data", "requestID"],
                        "properties": {
                            "status": {"const": "OK"},
                            "message": {"type": "string"},
                            "data": data,
                            "requestID": {"type": "string"},
                        },
                    }}});
                }
                Gives::Raw(types) => {
                    let content = types.iter().map(|kind| ((*kind).to_owned(), json!({})));
                    response["content"] = Value::Object(content.collect());
                }
                Gives::Upgrade => {}
            }
            responses.insert(status.as_u16().to_string(), response);
        }
        let mut failures: BTreeMap<u16, Vec<Failure>> = BTreeMap::new();
        for failure in row.failures() {
            failures.entry(envelope::status(failure.kind).as_u16()).or_default().push(failure);
        }
        let data = match row.fails_with {
            Some(data) => json!({"anyOf": [data(&mut self.given).to_value(), {"type": "null"}]}),
            None => json!({"type": "null"}),
        };
        for (status, failures) in failures {
            let response = failed(&failures, row, &data);
            match responses.get_mut(&status.to_string()) {
                // Such as a page for a path that is none, or a plain text that the server is not ready.
                Some(known) => {
                    known["content"]["application/json"] = response["content"]["application/json"].clone();
                }
                None => {
                    let name = self.shared(status, response);
                    let reference = json!({"$ref": format!("#/components/responses/{name}")});
                    responses.insert(status.to_string(), reference);
                }
            }
        }
        Value::Object(responses)
    }
}

impl Writer {
    /// The name of an answer that routes may share.
    fn shared(&mut self, status: u16, response: Value) -> String {
        if let Some((name, _)) = self.failed.iter().find(|(_, known)| **known == response) {
            return name.clone();
        }
        let prefix = format!("Failed{status}.");
        let count = self.failed.keys().filter(|name| name.starts_with(&prefix)).count();
        let name = format!("{prefix}{}", count + 1);
        self.failed.insert(name.clone(), response);
        name
    }
}

/// The answer to what failed in one of these ways, which have one status; `data` is the schema of its data.
fn failed(failures: &[Failure], row: &Row, data: &Value) -> Value {
    let codes: Vec<_> = failures.iter().map(|failure| failure.code).collect();
    let lines: Vec<_> =
        failures.iter().map(|failure| format!("- `{}`: {}", failure.code, failure.about)).collect();
    let mut fields = json!({"code": {"enum": codes}, "data": data});
    if codes.contains(&"command_failed") {
        fields["agentCode"] = json!({"type": "string", "description": "Why the agent failed, in its word"});
    }
    let mut headers = headers(&row.sends);
    headers["Retry-After"] = json!({
        "description": "After how many seconds another attempt makes sense, where that is known",
        "schema": {"type": "integer"},
    });
    json!({
        "description": lines.join("\n"),
        "headers": headers,
        "content": {"application/json": {"schema": {
            "allOf": [{"$ref": format!("{SCHEMAS}Error")}, {"properties": fields}],
        }}},
    })
}

fn headers(sends: &[Header]) -> Value {
    let usual = ("X-Request-ID".to_owned(), header("What the request is called in the server's log"));
    let own = sends.iter().map(|sent| (sent.name.as_str().to_owned(), header(sent.about)));
    Value::Object(own.chain([usual]).collect())
}

fn header(about: &str) -> Value {
    json!({"description": about, "schema": {"type": "string"}})
}

/// A key of the query: a field that may be left out, and is not null.
fn parameter(name: &str, mut schema: Value, required: bool) -> Value {
    let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
    if let Some(kinds) = schema["type"].as_array() {
        let kinds: Vec<_> = kinds.iter().filter(|kind| *kind != "null").cloned().collect();
        schema["type"] = if let [kind] = &kinds[..] { kind.clone() } else { kinds.into() };
    }
    if let Some(any) = schema["anyOf"].as_array() {
        let mut any: Vec<_> = any.iter().filter(|one| one["type"] != "null").cloned().collect();
        match (any.len(), any.pop()) {
            (1, Some(one)) => schema = one,
            (_, Some(last)) => {
                any.push(last);
                schema["anyOf"] = any.into();
            }
            (_, None) => {}
        }
    }
    // Indexing has put nulls where there was nothing.
    if let Some(fields) = schema.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    let mut parameter = json!({"name": name, "in": "query", "required": required, "schema": schema});
    if let Some(description) = description {
        parameter["description"] = description;
    }
    parameter
}

fn security(access: Access) -> Value {
    match access {
        Access::Public => json!([]),
        Access::Agent => json!([{"agent": []}]),
        Access::Operator => json!([{"session": []}]),
        _ if access.takes_tokens() => json!([{"session": []}, {"token": []}]),
        _ => json!([{"session": []}]),
    }
}

/// Such as `get_devices_id`.
fn operation_id(row: &Row) -> String {
    let mut id = row.method.as_str().to_ascii_lowercase();
    let below = row.path.strip_prefix("/api").unwrap_or(&row.path);
    for part in below.split('/').filter(|part| !part.is_empty()) {
        id.push('_');
        id.extend(part.chars().filter_map(|c| match c {
            '{' | '}' | '*' => None,
            c if c.is_ascii_alphanumeric() => Some(c),
            _ => Some('_'),
        }));
    }
    id
}

fn reason(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or("Answered")
}
