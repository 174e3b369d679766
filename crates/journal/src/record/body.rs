//! The members of a record in between the chain's own, written straight into a buffer.

use std::cell::Cell;
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::StdIoWrite;
use jiff::fmt::temporal::DateTimePrinter;
use patchgate_model::{Recordable, Resource};

use super::{Asked, Flooded, Mark, Outcome, Refused, Subject, Who};
use crate::fields::FieldRules;
use crate::json::{self, Members};

/// Writes RFC 3339 in UTC with six decimals, so that all times are of one length and sort as text.
fn time(line: &mut Vec<u8>, now: Timestamp) {
    /// The length of `2026-11-24T08:00:00`.
    const SECOND: usize = 19;
    thread_local! {
        /// The last second that was written, and its text.
        static LAST: Cell<(i64, [u8; SECOND])> = const { Cell::new((i64::MIN, [0; SECOND])) };
    }
    line.extend_from_slice(b"\"time\":\"");
    let from = line.len();
    // What is negative lies before 1970, where seconds count the other way.
    let part = u64::try_from(now.as_second()).and_then(|_| u64::try_from(now.subsec_nanosecond()));
    match (part, LAST.get()) {
        (Ok(nanoseconds), (second, text)) if second == now.as_second() => {
            line.extend_from_slice(&text);
            line.push(b'.');
            json::digits::<6>(line, nanoseconds / 1000);
            line.push(b'Z');
        }
        (part, _) => {
            print(line, now);
            let text = line.get(from..from + SECOND).and_then(|text| text.try_into().ok());
            if let (Ok(_), Some(text)) = (part, text) {
                LAST.set((now.as_second(), text));
            }
        }
    }
    line.push(b'"');
}

/// The same, for a second that was not written before.
fn print(line: &mut Vec<u8>, now: Timestamp) {
    const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(6));
    // Writing to a vector does not fail.
    _ = PRINTER.print_timestamp(&now, StdIoWrite(line));
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use patchgate_model::{Generation, GraphVersion, KeyPattern, PathTemplate, RequestId, Route};
    use proptest::prelude::*;

    use super::*;
    use crate::chain::{self, Head};
    use crate::fields::Keep;
    use crate::record::Verdict;
    use crate::record::read::{Decision, Record};

    struct Edit {
        resource: Resource,
        document: String,
        fields: Vec<(String, String)>,
    }

    impl Edit {
        fn of(key: &str, fields: &BTreeMap<String, String>) -> Self {
            let template = PathTemplate::parse("/{version}/things/{thingId}").unwrap();
            let pattern = KeyPattern::parse(KeyPattern::SAFE_IDENTIFIER).unwrap();
            let route = Arc::new(Route::new(template, GraphVersion::ALL.to_vec(), |_| pattern.clone()));
            let resource = route.resource(&format!("/beta/things/{key}")).unwrap();
            let document = serde_json::to_string(fields).unwrap();
            let json = |text: &String| serde_json::to_string(text).unwrap();
            let fields = fields.iter().map(|(name, value)| (name.clone(), json(value))).collect();
            Self { resource, document, fields }
        }
    }

    impl Recordable for Edit {
        fn guard(&self) -> &'static str {
            "thing-update"
        }
        fn resource(&self) -> &Resource {
            &self.resource
        }
        fn schema_id(&self) -> &'static str {
            "thing"
        }
        fn schema_digest(&self) -> &'static str {
            "0d5f"
        }
        fn document(&self) -> &[u8] {
            self.document.as_bytes()
        }
        fn each_field(&self, see: &mut dyn FnMut(&str, &[u8])) {
            for (name, value) in &self.fields {
                see(name, value.as_bytes());
            }
        }
    }

    /// Seals a body and takes the line apart again.
    fn through_the_chain(body: &[u8]) -> Vec<u8> {
        let mut line = Vec::new();
        chain::seal(Head::START, body, &mut line);
        assert_eq!(line.iter().position(|byte| *byte == b'\n'), Some(line.len() - 1), "one line");
        line.pop();
        assert!(chain::open(&line).is_ok());
        line
    }

    proptest! {
        #[test]
        fn an_intent_is_read_as_it_was_written(
            caller in prop::option::of(any::<String>()),
            key in "[A-Za-z0-9_-]{1,40}",
            fields in prop::collection::btree_map(any::<String>(), any::<String>(), 0..5),
            reasons in prop::collection::vec(any::<String>(), 0..3),
            seconds in 0i64..4_000_000_000,
            omit in any::<bool>(),
        ) {
            let edit = Edit::of(&key, &fields);
            let keep = fields.keys().filter(|_| omit).map(|name| (name.as_str(), Keep::Omit));
            let rules = FieldRules::new(keep, None).unwrap();
            let asked = Asked {
                request_id: RequestId::from_uuid(uuid::Uuid::from_u128(7)),
                trace_id: None,
                caller: Who { id: caller.as_deref(), known_by: "test" },
                generation: Generation(3),
                fields: &rules,
            };
            let time = Timestamp::from_second(seconds).unwrap();
            let reasons: Vec<&str> = reasons.iter().map(String::as_str).collect();
            let mut body = Vec::new();
            intent(&mut body, time, &asked, &edit, &reasons, asked.fields);
            let line = through_the_chain(&body);
            let record = Record::parse(&line).unwrap();
            prop_assert_eq!(record.time, time);
            let found = record.caller.unwrap();
            prop_assert_eq!(found.id.as_deref(), caller.as_deref());
            prop_assert_eq!(record.reasons, reasons);
            prop_assert_eq!(&record.resource["thingId"], &key);
            prop_assert_eq!(record.resource["version"].as_str(), "beta");
            prop_assert_eq!(record.decision, Some(Decision::Allow));
            prop_assert_eq!(record.generation, Some(3));
            let kept = if omit { BTreeMap::new() } else { fields.clone() };
            prop_assert_eq!(record.edit.unwrap(), serde_json::to_string(&kept).unwrap());
            let omitted: Vec<String> = fields.keys().filter(|_| omit).cloned().collect();
            prop_assert_eq!(record.omitted, omitted);
        }

        #[test]
        fn an_outcome_is_read_as_it_was_written(id in any::<String>(), status in 100u16..600, millis in 0u64..100_000) {
            let answered = Outcome::answered(status, Some(&id));
            let mut body = Vec::new();
            outcome(&mut body, Timestamp::UNIX_EPOCH, "7", None, &answered, Some(Duration::from_millis(millis)));
            prop_assert!(body.len() < 1024, "as the reserve reckons with");
            let line = through_the_chain(&body);
            let record = Record::parse(&line).unwrap();
            prop_assert_eq!(record.status, Some(status));
            prop_assert_eq!(record.duration_ms, Some(millis));
            let verdict = if status < 200 || (300..500).contains(&status) { Verdict::Refused } else if status < 300 { Verdict::Applied } else { Verdict::Failed };
            prop_assert_eq!(record.result, Some(verdict));
            let kept = record.upstream_request_id.unwrap();
            prop_assert!(id.starts_with(&*kept) && (kept.len() > 124 || *kept == *id));
        }
    }

    #[test]
    fn times_are_of_one_length_and_sort_as_text() {
        let mut before = String::new();
        for (second, nanoseconds, text) in [
            (-1, 999_999_999, "1970-01-01T00:00:00.000000Z"),
            (0, 0, "1970-01-01T00:00:00.000000Z"),
            (0, 1_000, "1970-01-01T00:00:00.000001Z"),
            (1_795_507_200, 123_456_789, "2026-11-24T08:00:00.123456Z"),
            (1_795_507_200, 999_999_999, "2026-11-24T08:00:00.999999Z"),
            (1_795_507_201, 0, "2026-11-24T08:00:01.000000Z"),
        ] {
            let mut line = Vec::new();
            time(&mut line, Timestamp::new(second, nanoseconds).unwrap());
            let written = String::from_utf8(line).unwrap();
            if second >= 0 {
                assert_eq!(written, format!("\"time\":\"{text}\""));
            }
            assert!(before <= written, "{before} {written}");
            before = written;
        }
    }

    #[test]
    fn what_is_no_canonical_json_makes_no_second_line() {
        let mut body = Vec::new();
        Members::new(&mut body).raw("edit", b"{}\n{\"v\":1}");
        assert_eq!(body, br#""edit":"{}\n{\"v\":1}""#);
    }
}
