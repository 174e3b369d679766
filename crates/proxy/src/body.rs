//! The body of an edit: read whole, bounded in size and in time.

use std::future::poll_fn;
use std::mem;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use patchgate_model::Refusal;

use crate::deadline::within;
use crate::listen::load::Held;

/// Reads a body of at most `limit` bytes within `deadline`, and counts them as held. Trailers are dropped.
pub async fn read(
    body: Incoming,
    limit: usize,
    deadline: Duration,
    held: &mut Held<'_>,
) -> Result<Bytes, Refusal> {
    let read = within(deadline, collect(body, limit, held)).await.unwrap_or(Err(Refusal::BodyTimeout));
    step_aside().await;
    read
}

/// Lets the other tasks of this thread go first, once: they do the same as this one did, and find its code in the caches. It
/// costs nothing, for the parser has just woken this task, to hear of the body's end. The runtime's own `yield_now` would wake it
/// once more, behind that.
async fn step_aside() {
    let mut aside = false;
    poll_fn(|cx| {
        if mem::replace(&mut aside, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

async fn collect(mut body: Incoming, limit: usize, held: &mut Held<'_>) -> Result<Bytes, Refusal> {
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Refusal::BodyBroken)?.into_data() else { continue };
        if first.len() + rest.len() + data.len() > limit {
            return Err(Refusal::BodyTooLarge(limit));
        }
        if !held.grow(data.len()) {
            return Err(Refusal::Overloaded);
        }
        // Nearly every body comes in one piece, and then nothing is copied.
        if first.is_empty() && rest.is_empty() {
            first = data;
        } else {
            rest.extend_from_slice(&mem::take(&mut first));
            rest.extend_from_slice(&data);
        }
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}
