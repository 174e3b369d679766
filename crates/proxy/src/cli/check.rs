//! `patchgate check`: the gateway's decision on a body, offline, through the same two functions as a request.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::ValueEnum;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use jiff::Timestamp;
use patchgate_model::{Generation, Refusal};
use patchgate_validator::Edit;
use serde_json::{Value, json};

use super::configured::ConfigFile;
use super::inert::{inert, inert_json};
use super::output::{self, BAD, GOOD};
use super::{Failed, Outcome, place, print};
use crate::config::{Flags, Inputs, layers};
use crate::head::{Head, Target};
use crate::plan::Plan;
use crate::ruleset::{Admitted, Guarded, Ruleset};
use crate::{caller, reason};

const EXAMPLES: &str = "\
Examples:
  patchgate check edit.json
  echo '{\"status\":\"Resolvd\"}' | patchgate check -
  patchgate check --guard security-incident-update --format json a.json b.json
  patchgate check --config patchgate.toml edits/*.json

Exit status: 0 all allowed, 1 one or more refused, 2 could not check.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Bodies to check; `-` is standard input
    #[arg(required = true, value_name = "BODY.json")]
    bodies: Vec<PathBuf>,
    /// The guard to ask; needed where the configuration has several
    #[arg(long, value_name = "NAME")]
    guard: Option<String>,
    #[command(flatten)]
    config: ConfigFile,
    /// How to answer
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Human,
    /// A JSON object a line
    Json,
}

pub(super) fn run(args: &Args) -> Result<Outcome, Failed> {
    let inputs = Inputs::of_process(Flags::default());
    let plan = layers::load(args.config.file().as_deref(), &inputs)
        .and_then(|draft| Plan::of(draft, Generation(1)))
        .map_err(|faults| output::show(&faults))?;
    let rules = Arc::new(plan.rules);
    let guard = guard(&rules, args.guard.as_deref())?;
    let mut outcome = Outcome::Done;
    for file in &args.bodies {
        let name = file.display().to_string();
        let body = read(file, rules.body_limit())
            .map_err(|error| Failed(format!("cannot read '{}': {}", inert(&name), reason::of(&error))))?;
        let decision = decide(&rules, guard, &body)?;
        if decision.is_err() {
            outcome = Outcome::Refused;
        }
        print(&match args.format {
            Format::Human => human(&inert(&name), &body, &decision),
            Format::Json => format!("{}\n", inert_json(&as_json(&name, &body, &decision).to_string())),
        })?;
    }
    Ok(outcome)
}

/// The guard of that name, or the only one.
fn guard<'r>(rules: &'r Ruleset, name: Option<&str>) -> Result<&'r Guarded, Failed> {
    let names = || rules.guards().iter().map(|guard| guard.schema().name()).collect::<Vec<_>>().join(", ");
    match (name, rules.guards()) {
        (Some(name), guards) => guards
            .iter()
            .find(|guard| guard.schema().name() == name)
            .map(AsRef::as_ref)
            .ok_or_else(|| Failed(format!("--guard: there is no guard '{name}'; there is: {}", names()))),
        (None, [only]) => Ok(only),
        (None, _) => Err(Failed(format!("--guard is needed, as there are several: {}", names()))),
    }
}

/// Reads a body; of one that is too large no more than it takes to see that.
fn read(file: &Path, most: usize) -> io::Result<Vec<u8>> {
    let most = (most as u64).saturating_add(1);
    let mut body = Vec::new();
    if file.as_os_str() == "-" {
        io::stdin().lock().take(most).read_to_end(&mut body)?;
    } else {
        File::open(file)?.take(most).read_to_end(&mut body)?;
    }
    Ok(body)
}

/// What the gateway would decide on this body in an otherwise perfect request.
fn decide(rules: &Arc<Ruleset>, guard: &Guarded, body: &[u8]) -> Result<Result<Edit, Refusal>, Failed> {
    let target = guard.example_path().and_then(|path| path.parse().ok());
    let target = target.ok_or_else(|| Failed("the guard has no route".to_owned()))?;
    let mut headers = HeaderMap::new();
    for name in &guard.schema().guard().required_headers {
        if let Ok(name) = HeaderName::try_from(name.as_str()) {
            headers.insert(name, HeaderValue::from_static("*"));
        }
    }
    let host = rules.public_authority().and_then(|public| HeaderValue::from_str(public).ok());
    headers.insert(HOST, host.unwrap_or_else(|| HeaderValue::from_static("localhost")));
    headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer check"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(http::header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    let caller = caller::identify(&headers);
    let head =
        Head { method: Method::PATCH, target: Target::Origin(target), headers, received: Timestamp::now() };
    Ok(match rules.admit(&head, caller) {
        Ok(Admitted::Edit(admitted)) => admitted.decide(body),
        Ok(Admitted::Read(_)) => return Err(Failed("the guard's route is a read".to_owned())),
        Err(refusal) => Err(refusal),
    })
}

fn human(name: &str, body: &[u8], decision: &Result<Edit, Refusal>) -> String {
    match decision {
        Ok(edit) => {
            let forwarded = String::from_utf8_lossy(edit.bytes());
            format!("{name}: {GOOD}allowed{GOOD:#}\n  forwarded as {}\n", inert_json(&forwarded))
        }
        Err(refusal) if refusal.violations().is_empty() => {
            format!("{name}: {BAD}refused{BAD:#}\n  {}\n", refusal.message())
        }
        Err(refusal) => {
            let text = std::str::from_utf8(body).ok();
            let shown: String = refusal.violations().iter().map(|v| place::shown(name, text, v)).collect();
            format!("{name}: {BAD}refused{BAD:#}\n{shown}")
        }
    }
}

fn as_json(name: &str, body: &[u8], decision: &Result<Edit, Refusal>) -> Value {
    match decision {
        Ok(edit) => {
            let forwarded: Value = serde_json::from_slice(edit.bytes()).unwrap_or_default();
            json!({"file": name, "decision": "allow", "edit": forwarded})
        }
        Err(refusal) => {
            let text = std::str::from_utf8(body).ok();
            let detail = |v: &patchgate_model::Violation| {
                let (line, column) = place::of(text, v).unzip();
                json!({
                    "code": v.code().as_str(), "target": v.target, "message": v.message(),
                    "line": line, "column": column,
                })
            };
            let details: Vec<Value> = refusal.violations().iter().map(detail).collect();
            json!({
                "file": name, "decision": "refuse", "status": refusal.status(), "code": refusal.code(),
                "message": refusal.message(), "details": details,
            })
        }
    }
}
