//! Records edits and says what becomes of them; for trying the journal on a disk of one's choice.
//!
//! `cargo run -p patchgate-journal --example edits -- DIRECTORY EDITS [PAUSE_MS]`

use std::error::Error;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use patchgate_journal::{Asked, FieldRules, Journal, Outcome, Settings, Who};
use patchgate_model::{
    Generation, GraphVersion, KeyPattern, PathTemplate, Recordable, RequestId, Resource, Route,
};
use uuid::Uuid;

#[derive(Clone)]
struct Edit(Resource);

impl Recordable for Edit {
    fn guard(&self) -> &'static str {
        "thing-update"
    }
    fn resource(&self) -> &Resource {
        &self.0
    }
    fn schema_id(&self) -> &'static str {
        "thing-update"
    }
    fn schema_digest(&self) -> &'static str {
        "0d5f"
    }
    fn document(&self) -> &'static [u8] {
        br#"{"state":"closed"}"#
    }
    fn each_field(&self, see: &mut dyn FnMut(&str, &[u8])) {
        see("state", b"\"closed\"");
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for a future; the journal needs no runtime.
fn wait<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, directory, edits, pause @ ..] = arguments.as_slice() else {
        return Err("edits DIRECTORY EDITS [PAUSE_MS]".into());
    };
    let pause = Duration::from_millis(pause.first().map_or(Ok(0), |pause| pause.parse())?);
    let (journal, started) = Journal::open(Path::new(directory), Settings::default())?;
    println!("{started:?}");
    let template = PathTemplate::parse("/{version}/things/{thingId}")?;
    let pattern = KeyPattern::parse("[1-9][0-9]{0,18}")?;
    let route = Arc::new(Route::new(template, GraphVersion::ALL.to_vec(), |_| pattern.clone()));
    let edit = Edit(route.resource("/v1.0/things/7").ok_or("not a path of the route")?);
    let first = u128::from(std::process::id()) << 64;
    let (mut recorded, mut closed, mut health) = (0u64, 0u64, journal.health());
    for number in 0..edits.parse::<u128>()? {
        let asked = Asked {
            request_id: RequestId::from_uuid(Uuid::from_u128(first + number)),
            trace_id: None,
            caller: Who { id: None, known_by: "nobody" },
            generation: Generation(1),
            fields: FieldRules::NONE,
        };
        match wait(journal.record(edit.clone(), &asked, &[])) {
            Ok(intent) => {
                recorded += 1;
                match wait(intent.close(Outcome::answered(204, None))) {
                    Ok(_) => closed += 1,
                    Err(held) => println!("edit {number}: {held}"),
                }
            }
            Err(refused) if journal.health() == health => drop(refused),
            Err(refused) => println!("edit {number}: {refused}"),
        }
        if journal.health() != health {
            health = journal.health();
            println!("edit {number}: {health:?}");
        }
        thread::sleep(pause);
    }
    journal.close();
    println!("{recorded} recorded, {closed} closed; {:?}", journal.counters());
    Ok(())
}
