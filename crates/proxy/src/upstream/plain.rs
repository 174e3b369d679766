//! For the benchmark of the plain proxy alone: any request, below [`Upstream::forward`](super::Upstream::forward), on the same
//! client. It is compiled with the feature `bench`, which the product does not have.

use std::time::Instant;

use http::{Request, Response};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};

use super::client::{Client, Failure};

/// Sends a request as it stands and waits for the head of the answer.
pub async fn send(client: &Client, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Failure> {
    client.send(Box::new(request), Instant::now()).await
}
