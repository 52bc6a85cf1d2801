//! The OpenAPI document, made from the table of routes.
//!
//! In: the table. Out: one JSON document.
//! Never: says anything the table does not say.

use super::answer;
use super::routes::{Field, Route, routes};
use crate::domain::Json;
use axum::Extension;
use axum::response::Response;
use serde_json::{Map, json};
use std::sync::Arc;

/// `GET /v1/openapi.json`
pub(super) async fn openapi(Extension(document): Extension<Arc<Json>>) -> Response {
    answer(&document)
}

/// The whole document.
pub(super) fn document() -> Json {
    let mut paths = Map::new();
    for route in routes() {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method] = operation(&route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Beffroi",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The admin socket of Beffroi. Instants are RFC 3339 in the business's zone. The header \
                            beffroi-language of every answer names the language of its sentences.",
        },
        "servers": [{ "url": "http://beffroi", "description": "Over the Unix socket: curl --unix-socket PATH http://beffroi/…" }],
        "paths": paths,
        "components": { "schemas": { "Error": {
            "type": "object",
            "required": ["error"],
            "properties": {
                "error": { "type": "string", "description": "A sentence for people." },
                "problems": { "type": "array", "items": { "type": "object" }, "description": "Each with file, line, column, severity, message and help." },
            },
        } } },
    })
}

fn operation(route: &Route) -> Json {
    let in_path = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let in_path = in_path.map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }));
    let in_query = route
        .query
        .iter()
        .map(|field @ (name, ..)| json!({ "name": name, "in": "query", "required": required(field), "schema": schema(field) }));
    let parameters: Vec<Json> = in_path.chain(in_query).collect();
    let (content, description) = route.answer;
    let mut operation = json!({
        "summary": route.summary,
        "parameters": parameters,
        "responses": {
            "200": { "description": description, "content": { content: {} } },
            "default": {
                "description": "Why not.",
                "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Error" } } },
            },
        },
    });
    if !route.body.is_empty() {
        let properties: Map<String, Json> = route.body.iter().map(|field| (field.0.to_owned(), schema(field))).collect();
        let needed: Vec<&str> = route.body.iter().filter(|field| required(field)).map(|field| field.0).collect();
        let shape = json!({ "type": "object", "properties": properties, "required": needed, "additionalProperties": false });
        operation["requestBody"] =
            json!({ "required": !needed.is_empty(), "content": { "application/json": { "schema": shape } } });
    }
    operation
}

fn required((_, _, meaning): &Field) -> bool {
    meaning.ends_with("Required.")
}

fn schema((_, kind, meaning): &Field) -> Json {
    // In JSON Schema a value of any kind is a schema without a type.
    if *kind == "any" { json!({ "description": meaning }) } else { json!({ "type": kind, "description": meaning }) }
}
