//! `schema`: what a command prints with `--json`, as a JSON Schema derived from the types that are printed.

use anyhow::Result;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use crate::commands::credentials::Shown;
use crate::commands::keygen::Pair;
use crate::commands::token::Inspected;
use crate::commands::{CommandResult, OutputStyle, Usage};
use crate::engine::report::{Failure, Happening, Report, SCHEMA, Versioned};
use crate::login::Transport;
use crate::proof::{Group, NotTriedKind, OtherLine, ProblemKind, Trial};
use crate::token::{FindingKind, Minted};

/// Adds the shape of a type to the definitions and refers to it.
type Shape = fn(&mut SchemaGenerator) -> Schema;

/// Commands that have JSON output, and its shape.
const RESULTS: [(&str, Shape); 9] = [
    ("install", of::<Report>),
    ("status", of::<Report>),
    ("verify", of::<Report>),
    ("uninstall", of::<Report>),
    ("token mint", of::<Versioned<Minted>>),
    ("token inspect", of::<Versioned<Inspected>>),
    ("credentials show", of::<Versioned<Shown>>),
    ("credentials rotate", of::<Report>),
    ("credentials keygen", of::<Versioned<Pair>>),
];

/// Fields of a report whose values are IDs of the proof, which the engine does not know: type, field, and the IDs.
const IDS: [(&str, &str, &[Shape]); 7] = [
    ("Probe", "id", &[of::<Trial>, of::<OtherLine>]),
    ("Probe", "group", &[of::<Group>]),
    ("Probe", "transport", &[of::<Transport>]),
    ("NotTried", "id", &[of::<NotTriedKind>]),
    ("NotTried", "transport", &[of::<Transport>]),
    ("Proof", "problem", &[of::<ProblemKind>]),
    ("Proof", "token_problem", &[of::<FindingKind>]),
];

fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// Runs the command.
pub fn run(words: &[String], output: OutputStyle) -> Result<CommandResult> {
    let command = words.join(" ");
    let Some((_, result)) = RESULTS.iter().find(|(name, _)| *name == command) else {
        let names = RESULTS.map(|(name, _)| name).join(", ");
        return Err(Usage(format!("\"{command}\" has no JSON output; commands that have: {names}")).into());
    };
    let mut generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut kinds = vec![result(&mut generator), of::<Failure>(&mut generator)];
    if output.lines {
        kinds.insert(0, of::<Versioned<Happening>>(&mut generator));
    }
    let mut shapes = definitions(generator);
    if let Some(name) = shapes.get_mut("Report").and_then(|report| report.pointer_mut("/properties/command")) {
        name["const"] = Value::from(command.as_str());
    }
    let option = if output.lines { "--json-lines" } else { "--json" };
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": format!("jitsi-tokens-setup {command} {option}, schema {SCHEMA}"),
        "anyOf": kinds,
        "$defs": shapes,
    });
    Ok(CommandResult::done(format!("{schema:#}\n")))
}

/// The types that the shapes refer to, with [`IDS`] filled in if there is a report.
fn definitions(mut generator: SchemaGenerator) -> Map<String, Value> {
    let named: &[_] = if generator.definitions().contains_key("Report") { &IDS } else { &[] };
    let mut ids = Vec::new();
    for (of, field, shapes) in named {
        let shapes: Vec<Value> = shapes.iter().map(|shape| shape(&mut generator).to_value()).collect();
        ids.push((of, format!("/properties/{field}"), shapes));
    }
    let mut definitions = generator.take_definitions(true);
    for (of, field, shapes) in ids {
        let field = definitions.get_mut(*of).and_then(|shape| shape.pointer_mut(&field));
        if let Some(field) = field.and_then(Value::as_object_mut) {
            field.remove("type");
            field.insert("anyOf".to_owned(), shapes.into());
        }
    }
    definitions
}
