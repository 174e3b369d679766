use std::fs;

use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue, Method};
use jiff::Timestamp;
use patchgate_journal::Keep;
use patchgate_journal::record::Kind;
use patchgate_journal::record::read::Record;
use patchgate_journal::{Directory, query};
use patchgate_model::{Generation, RequestId};
use uuid::Uuid;

use super::*;
use crate::caller;
use crate::head::{Head, Target};
use crate::ruleset::{Admitted, build};
use crate::telemetry::traces::Traces;

/// An edit that passed its schema and is refused later stands on record, under the rules of its guard like any other.
#[test]
fn a_refused_edit_obeys_the_rules_of_its_guard() {
    let mut config = Config::told_nothing().unwrap();
    let plain = build::build(&config, Generation(1)).unwrap();
    let schema = plain.guards()[0].schema();
    let example = schema.examples()[0].as_object().unwrap();
    let (first, others) =
        example.keys().collect::<Vec<_>>().split_first().map(|(f, o)| (*f, o.to_vec())).unwrap();
    config.guards[0].record = others.iter().map(|field| ((*field).clone(), Keep::Omit)).collect();
    let rules = Arc::new(build::build(&config, Generation(1)).unwrap());

    let headers = HeaderMap::from_iter([
        (HOST, HeaderValue::from_static("here")),
        (AUTHORIZATION, HeaderValue::from_static("Bearer x")),
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
    ]);
    let target = Target::Origin(rules.guards()[0].example_path().unwrap().parse().unwrap());
    let head = Head { method: Method::PATCH, target, headers, received: Timestamp::UNIX_EPOCH };
    let caller = caller::identify(&head.headers);
    let credential = caller.credential;
    let Admitted::Edit(admitted) = rules.admit(&head, caller).unwrap() else { panic!("an edit") };
    let edit = admitted.decide(&serde_json::to_vec(example).unwrap()).unwrap();
    let told = Told {
        request_id: RequestId::from_uuid(Uuid::from_u128(1)),
        credential,
        generation: rules.generation(),
        resource: Some(admitted.resource().clone()),
        guard: Some(admitted.guard()),
        edit: Some(edit.clone()),
        allowed: false,
    };

    let folder = tempfile::tempdir().unwrap();
    // No intent finds a place, so each edit is refused.
    let (journal, _) =
        Journal::open(folder.path(), Settings { most_open: 0, ..Settings::default() }).unwrap();
    let trace = Traces::new(None).begin(&head);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let refusal = runtime.block_on(record(&journal, edit, &told, &trace)).unwrap_err();
    refuse(&journal, &told, &trace, &refusal);
    journal.close();

    let mut refused = Vec::new();
    query::each(&Directory::new(folder.path()), &mut |line| {
        let record = Record::parse(line).unwrap();
        if record.kind == Kind::Refusal {
            let edit: serde_json::Value = serde_json::from_str(record.edit.unwrap()).unwrap();
            refused.push((edit, record.omitted));
        }
        Ok(())
    })
    .unwrap();
    let [(edit, omitted)] = &refused[..] else { panic!("{refused:?}") };
    assert_eq!(edit.as_object().unwrap().keys().collect::<Vec<_>>(), [first]);
    assert_eq!(omitted.iter().collect::<Vec<_>>(), others);
    for file in fs::read_dir(folder.path()).unwrap() {
        let text = String::from_utf8_lossy(&fs::read(file.unwrap().path()).unwrap()).into_owned();
        for field in &others {
            assert!(!text.contains(&example[*field].to_string()), "a value of {field} stands there");
        }
    }
}
