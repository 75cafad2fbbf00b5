//! docs/server.openapi.yaml as a judge of answers: the calls that exist, and the answers that each may have.

use std::collections::BTreeSet;

use boon::{Compiler, Schemas};
use serde_json::Value;

use super::super::Answer;

const TEXT: &str = include_str!("../../../../../docs/server.openapi.yaml");
/// The URL of the page's schemas, for the validator.
const PLACE: &str = "https://wxtoken.invalid/server.openapi.yaml";

pub struct Description {
    pub page: Value,
}

/// A method and a path, as the page writes them.
pub type Operation = (String, String);

impl Description {
    pub fn read() -> Description {
        let page: Value = serde_yaml_ng::from_str(TEXT).unwrap();
        assert_eq!(page["openapi"], "3.1.0");
        Description { page }
    }

    pub fn operations(&self) -> BTreeSet<Operation> {
        let paths = self.page["paths"].as_object().unwrap();
        let operations = paths.iter().flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().keys();
            methods
                .filter(|key| *key != "parameters")
                .map(|method| (method.to_uppercase(), path.clone()))
        });
        operations.collect()
    }

    /// The answers that the page describes: each operation with each of its statuses.
    pub fn answers(&self) -> BTreeSet<(Operation, u16)> {
        let mut answers = BTreeSet::new();
        for operation in self.operations() {
            let responses = self.responses(&operation).as_object().unwrap();
            for status in responses.keys().filter(|status| *status != "default") {
                answers.insert((operation.clone(), status.parse().unwrap()));
            }
        }
        answers
    }

    /// Fails if the page does not describe the answer.
    pub fn judge(&self, operation: &Operation, answer: &Answer) {
        let what = format!("{} {}: {answer:?}", operation.0, operation.1);
        let status = answer.status.to_string();
        let response = self.responses(operation).get(&status);
        let response = self.resolved(response.unwrap_or_else(|| panic!("not described: {what}")));
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{what}");
        self.judge_headers(response, answer, &what);
        let Some(content) = response.get("content") else {
            assert_eq!((answer.status, answer.body.as_str()), (204, ""), "{what}");
            return;
        };
        let kind = answer.header("content-type").unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default();
        let media = content.get(kind);
        let media = media.unwrap_or_else(|| panic!("of another kind: {what}"));
        let body = match kind {
            "application/json" => answer.json(),
            _ => answer.body.clone().into(),
        };
        self.validate(&media["schema"], &body, &what);
    }

    fn judge_headers(&self, response: &Value, answer: &Answer, what: &str) {
        let headers = response.get("headers").and_then(Value::as_object);
        for (name, header) in headers.into_iter().flatten() {
            let header = self.resolved(header);
            match answer.header(name) {
                Some(value) => {
                    let number = value.parse::<i64>().map(Value::from);
                    let value = number.unwrap_or_else(|_| value.into());
                    self.validate(&header["schema"], &value, what);
                }
                None => assert_ne!(header["required"], true, "no {name}: {what}"),
            }
        }
    }

    /// Judges each example of the page by its schema. Returns the number of examples.
    pub fn judge_examples(&self) -> usize {
        let mut examples = Vec::new();
        gather(&self.page, &mut examples);
        for (schema, example) in &examples {
            self.validate(schema, example, "an example");
        }
        examples.len()
    }

    pub fn strings(&self) -> Vec<&str> {
        let mut strings = Vec::new();
        gather_strings(&self.page, &mut strings);
        strings
    }

    /// Validates a value. The validator reads the schema as JSON Schema 2020-12.
    fn validate(&self, schema: &Value, value: &Value, what: &str) {
        let mut compiler = Compiler::new();
        compiler.add_resource(PLACE, self.page.clone()).unwrap();
        let place = match schema.get("$ref").and_then(Value::as_str) {
            Some(reference) => format!("{PLACE}{reference}"),
            None => {
                let own = "https://wxtoken.invalid/own.json";
                compiler.add_resource(own, schema.clone()).unwrap();
                own.to_owned()
            }
        };
        let mut schemas = Schemas::new();
        let index = compiler.compile(&place, &mut schemas);
        let index = index.unwrap_or_else(|e| panic!("{schema} is not a schema: {e}"));
        if let Err(e) = schemas.validate(value, index) {
            panic!("{what}: {e:#}");
        }
    }

    fn responses(&self, (method, path): &Operation) -> &Value {
        &self.page["paths"][path][method.to_lowercase()]["responses"]
    }

    fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value.get("$ref").and_then(Value::as_str) {
            Some(reference) => {
                let pointer = reference.strip_prefix('#').unwrap();
                let found = self.page.pointer(pointer);
                found.unwrap_or_else(|| panic!("{reference} leads nowhere"))
            }
            None => value,
        }
    }
}

fn gather<'a>(value: &'a Value, examples: &mut Vec<(&'a Value, &'a Value)>) {
    if let (Some(schema), Some(example)) = (value.get("schema"), value.get("example")) {
        examples.push((schema, example));
    }
    for inner in within(value) {
        gather(inner, examples);
    }
}

fn gather_strings<'a>(value: &'a Value, strings: &mut Vec<&'a str>) {
    strings.extend(value.as_str());
    for inner in within(value) {
        gather_strings(inner, strings);
    }
}

fn within(value: &Value) -> Vec<&Value> {
    match value {
        Value::Object(fields) => fields.values().collect(),
        Value::Array(items) => items.iter().collect(),
        _ => Vec::new(),
    }
}
