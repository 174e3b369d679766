//! The plain hyper reverse proxy: the gateway's upstream client, and in front of it nothing, or the usual check of a body:
//! `serde_json` to a `Value`, and `is_valid` of the shipped schema.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONNECTION, HOST, HeaderName, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Either, Empty, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jsonschema::{Draft, PatternOptions, Validator};
use patchgate_proxy::upstream::client::Deadlines;
use patchgate_proxy::upstream::{Client, Origin, plain};
use serde_json::Value;

use crate::Result;

const SCHEMA: &[u8] = include_bytes!("../../../schemas/security-incident-update.json");

static HOP_BY_HOP: [HeaderName; 6] =
    [CONNECTION, HeaderName::from_static("keep-alive"), TE, TRAILER, TRANSFER_ENCODING, UPGRADE];

type Answer = Response<Either<Incoming, Empty<Bytes>>>;

struct Proxy {
    client: Client,
    host: HeaderValue,
    check: Option<Validator>,
}

/// Serves until it is killed.
pub(crate) fn run(listen: SocketAddr, upstream: &str, checks: bool) -> Result<()> {
    let origin = Arc::new(Origin::parse(upstream, false)?);
    let host = HeaderValue::try_from(origin.authority().as_str())?;
    let deadlines = Deadlines {
        connect: Duration::from_secs(5),
        handshake: Duration::from_secs(5),
        answer: Duration::from_secs(30),
        idle: Duration::from_mins(1),
    };
    let check = checks.then(validator).transpose()?;
    let proxy = Arc::new(Proxy { client: Client::new(origin, None, deadlines), host, check });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(listen).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let proxy = Arc::clone(&proxy);
            let service = service_fn(move |request| {
                let proxy = Arc::clone(&proxy);
                async move { Ok::<_, Infallible>(proxy.handle(request).await) }
            });
            tokio::spawn(async move {
                let connection = http1::Builder::new()
                    .header_read_timeout(None)
                    .half_close(true)
                    .serve_connection(TokioIo::new(stream), service);
                // Whoever measures counts the answers.
                _ = connection.await;
            });
        }
    })
}

impl Proxy {
    async fn handle(&self, request: Request<Incoming>) -> Answer {
        match self.forward(request).await {
            Ok(response) => response.map(Either::Left),
            Err(status) => {
                let mut response = Response::new(Either::Right(Empty::new()));
                *response.status_mut() = status;
                response
            }
        }
    }

    async fn forward(
        &self,
        request: Request<Incoming>,
    ) -> std::result::Result<Response<Incoming>, StatusCode> {
        let (mut parts, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| StatusCode::BAD_REQUEST)?.to_bytes();
        if let Some(check) = &self.check {
            let value = serde_json::from_slice::<Value>(&body).map_err(|_| StatusCode::BAD_REQUEST)?;
            if !check.is_valid(&value) {
                return Err(StatusCode::BAD_REQUEST);
            }
        }
        parts.uri = Uri::from(parts.uri.path_and_query().ok_or(StatusCode::BAD_REQUEST)?.clone());
        without_hops(&mut parts.headers);
        parts.headers.insert(HOST, self.host.clone());
        let request = Request::from_parts(parts, Full::new(body));
        let mut response = plain::send(&self.client, request).await.map_err(|_| StatusCode::BAD_GATEWAY)?;
        without_hops(response.headers_mut());
        Ok(response)
    }
}

/// The shipped schema, compiled with the options that the gateway compiles it with.
fn validator() -> Result<Validator> {
    let schema: Value = serde_json::from_slice(SCHEMA)?;
    let options = jsonschema::options()
        .with_draft(Draft::Draft202012)
        .offline()
        .should_validate_formats(true)
        .should_ignore_unknown_formats(false)
        .with_pattern_options(PatternOptions::regex());
    Ok(options.build(&schema).map_err(|error| error.to_string())?)
}

fn without_hops(headers: &mut HeaderMap) {
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}
