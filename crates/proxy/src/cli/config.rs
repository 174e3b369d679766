//! `patchgate config`: whether a configuration is accepted, and what is in force.

use clap::{Subcommand, ValueEnum};
use patchgate_model::Generation;
use serde_json::{Value, json};

use super::configured::{ConfigFile, Overrides};
use super::output::{self, GOOD};
use super::{Failed, Outcome, print};
use crate::config::fault::line_and_column;
use crate::config::{Draft, Fault, Faults, Inputs, Place, Upstream, layers, settings, show};
use crate::plan::Plan;
use crate::telemetry::otlp::TelemetryError;
use crate::telemetry::providers::Providers;
use crate::upstream::Origin;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

const CHECK_EXAMPLES: &str = "\
Examples:
  patchgate config check
  patchgate config check --config patchgate.toml
  PATCHGATE_LIMITS__BODY=1MiB patchgate config check --format json

Exit status: 0 accepted, 2 not.";

const SHOW_EXAMPLES: &str = "\
Examples:
  patchgate config show
  patchgate config show --config patchgate.toml --upstream global
  patchgate config show --format json | jq '.values[] | select(.source.kind != \"default\")'";

#[derive(Debug, Subcommand)]
enum Command {
    /// Say all that is wrong with the configuration, each fault with file, line and column.
    ///
    /// The schemas, certificates and the key that it names are loaded, too. What depends on the machine is not looked at: whether an
    /// address is free, and whether there is a store of certificates.
    #[command(after_help = CHECK_EXAMPLES)]
    Check(Which),
    /// Show each value that is in force, and where it comes from.
    ///
    /// The source is `default`, file and line, the name of a variable, or a flag. Secrets are masked.
    #[command(after_help = SHOW_EXAMPLES)]
    Show(Which),
}

#[derive(Debug, clap::Args)]
struct Which {
    #[command(flatten)]
    file: ConfigFile,
    #[command(flatten)]
    overrides: Overrides,
    /// How to answer
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Human,
    /// A JSON object
    Json,
}

pub(super) fn run(args: Args) -> Result<Outcome, Failed> {
    match args.command {
        Command::Check(which) => check(which),
        Command::Show(which) => show(which),
    }
}

fn check(which: Which) -> Result<Outcome, Failed> {
    let result = load(&which.file, which.overrides).and_then(|draft| {
        let telemetry = telemetry(&draft);
        match (Plan::of(draft, Generation(1)), telemetry) {
            (Ok(plan), None) => Ok(plan),
            (Ok(plan), Some(fault)) => Err(Faults::of(plan.loaded.document, vec![fault])),
            (Err(faults), fault) => {
                Err(Faults::of(faults.document, faults.list.into_iter().chain(fault).collect()))
            }
        }
    });
    match (result, which.format) {
        (Ok(plan), Format::Human) => {
            let name = plan.loaded.document.as_ref().map(|document| document.path.display().to_string());
            let name = name.unwrap_or_else(|| "the configuration".to_owned());
            let guards: Vec<&str> = plan.rules.guards().iter().map(|guard| guard.schema().name()).collect();
            let upstream = plan.origin.as_ref().map_or(Upstream::EMBEDDED, Origin::base);
            let guards = guards.join(", ");
            print(&format!("{name}: {GOOD}accepted{GOOD:#}; guards {guards}; upstream: {upstream}\n"))?;
            Ok(Outcome::Done)
        }
        (Ok(plan), Format::Json) => {
            let embedded = plan.origin.is_none();
            print(&format!("{}\n", json!({"accepted": true, "embedded_upstream": embedded, "faults": []})))?;
            Ok(Outcome::Done)
        }
        (Err(faults), Format::Human) => Err(output::show(&faults)),
        (Err(faults), Format::Json) => {
            print(&format!("{}\n", as_json(&faults)))?;
            Err(Failed(String::new()))
        }
    }
}

/// What is wrong with the variables of telemetry, on which a start would fail.
fn telemetry(draft: &Draft) -> Option<Fault> {
    let loaded = &draft.loaded;
    match Providers::check(loaded.config.telemetry.collector().as_ref()) {
        Err(TelemetryError::Wrong { name, value, expected }) => {
            let message = format!("'{value}' is not accepted; expected {expected}");
            // It is a variable, or a key that stands somewhere.
            let is_key = settings::find(name).is_some();
            Some(if is_key {
                loaded.fault(name, message)
            } else {
                Fault::new("", Place::Variable(name.to_owned()), message)
            })
        }
        Err(TelemetryError::File { name, path, reason }) => {
            let message = format!("the file '{path}' cannot be used: {reason}");
            Some(Fault::new("", Place::Variable(name.to_owned()), message))
        }
        // What else there is comes of the machine.
        _ => None,
    }
}

fn show(which: Which) -> Result<Outcome, Failed> {
    let loaded =
        load(&which.file, which.overrides).and_then(Draft::accept).map_err(|faults| output::show(&faults))?;
    print(&match which.format {
        Format::Human => show::human(&loaded),
        Format::Json => format!("{}\n", show::as_json(&loaded)),
    })?;
    Ok(Outcome::Done)
}

fn load(file: &ConfigFile, overrides: Overrides) -> Result<Draft, Faults> {
    layers::load(file.file().as_deref(), &Inputs::from(overrides))
}

fn as_json(faults: &Faults) -> Value {
    let fault = |fault: &Fault| {
        let mut object = json!({"key": fault.key, "message": fault.line(None), "help": fault.help});
        let place = match (&fault.place, &faults.document) {
            (Place::File(span), Some(document)) => {
                let (line, column) = line_and_column(&document.text, span.start);
                json!({"file": document.path.display().to_string(), "line": line, "column": column})
            }
            (Place::Variable(name), _) => json!({"variable": name}),
            (Place::Flag(name), _) => json!({"flag": name}),
            _ => json!({}),
        };
        if let (Some(object), Value::Object(place)) = (object.as_object_mut(), place) {
            object.extend(place);
        }
        object
    };
    json!({"accepted": false, "faults": faults.list.iter().map(fault).collect::<Vec<_>>()})
}
