//! The plain hyper reverse proxy: the gateway's upstream client, and nothing in front of it that checks anything.

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
use patchgate_proxy::upstream::client::Deadlines;
use patchgate_proxy::upstream::{Client, Origin, plain};

use crate::Result;

static HOP_BY_HOP: [HeaderName; 6] =
    [CONNECTION, HeaderName::from_static("keep-alive"), TE, TRAILER, TRANSFER_ENCODING, UPGRADE];

type Answer = Response<Either<Incoming, Empty<Bytes>>>;

struct Proxy {
    client: Client,
    host: HeaderValue,
}

/// Serves until it is killed.
pub(crate) fn run(listen: SocketAddr, upstream: &str) -> Result<()> {
    let origin = Arc::new(Origin::parse(upstream, false)?);
    let host = HeaderValue::try_from(origin.authority().as_str())?;
    let deadlines = Deadlines {
        connect: Duration::from_secs(5),
        handshake: Duration::from_secs(5),
        answer: Duration::from_secs(30),
        idle: Duration::from_mins(1),
    };
    let proxy = Arc::new(Proxy { client: Client::new(origin, None, deadlines), host });
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
        if let Some(response) = self.forward(request).await {
            return response.map(Either::Left);
        }
        let mut response = Response::new(Either::Right(Empty::new()));
        *response.status_mut() = StatusCode::BAD_GATEWAY;
        response
    }

    async fn forward(&self, request: Request<Incoming>) -> Option<Response<Incoming>> {
        let (mut parts, body) = request.into_parts();
        let body = body.collect().await.ok()?.to_bytes();
        parts.uri = Uri::from(parts.uri.path_and_query()?.clone());
        without_hops(&mut parts.headers);
        parts.headers.insert(HOST, self.host.clone());
        let request = Request::from_parts(parts, Full::new(body));
        let mut response = plain::send(&self.client, request).await.ok()?;
        without_hops(response.headers_mut());
        Some(response)
    }
}

fn without_hops(headers: &mut HeaderMap) {
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}
