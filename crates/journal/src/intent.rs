//! The proofs: an edit whose intent is on record, and an outcome that is.
//!
//! INVARIANT: a [`RecordedIntent`] exists only where the intent is recorded, as durable as the journal is set (with `strict` the
//! writer has answered so), and holds the edit that was. Each one is closed: by [`close`](RecordedIntent::close), or by its end,
//! which records that nobody knows.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use patchgate_model::RequestId;

use crate::answers::Waiting;
use crate::health::{NotRecorded, OutcomeHeld};
use crate::queue::Shared;
use crate::record::{Outcome, Verdict, body};

/// An edit whose intent is on record, as durable as the journal is set. Only the journal makes one.
///
/// It can't be made of an edit:
///
/// ```compile_fail,E0451
/// fn forge<T>(edit: T) -> patchgate_journal::RecordedIntent<T> {
///     patchgate_journal::RecordedIntent { edit, ticket: panic!(), at: panic!() }
/// }
/// ```
///
/// it can't be copied, so that it is forwarded and closed once:
///
/// ```compile_fail,E0599
/// fn twice<T: Clone>(intent: patchgate_journal::RecordedIntent<T>) -> [patchgate_journal::RecordedIntent<T>; 2] {
///     [intent.clone(), intent]
/// }
/// ```
///
/// what was recorded can't be changed behind the record's back:
///
/// ```compile_fail,E0594
/// fn change(intent: patchgate_journal::RecordedIntent<Vec<u8>>) {
///     *intent.edit() = Vec::new();
/// }
/// ```
///
/// and once closed it can't be forwarded:
///
/// ```compile_fail,E0382
/// use patchgate_journal::{Outcome, RecordedIntent};
/// fn forward<T>(_: &RecordedIntent<T>) {}
/// fn late<T>(intent: RecordedIntent<T>, outcome: Outcome<'_>) {
///     let closing = intent.close(outcome);
///     forward(&intent);
/// }
/// ```
///
/// What is only being recorded is no recorded intent either:
///
/// ```compile_fail,E0308
/// use patchgate_journal::{Asked, Journal, RecordedIntent};
/// use patchgate_model::Recordable;
/// fn forward<T>(_: RecordedIntent<T>) {}
/// fn early<T: Recordable>(journal: &Journal, edit: T, asked: &Asked<'_>) {
///     forward(journal.record(edit, asked, &[]));
/// }
/// ```
#[derive(Debug)]
#[must_use = "an intent that is dropped is closed as unknown"]
pub struct RecordedIntent<T> {
    edit: T,
    ticket: Ticket,
    at: Instant,
}

impl<T> RecordedIntent<T> {
    /// The edit that was recorded.
    pub fn edit(&self) -> &T {
        &self.edit
    }

    /// The request that it belongs to.
    pub fn request_id(&self) -> RequestId {
        self.ticket.request_id
    }

    /// Since when it has been on record, as far as its caller knows.
    pub fn recorded_at(&self) -> Instant {
        self.at
    }

    /// Records what became of it. The outcome is queued at once, whether or not anybody waits for what this returns.
    pub fn close(self, outcome: Outcome<'_>) -> Closing {
        let Self { mut ticket, .. } = self;
        ticket.armed = false;
        let answer = ticket.tell(&outcome);
        Closing { answer, recorded: RecordedOutcome { verdict: outcome.verdict, status: outcome.status } }
    }
}

/// An outcome that is on record; what an answer to the caller needs. Only the journal makes one:
///
/// ```compile_fail,E0451
/// use patchgate_journal::{RecordedOutcome, Verdict};
/// let forged = RecordedOutcome { verdict: Verdict::Applied, status: Some(204) };
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordedOutcome {
    verdict: Verdict,
    status: Option<u16>,
}

impl RecordedOutcome {
    /// What became of the edit.
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// The status of Graph's answer.
    pub fn status(&self) -> Option<u16> {
        self.status
    }
}

/// An outcome on its way to the record.
#[derive(Debug)]
#[must_use = "the outcome is on record only when this says so"]
pub struct Closing {
    /// Nothing to wait for, where it counts as recorded once it is queued.
    answer: Option<Waiting<OutcomeHeld>>,
    recorded: RecordedOutcome,
}

impl Closing {
    /// Whether there is something to wait for.
    pub fn waits(&self) -> bool {
        self.answer.is_some()
    }
}

impl Future for Closing {
    type Output = Result<RecordedOutcome, OutcomeHeld>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let recorded = self.recorded;
        let Some(answer) = &mut self.answer else { return Poll::Ready(Ok(recorded)) };
        Pin::new(answer).poll(cx).map(|answer| match answer {
            Some(answer) => answer.map(|()| recorded),
            None => Err(OutcomeHeld("the audit record is closed".into())),
        })
    }
}

/// Makes the proof. To be called once the writer has answered.
pub(crate) fn recorded<T>(edit: T, mut ticket: Ticket) -> RecordedIntent<T> {
    let at = Instant::now();
    ticket.recorded = Some(at);
    RecordedIntent { edit, ticket, at }
}

/// An intent that is queued or recorded and has no outcome. When it is dropped, it gets one: unknown, or that nothing was sent
/// where nobody ever had the proof. If the intent was never recorded, the writer passes that over.
#[derive(Debug)]
pub(crate) struct Ticket {
    shared: Arc<Shared>,
    request_id: RequestId,
    /// A trace id that is not 32 bytes long is none.
    trace_id: Option<[u8; 32]>,
    recorded: Option<Instant>,
    armed: bool,
}

impl Ticket {
    pub(crate) fn new(shared: Arc<Shared>, request_id: RequestId, trace_id: Option<&str>) -> Self {
        let trace_id = trace_id.and_then(|id| id.as_bytes().try_into().ok());
        Self { shared, request_id, trace_id, recorded: None, armed: true }
    }

    /// The intent is not recorded, so it needs no outcome.
    pub(crate) fn void(mut self, why: NotRecorded) -> NotRecorded {
        self.armed = false;
        why
    }

    fn tell(&self, outcome: &Outcome<'_>) -> Option<Waiting<OutcomeHeld>> {
        #[cfg(feature = "simulator")]
        if crate::nowhere::nothing_is_recorded() {
            return None;
        }
        let trace_id = self.trace_id.as_ref().and_then(|id| std::str::from_utf8(id).ok());
        let (now, id) = ((self.shared.settings.clock)(), self.request_id);
        crate::with_line(|line| {
            body::outcome(
                line,
                now,
                id.encode(&mut [0; 36]),
                trace_id,
                outcome,
                self.recorded.map(|recorded| recorded.elapsed()),
            );
            self.shared.outcome(id, line)
        })
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.armed {
            // Only who has the proof can send.
            let outcome = if self.recorded.is_some() { Outcome::unknown() } else { Outcome::not_sent() };
            _ = self.tell(&outcome);
        }
    }
}
