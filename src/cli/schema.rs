//! `bpftools schema TOOL`: what lines of JSON look like, as a JSON Schema.

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::fields::Field;
use crate::run::losses::Losses;
use crate::tools::Entry;

/// A schema that each line of the tool's JSON satisfies: a row, or an object with `kind`.
#[must_use]
pub fn schema(tool: &Entry) -> Value {
    let fields: Map<String, Value> =
        tool.all_fields().map(|field| (field.key.to_owned(), property(field, tool))).collect();
    let number = |about: &str| json!({ "type": "integer", "minimum": 0, "description": about });
    let kind = |word: &str| json!({ "const": word });
    let losses = |mut properties: Value| {
        for (key, _) in Losses::default().pairs() {
            properties[key] = json!({ "type": "integer", "minimum": 0 });
        }
        properties
    };
    let with = |more: Value| {
        let mut properties = fields.clone();
        if let Value::Object(more) = more {
            properties.extend(more);
        }
        properties
    };
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": format!("A line of {} --json", tool.name),
        "oneOf": [
            {
                "title": "A row",
                "type": "object",
                "properties": with(json!({ "kind": false })),
                "additionalProperties": false,
            },
            {
                "title": "A group of rows that were counted",
                "type": "object",
                "properties": with(json!({
                    "kind": kind("group"),
                    "count": number("How many rows there were."),
                    "interval_ns": number("How long they were counted, in nanoseconds."),
                    "other": { "type": "boolean" },
                })),
                "patternProperties": { "^(sum|p50|p90|p99|max)_": { "type": "integer" } },
                "required": ["v", "tool", "ts", "kind", "count"],
            },
            {
                "title": "A histogram",
                "type": "object",
                "properties": with(json!({
                    "kind": kind("histogram"),
                    "field": { "type": "string" },
                    "rows": number("How many rows there were."),
                    "count": number("How many of them had a value."),
                    "sum": number("Of all values."),
                    "mean": number("Of all values."),
                    "p50": number("Half of the values are not above it."),
                    "p90": number("90 % of the values are not above it."),
                    "p99": number("99 % of the values are not above it."),
                    "max": number("The greatest value."),
                    "interval_ns": number("How long rows were counted, in nanoseconds."),
                    "other": { "type": "boolean" },
                    "buckets": {
                        "type": "array",
                        "description": "Of each bucket the least value, the greatest, and how many values it has.",
                        "items": { "type": "array", "items": { "type": "integer" }, "minItems": 3, "maxItems": 3 },
                    },
                })),
                "required": ["v", "tool", "ts", "kind", "field", "count", "buckets"],
            },
            {
                "title": "What was lost so far, and at the end in all",
                "type": "object",
                "properties": with(losses(json!({
                    "kind": kind("losses"),
                    "end": { "const": true },
                    "rows": number("Rows made: printed, counted, or among `unwritten`."),
                    "unwritten": number("Lines that were dropped while stdout could not be written."),
                    "pending": number("Events that were waiting for their end when tracing stopped."),
                }))),
                "required": ["v", "tool", "ts", "kind", "lost"],
            },
        ],
    })
}

fn property(field: &Field, tool: &Entry) -> Value {
    let (kind, format) = field.kind.schema();
    let mut property = json!({ "type": kind, "description": field.about.replace('`', "") });
    if let Some(format) = format {
        property["format"] = format.into();
    }
    match field.key {
        "v" => property["const"] = crate::fields::VERSION.into(),
        "tool" => property["const"] = tool.name.into(),
        _ => {}
    }
    property
}
