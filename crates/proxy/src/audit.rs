//! The journal, as the gateway sets it up and speaks to it: where it is, what it is told, what is said of it.

use std::convert::Infallible;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
#[cfg(feature = "bench")]
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use etcetera::BaseStrategy;
#[cfg(feature = "bench")]
use patchgate_journal::storage::Storage;
use patchgate_journal::{
    Asked, Closing, DiskError, Durability, FieldRules, Health, Journal, NotRecorded, OpenError,
    RecordedIntent, Refused, Replaced, Retention, Settings, Started, Subject, Who,
};
use patchgate_model::refusal::RecordFault;
use patchgate_model::{Credential, Recordable, Refusal, RequestId, Violation};
use patchgate_validator::Edit;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::config::Config;
use crate::deadline::within;
use crate::reason;
use crate::telemetry::events::Told;
use crate::telemetry::metrics::Instruments;
use crate::telemetry::traces::{AuditSpan, Trace};

/// What allows an edit as long as nothing but its schema is asked.
const REASONS: &[&str] = &["patchgate-default-permit"];
/// A disk that does not answer for so long is taken for one that cannot be written.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the end of the process waits for what is still to be written.
const LAST: Duration = Duration::from_secs(5);

/// Why there is no journal.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// Nobody knows where to put it.
    #[error(
        "audit.directory: this user has no home, so there is no state directory for the audit journal; name a directory"
    )]
    Nowhere,
    /// It cannot be opened.
    #[error("audit.directory: {}", unopened(directory, why))]
    Open {
        /// Its directory.
        directory: PathBuf,
        /// Why.
        why: OpenError,
    },
}

impl AuditError {
    /// What to do about it, where the words do not say it.
    pub fn help(&self) -> Option<&'static str> {
        let Self::Open { why, .. } = self else { return None };
        let (OpenError::Io(error) | OpenError::Disk(DiskError::Io { source: error, .. })) = why else {
            return None;
        };
        Some(match error.kind() {
            ErrorKind::PermissionDenied => {
                "make it a directory of this user's own, with all that is in it (chown, chmod 700), or name another one"
            }
            ErrorKind::NotADirectory | ErrorKind::AlreadyExists => "name a path of which no part is a file",
            _ => "look at the directory and its disk, or name another one",
        })
    }
}

/// Why a journal cannot be opened; the words name its directory.
pub fn unopened(directory: &Path, why: &OpenError) -> String {
    match why {
        OpenError::Io(error) | OpenError::Content(error) => {
            let error = reason::plain(&error.to_string());
            format!("the audit journal in '{}' cannot be opened: {error}", directory.display())
        }
        OpenError::Disk(error) => reason::plain(&error.to_string()),
    }
}

/// The directory of the journal: the one that is configured, else one in the user's state directory.
pub fn directory(config: &Config) -> Result<PathBuf, AuditError> {
    if let Some(directory) = &config.audit.directory {
        return Ok(config.folder.join(directory));
    }
    let base = etcetera::choose_base_strategy().map_err(|_| AuditError::Nowhere)?;
    let state = base.state_dir().unwrap_or_else(|| base.data_dir());
    Ok(state.join("patchgate").join("audit"))
}

/// Opens the journal of a configuration, and says what was found in it.
pub fn open(config: &Config, instruments: &Instruments) -> Result<(Journal, PathBuf), AuditError> {
    let directory = directory(config)?;
    let commits = instruments.audit_commits();
    let written = &config.audit;
    let settings = Settings {
        durability: written.durability,
        segment_bytes: written.segment_bytes.0 as u64,
        segment_age: written.segment_age.0,
        retention: Retention {
            age: written.keep_for.map(|age| age.0),
            bytes: written.keep_bytes.map(|bytes| bytes.0 as u64),
        },
        // No edit is to be refused for the record's sake that has its place among the requests.
        most_open: config.limits.in_flight.0.max(Settings::default().most_open),
        committed: Some(Arc::new(move |took: Duration| commits.record(took.as_secs_f64(), &[]))),
        replaced: Some(replaced(directory.clone())),
        ..Settings::default()
    };
    let (journal, started) = match begin(&directory, settings) {
        Ok(opened) => opened,
        Err(why) => return Err(AuditError::Open { directory, why }),
    };
    if let Some(mode) = started.shared {
        tracing::warn!(
            directory = %directory.display(),
            mode = format!("{mode:04o}"),
            "others than its owner may write to the audit directory, and so change or remove the record; take that from them: \
             chmod go-w on the directory, or name one of its own in audit.directory"
        );
    }
    if started.unknown > 0 {
        tracing::warn!(
            edits = started.unknown,
            "edits of an earlier process have no outcome on record; they are on record as unknown now"
        );
    }
    for cut in &started.cut {
        tracing::warn!(
            segment = cut.segment,
            bytes = cut.bytes,
            file = cut.file,
            "the audit journal ends with what is no whole record; it was put aside in that file"
        );
    }
    for damaged in &started.damaged {
        tracing::error!(
            segment = damaged.segment,
            line = damaged.line,
            "the audit journal was changed or damaged; `patchgate audit verify` says more, or the file in which that line was put aside"
        );
    }
    instruments.watch_audit(&journal);
    Ok((journal, directory))
}

/// Says that the file that was written to is not any more: edits go on, and nobody else would hear of it.
fn replaced(directory: PathBuf) -> Replaced {
    Arc::new(move |reason| {
        tracing::error!(
            directory = %directory.display(),
            reason = reason::plain(reason),
            "the disk of the audit journal failed, or somebody changed the file that was written to; the journal goes on in another \
             file, and edits are taken; look at the directory and its disk; `patchgate audit verify` says whether anything is missing"
        );
    })
}

/// Says once that the journal cannot be written, and once that it can again: of the edits that are refused meanwhile each has
/// but its own line, and where there are none nobody would hear of it.
pub async fn watch(mut health: watch::Receiver<Health>, directory: &Path) -> Infallible {
    let directory = directory.display();
    let mut was_writable = true;
    loop {
        let now = health.borrow_and_update().clone();
        match &now {
            Health::Unwritable { reason, .. } if was_writable => tracing::error!(
                %directory,
                reason = reason::plain(reason),
                "the audit journal cannot be written, and edits are refused until it can be; look at the directory, its \
                 permissions and its disk"
            ),
            Health::Writable if !was_writable => {
                tracing::info!(%directory, "the audit journal can be written again, and edits are taken");
            }
            _ => {}
        }
        was_writable = now.is_writable();
        if health.changed().await.is_err() {
            // The journal is gone, and with it all that could change.
            std::future::pending::<()>().await;
        }
    }
}

/// Opens it on the disk, which is where a record is one.
#[cfg(not(feature = "bench"))]
fn begin(directory: &Path, settings: Settings) -> Result<(Journal, Started), OpenError> {
    Journal::open(directory, settings)
}

/// Where the journal of the benchmark lies, if not on the disk.
#[cfg(feature = "bench")]
static ELSEWHERE: Mutex<Option<Box<dyn Storage>>> = Mutex::new(None);

/// Lets the journal lie on a storage that is no disk, if one is given.
#[cfg(feature = "bench")]
pub(crate) fn lie_on(storage: Option<Box<dyn Storage>>) {
    *ELSEWHERE.lock().unwrap_or_else(PoisonError::into_inner) = storage;
}

#[cfg(feature = "bench")]
fn begin(directory: &Path, settings: Settings) -> Result<(Journal, Started), OpenError> {
    let elsewhere = ELSEWHERE.lock().unwrap_or_else(PoisonError::into_inner).take();
    match elsewhere {
        Some(storage) => Ok(Journal::open_on(storage, settings)?),
        None => Journal::open(directory, settings),
    }
}

/// What is on record of the request itself.
fn asked<'a>(told: &'a Told<'a>, trace_id: Option<&'a str>) -> Asked<'a> {
    let known_by = match told.credential {
        // The token is Graph's to look into.
        Credential::Bearer => "bearer",
        _ => "nothing",
    };
    let caller = Who { id: None, known_by };
    let fields = told.guard.map_or(FieldRules::NONE, |guard| guard.record());
    Asked { request_id: told.request_id, trace_id, caller, generation: told.generation, fields }
}

/// Puts an edit on record: nothing is sent before.
pub async fn record(
    journal: &Journal,
    edit: Edit,
    told: &Told<'_>,
    trace: &Trace,
) -> Result<RecordedIntent<Edit>, Refusal> {
    let trace_id = trace.id();
    let strict = journal.durability() == Durability::Strict;
    let span = if strict { trace.audit("intent") } else { AuditSpan::NONE };
    let recording = journal.record(edit, &asked(told, trace_id.as_deref()), REASONS);
    // Who stops waiting leaves an outcome behind: nothing was sent.
    let recorded = within(PATIENCE, recording).await.unwrap_or_else(|_| {
        let _entered = trace.enter();
        tracing::error!(request_id = %told.request_id, trace_id, "the audit record was not written in time");
        Err(NotRecorded::Closed)
    });
    let recorded = recorded.map_err(|why| {
        Refusal::Unrecorded(match why {
            NotRecorded::Busy => RecordFault::Busy,
            NotRecorded::Unwritable(_) | NotRecorded::Closed => RecordFault::Unwritable,
        })
    });
    span.end(recorded.as_ref().err().map(Refusal::cause));
    recorded
}

/// Waits until an outcome is on record. It is queued already; if the disk fails it is held, and the caller is told what Graph
/// said all the same: to say less than is known would not make it more true.
pub async fn closed(closing: Closing, request_id: RequestId, trace: &Trace) {
    let span = if closing.waits() { trace.audit("outcome") } else { AuditSpan::NONE };
    let held = match within(PATIENCE, closing).await {
        Ok(Ok(_)) => return span.end(None),
        Ok(Err(held)) => held.to_string(),
        Err(_) => "it was not written in time".to_owned(),
    };
    span.end(Some("outcome_held"));
    let _entered = trace.enter();
    tracing::error!(
        %request_id,
        trace_id = trace.id(),
        reason = held,
        "the outcome of an edit is not on record yet; it is kept until it can be written"
    );
}

/// Puts a refusal on record. What was allowed and got no answer is no refusal: its outcome says so.
pub fn refuse(journal: &Journal, told: &Told<'_>, trace: &Trace, refusal: &Refusal) {
    if told.allowed || matches!(refusal, Refusal::CallerGone) {
        return;
    }
    let trace_id = trace.id();
    let said: Vec<String> = refusal.violations().iter().map(Violation::known).collect();
    let reasons: Vec<&str> = said.iter().map(String::as_str).collect();
    let subject = match (&told.edit, &told.resource) {
        (Some(edit), _) => Subject::Edit(edit as &dyn Recordable),
        (None, Some(resource)) => {
            Subject::Resource { guard: told.guard.map(|guard| guard.schema().name()), resource }
        }
        (None, None) => Subject::Unknown,
    };
    let refused = Refused { status: refusal.status(), code: refusal.code(), reasons: &reasons, subject };
    journal.refuse(&asked(told, trace_id.as_deref()), &refused);
}

/// Writes what is queued, at the end of the process. What is not written in time is found as unknown at the next start.
pub async fn close(journal: Journal) {
    let closing = tokio::task::spawn_blocking(move || {
        journal.close();
        journal.counters().unrecorded_refusals
    });
    match timeout(LAST, closing).await {
        Ok(Ok(refusals @ 1..)) => {
            tracing::error!(
                refusals,
                "refusals have no record, since the audit journal could not be written at the end"
            );
        }
        Ok(_) => {}
        Err(_) => tracing::error!("the audit journal could not be written to its end in time"),
    }
}

#[cfg(test)]
mod tests;
