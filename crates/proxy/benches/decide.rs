//! The two functions that decide everything, `admit` and `decide`, as the gateway calls them.

use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;

use criterion::Criterion;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method};
use jiff::Timestamp;
use patchgate_model::Generation;
use patchgate_proxy::caller;
use patchgate_proxy::config::Config;
use patchgate_proxy::head::{Head, Target};
use patchgate_proxy::ruleset::{Admitted, build};

const PATH: &str = "/v1.0/security/incidents/2972395";
const SMALL: &[u8] = br#"{"status":"resolved","classification":"truePositive","determination":"phishing","assignedTo":"analyst@contoso.com"}"#;

fn main() -> Result<(), Box<dyn Error>> {
    let rules = Arc::new(build::build(&Config::told_nothing()?, Generation(1))?);
    let (edit, read, unknown) =
        (head(Method::PATCH, PATH), head(Method::GET, PATH), head(Method::PATCH, "/v1.0/me/messages/1"));
    let admitted = rules.admit(&edit, caller::identify(&edit.headers)).map_err(|refusal| refusal.code())?;
    let Admitted::Edit(admitted) = admitted else { return Err("the edit was not admitted as one".into()) };
    admitted.decide(SMALL).map_err(|refusal| refusal.code())?;

    let mut criterion = Criterion::default().configure_from_args();
    for (name, head) in [("admit/edit", &edit), ("admit/read", &read), ("admit/unknown route", &unknown)] {
        criterion.bench_function(name, |b| {
            b.iter(|| rules.admit(black_box(head), caller::identify(&head.headers)).is_ok());
        });
    }
    criterion.bench_function("decide/small", |b| b.iter(|| admitted.decide(black_box(SMALL)).is_ok()));
    criterion.bench_function("admit and decide/small", |b| {
        b.iter(|| match rules.admit(black_box(&edit), caller::identify(&edit.headers)) {
            Ok(Admitted::Edit(admitted)) => admitted.decide(black_box(SMALL)).is_ok(),
            _ => false,
        });
    });
    criterion.final_summary();
    Ok(())
}

/// What a Graph SDK sends.
fn head(method: Method, target: &'static str) -> Head {
    let mut headers = HeaderMap::new();
    let mut fields = vec![
        ("host", "gateway.contoso.example"),
        ("authorization", "Bearer eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.e30.c2ln"),
        ("user-agent", "python-httpx/0.28.1"),
        ("accept", "application/json"),
        ("accept-encoding", "gzip, deflate"),
        ("sdkversion", "graph-python/1.0"),
        ("client-request-id", "7c2d1f0e-8a55-4f0c-9c1b-0d6f2f5a9b11"),
    ];
    if method == Method::PATCH {
        fields.extend([("content-type", "application/json"), ("content-length", "116")]);
    }
    for (name, value) in fields {
        headers.insert(name, HeaderValue::from_static(value));
    }
    Head {
        method,
        target: Target::Origin(PathAndQuery::from_static(target)),
        headers,
        received: Timestamp::UNIX_EPOCH,
    }
}
