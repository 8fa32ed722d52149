//! The contract as an OpenAPI 3.1 document, made from the proto files' descriptors and comments.

use std::collections::{BTreeMap, BTreeSet};

use prost_reflect::{EnumDescriptor, FieldDescriptor, FileDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use super::hyphenated;
use crate::contract::{self, Method};

pub(super) fn document() -> Value {
    let (mut paths, mut schemas) = (Map::new(), Schemas::default());
    for method in contract::methods() {
        paths.insert(format!("/v1/{}", hyphenated(&method.name)), json!({"post": operation(method, &mut schemas)}));
    }
    let mut all = schemas.finish();
    all.insert("Error".into(), error());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Tamis",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Retrieval and context compression under an exact token budget. 64-bit integers come as \
                            text; bytes are base64. A method that takes many messages takes one JSON object a line; \
                            one that gives many gives server-sent events: message, error, end.",
        },
        "paths": paths,
        "components": {
            "schemas": all,
            "securitySchemes": {"credential": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"credential": []}, {}],
    })
}

fn operation(method: &Method, schemas: &mut Schemas) -> Value {
    let descriptor = &method.descriptor;
    let many = |is: bool, kind: &str, one: Value| {
        let media = if is { kind } else { "application/json" };
        json!({ media: {"schema": one} })
    };
    let service = descriptor.parent_service();
    let input = schemas.reference(&descriptor.input());
    let output = schemas.reference(&descriptor.output());
    json!({
        "operationId": method.name,
        "tags": [service.name()],
        "description": comment(&service.parent_file(), descriptor.path()),
        "requestBody": {
            "required": true,
            "content": many(descriptor.is_client_streaming(), "application/x-ndjson", input),
        },
        "responses": {
            "200": {
                "description": "Done.",
                "content": many(descriptor.is_server_streaming(), "text/event-stream", output),
            },
            "default": {
                "description": "Refused or failed.",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
            },
        },
    })
}

fn error() -> Value {
    json!({
        "type": "object",
        "required": ["error"],
        "properties": {"error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {
                "code": {"type": "string", "description": "The gRPC code, for example INVALID_ARGUMENT."},
                "message": {"type": "string", "description": "What is wrong and what helps, for people."},
                "reason": {"type": "string", "description": "What is wrong, for programs."},
                "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
                "violations": {"type": "array", "items": {
                    "type": "object",
                    "properties": {"field": {"type": "string"}, "description": {"type": "string"}},
                }},
                "retry_after_ms": {"type": "integer", "description": "When the same may succeed."},
            },
        }},
    })
}

/// Messages and enumerations that are named by what was described so far.
#[derive(Default)]
struct Schemas {
    described: BTreeMap<String, Value>,
    begun: BTreeSet<String>,
}

impl Schemas {
    fn reference(&mut self, message: &MessageDescriptor) -> Value {
        if let Some(known) = well_known(message.full_name()) {
            return known;
        }
        let name = message.full_name().trim_start_matches("tamis.v1.").to_owned();
        if self.begun.insert(name.clone()) {
            let described = self.message(message);
            self.described.insert(name.clone(), described);
        }
        to(&name)
    }

    fn message(&mut self, message: &MessageDescriptor) -> Value {
        let file = message.parent_file();
        let mut properties = Map::new();
        for field in message.fields() {
            let mut schema = self.field(&field);
            let text = comment(&file, field.path());
            if let Some(schema) = schema.as_object_mut().filter(|_| !text.is_empty()) {
                schema.insert("description".into(), text.into());
            }
            properties.insert(field.name().to_owned(), schema);
        }
        json!({
            "type": "object",
            "description": comment(&file, message.path()),
            "properties": properties,
            "additionalProperties": false,
        })
    }

    fn field(&mut self, field: &FieldDescriptor) -> Value {
        if let Kind::Message(entry) = field.kind()
            && field.is_map()
        {
            let values = self.kind(&entry.map_entry_value_field().kind());
            return json!({"type": "object", "additionalProperties": values});
        }
        let one = self.kind(&field.kind());
        if field.is_list() { json!({"type": "array", "items": one}) } else { one }
    }

    fn kind(&mut self, kind: &Kind) -> Value {
        match kind {
            Kind::Double | Kind::Float => json!({"type": "number"}),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => json!({"type": "integer", "format": "int32"}),
            Kind::Uint32 | Kind::Fixed32 => json!({"type": "integer", "minimum": 0}),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => json!({"type": ["string", "integer"], "format": "int64"}),
            Kind::Uint64 | Kind::Fixed64 => json!({"type": ["string", "integer"], "format": "uint64"}),
            Kind::Bool => json!({"type": "boolean"}),
            Kind::String => json!({"type": "string"}),
            Kind::Bytes => json!({"type": "string", "contentEncoding": "base64"}),
            Kind::Message(message) => self.reference(message),
            Kind::Enum(values) => self.enumeration(values),
        }
    }

    fn enumeration(&mut self, values: &EnumDescriptor) -> Value {
        let name = values.full_name().trim_start_matches("tamis.v1.").to_owned();
        let file = values.parent_file();
        let said = |path: &[i32]| comment(&file, path);
        let each = values.values().map(|v| format!("{}: {}", v.name(), said(v.path()))).collect::<Vec<_>>();
        let described = json!({
            "type": "string",
            "description": format!("{}\n\n{}", said(values.path()), each.join("\n")),
            "enum": values.values().map(|v| v.name().to_owned()).collect::<Vec<_>>(),
        });
        self.described.insert(name.clone(), described);
        to(&name)
    }

    fn finish(self) -> Map<String, Value> {
        self.described.into_iter().collect()
    }
}

fn to(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// Messages that JSON has a form of its own for.
fn well_known(name: &str) -> Option<Value> {
    Some(match name {
        "google.protobuf.Struct" => json!({"type": "object"}),
        "google.protobuf.Value" => json!({}),
        "google.protobuf.ListValue" => json!({"type": "array"}),
        "google.protobuf.Timestamp" => json!({"type": "string", "format": "date-time"}),
        "google.protobuf.Duration" => json!({"type": "string", "pattern": "^-?[0-9.]+s$"}),
        _ => return None,
    })
}

/// What stands before a declaration in the proto file.
fn comment(file: &FileDescriptor, path: &[i32]) -> String {
    let info = file.file_descriptor_proto().source_code_info.as_ref();
    let at = info.and_then(|info| info.location.iter().find(|location| location.path == path));
    let lines = at.map(|location| location.leading_comments().lines().map(str::trim).collect::<Vec<_>>());
    lines.unwrap_or_default().join("\n").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_and_everything_it_names_is_described() {
        let document = document();
        let schemas = document["components"]["schemas"].as_object().unwrap();
        assert_eq!(document["paths"].as_object().unwrap().len(), contract::methods().len());
        let text = document.to_string();
        for (n, _) in text.match_indices("#/components/schemas/") {
            let name = text[n + "#/components/schemas/".len()..].split('"').next().unwrap();
            assert!(schemas.contains_key(name), "{name}");
        }
        let compress = &document["paths"]["/v1/compress"]["post"];
        assert!(!compress["description"].as_str().unwrap().is_empty(), "{compress}");
        let query = &schemas["CompressRequest"]["properties"]["query"];
        assert!(query["type"] == "string" && !query["description"].as_str().unwrap().is_empty(), "{query}");
    }
}
