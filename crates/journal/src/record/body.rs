//! The members of a record in between the chain's own, written straight into a buffer.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::StdFmtWrite;
use jiff::fmt::temporal::DateTimePrinter;
use patchgate_model::{Recordable, Resource};

use super::{Asked, Flooded, Mark, Outcome, Refused, Subject, Who};
use crate::fields::FieldRules;
use crate::json::Members;

/// Writes RFC 3339 in UTC with six decimals, so that all times are of one length and sort as text.
fn time(line: &mut Vec<u8>, now: Timestamp) {
    const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(6));
    let mut text = String::with_capacity(32);
    // Writing to a string does not fail.
    _ = PRINTER.print_timestamp(&now, StdFmtWrite(&mut text));
    Members::new(line).text("time", &text);
}

/// Begins a body; further members follow a comma.
fn begin<'l>(line: &'l mut Vec<u8>, now: Timestamp, kind: &str) -> Members<'l> {
    time(line, now);
    line.push(b',');
    let mut members = Members::new(line);
    members.text("kind", kind);
    members
}

fn asked(members: &mut Members<'_>, asked: &Asked<'_>) {
    members.text("request_id", asked.request_id.encode(&mut [0; 36])).maybe("trace_id", asked.trace_id);
    caller(members, asked.caller);
}

fn caller(members: &mut Members<'_>, who: Who<'_>) {
    members.object("caller", |members| {
        members.maybe("id", who.id).text("known_by", who.known_by);
    });
}

fn place(members: &mut Members<'_>, guard: Option<&str>, resource: &Resource) {
    members.maybe("guard", guard).text("route", resource.route().template().as_str());
    members.object("resource", |members| {
        members.text("version", resource.version().segment());
        for (name, key) in resource.keys() {
            members.text(name, key);
        }
    });
}

fn schema(members: &mut Members<'_>, edit: &dyn Recordable) {
    members.object("schema", |members| {
        members.text("id", edit.schema_id()).text("digest", edit.schema_digest());
    });
}

/// The body of an intent.
pub(crate) fn intent(
    line: &mut Vec<u8>,
    now: Timestamp,
    by: &Asked<'_>,
    edit: &dyn Recordable,
    reasons: &[&str],
    rules: &FieldRules,
) {
    let mut members = begin(line, now, "intent");
    asked(&mut members, by);
    place(&mut members, Some(edit.guard()), edit.resource());
    rules.write(&mut members, edit);
    members.text("decision", "allow").texts("reasons", reasons.iter().copied());
    members.number("generation", by.generation.0);
    schema(&mut members, edit);
}

/// The body of a refusal.
pub(crate) fn refusal(
    line: &mut Vec<u8>,
    now: Timestamp,
    by: &Asked<'_>,
    refused: &Refused<'_>,
    rules: &FieldRules,
) {
    let mut members = begin(line, now, "refusal");
    asked(&mut members, by);
    match refused.subject {
        Subject::Unknown => {}
        Subject::Resource { guard, resource } => place(&mut members, guard, resource),
        Subject::Edit(edit) => {
            place(&mut members, Some(edit.guard()), edit.resource());
            rules.write(&mut members, edit);
        }
    }
    members.text("decision", "refuse").texts("reasons", refused.reasons.iter().copied());
    members.text("code", refused.code).number("status", u64::from(refused.status));
    members.number("generation", by.generation.0);
    if let Subject::Edit(edit) = refused.subject {
        schema(&mut members, edit);
    }
}

/// The body of a refusal that stands for several.
pub(crate) fn flooded(line: &mut Vec<u8>, now: Timestamp, flooded: &Flooded) {
    let mut members = begin(line, now, "refusal");
    caller(&mut members, Who { id: flooded.caller.as_deref(), known_by: &flooded.known_by });
    members.text("decision", "refuse").text("code", &flooded.code).number("count", flooded.count);
    members.text("since", &flooded.since.to_string()).text("until", &flooded.until.to_string());
}

/// The body of an outcome. `request_id` and `trace_id` are the intent's, and `took` is the time since its record.
pub(crate) fn outcome(
    line: &mut Vec<u8>,
    now: Timestamp,
    request_id: &str,
    trace_id: Option<&str>,
    outcome: &Outcome<'_>,
    took: Option<Duration>,
) {
    let mut members = begin(line, now, "outcome");
    members.text("request_id", request_id).maybe("trace_id", trace_id);
    if let Some(status) = outcome.status {
        members.number("status", u64::from(status));
    }
    let id = outcome.upstream_request_id.map(|id| id.get(..id.floor_char_boundary(128)).unwrap_or_default());
    members.maybe("upstream_request_id", id);
    if let Some(took) = took {
        members.number("duration_ms", u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
    }
    members.text("result", outcome.verdict.as_str());
}

/// The body of a `checkpoint`, or of a `recovery` if something happened.
pub(crate) fn mark(line: &mut Vec<u8>, now: Timestamp, mark: &Mark) {
    let kind = if mark.is_recovery() { "recovery" } else { "checkpoint" };
    let mut members = begin(line, now, kind);
    members.text("why", &mark.why).number("segment", mark.segment);
    members.object("begins", |members| {
        members.number("seq", mark.begins.seq + 1).text("prev", &mark.begins.hash.to_string());
    });
    if !mark.open.is_empty() {
        members.texts("open", mark.open.iter().map(String::as_str));
    }
    members.objects("abandoned", &mark.abandoned, |members, abandoned| {
        members.number("segment", abandoned.segment).number("from", abandoned.from);
    });
    members.objects("cut", &mark.cut, |members, cut| {
        members.number("segment", cut.segment).number("from", cut.from).number("bytes", cut.bytes);
        members.text("file", &cut.file);
    });
    members.objects("damaged", &mark.damaged, |members, damaged| {
        members.number("segment", damaged.segment).number("line", damaged.line);
    });
}
