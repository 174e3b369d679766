//! The routes, called as functions.

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Answer, Call, Target, answer, target};
use crate::incident::Version;
use crate::store::Store;

const BEARER: (&str, &str) = ("authorization", "Bearer opaque");
const JSON: (&str, &str) = ("content-type", "application/json");

/// A Graph of one's own and the headers of its caller.
struct Graph {
    store: Store,
    now: Timestamp,
}

impl Graph {
    fn new() -> Self {
        Self { store: Store::seeded().unwrap(), now: "2026-11-24T08:00:00Z".parse().unwrap() }
    }

    fn send(&mut self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut map = HeaderMap::new();
        map.insert("host", HeaderValue::from_static("graph.example.com:8080"));
        for (name, value) in headers {
            map.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let method: Method = method.parse().unwrap();
        let call = Call {
            method: &method,
            path,
            query,
            headers: &map,
            body: body.as_bytes(),
            now: self.now,
            request_id: "00000000-0000-7000-8000-000000000000",
        };
        answer(&mut self.store, &call)
    }

    fn get(&mut self, target: &str) -> Value {
        let answer = self.send("GET", target, &[BEARER], "");
        assert_eq!(answer.status, 200, "{target}: {answer:?}");
        answer.body.unwrap()
    }

    fn patch(&mut self, headers: &[(&str, &str)], body: &str) -> Answer {
        let headers = [&[BEARER, JSON], headers].concat();
        self.send("PATCH", "/beta/security/incidents/2972395", &headers, body)
    }
}

fn refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    let error = &answer.body.as_ref().unwrap()["error"];
    assert_eq!(error["code"], code);
    assert!(!error["message"].as_str().unwrap().is_empty());
    assert_eq!(error["innerError"]["date"], "2026-11-24T08:00:00");
    assert_eq!(error["innerError"]["request-id"], answer.headers["request-id"].to_str().unwrap());
    assert_eq!(
        error["innerError"]["client-request-id"],
        answer.headers["client-request-id"].to_str().unwrap()
    );
    assert_eq!(answer.headers["content-type"], "application/json");
}

#[test]
fn an_edit_answers_with_the_whole_incident() {
    let mut graph = Graph::new();
    let before = graph.get("/beta/security/incidents/2972395");
    let body =
        r#"{"classification":"TruePositive","determination":"MultiStagedAttack","customTags":["Demo"]}"#;
    let answer = graph.patch(&[("client-request-id", "mine")], body);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["client-request-id"], "mine");
    assert!(
        answer.headers["content-type"]
            .to_str()
            .unwrap()
            .starts_with("application/json;odata.metadata=minimal")
    );
    assert!(serde_json::from_slice::<Value>(answer.headers["x-ms-ags-diagnostic"].as_bytes()).is_ok());
    let after = answer.body.unwrap();

    let mut expected = before.clone();
    expected["classification"] = json!("truePositive");
    expected["determination"] = json!("multiStagedAttack");
    expected["customTags"] = json!(["Demo"]);
    expected["lastUpdateDateTime"] = json!("2026-11-24T08:00:00.0000000Z");
    expected["lastModifiedBy"] = json!("opaque token");
    assert_eq!(after, expected);
    assert_eq!(after, graph.get("/beta/security/incidents/2972395"));
    assert_eq!(after["@odata.type"], "#microsoft.graph.security.incident");
    assert_eq!(
        after["@odata.context"],
        "http://graph.example.com:8080/beta/$metadata#security/incidents/$entity"
    );
    for name in ["incidentWebUrl", "redirectIncidentId", "displayName", "tenantId", "systemTags", "comments"]
    {
        assert!(after.get(name).is_some(), "{name}");
    }
    assert!(after["recommendedActions"].is_string());
    let v1 = graph.get("/v1.0/security/incidents/2972395");
    assert_eq!(v1.get("recommendedActions"), None);
    assert_eq!(v1["classification"], "truePositive");
}

#[test]
fn a_refused_edit_changes_nothing() {
    let mut graph = Graph::new();
    let before = graph.get("/beta/security/incidents/2972395");
    refused(&graph.patch(&[], r#"{"status":"resolved","owner":"a"}"#), 400, "BadRequest");
    refused(&graph.patch(&[], ""), 400, "BadRequest");
    refused(
        &graph.patch(&[("content-encoding", "gzip")], r#"{"status":"resolved"}"#),
        415,
        "UnsupportedMediaType",
    );
    for headers in [&[BEARER][..], &[BEARER, ("content-type", "text/plain")]] {
        let answer =
            graph.send("PATCH", "/beta/security/incidents/2972395", headers, r#"{"status":"resolved"}"#);
        refused(&answer, 415, "UnsupportedMediaType");
    }
    let answer = graph.send("PATCH", "/beta/security/incidents/2972395", &[JSON], r#"{"status":"resolved"}"#);
    refused(&answer, 401, "InvalidAuthenticationToken");
    assert!(answer.headers["www-authenticate"].to_str().unwrap().starts_with("Bearer "));
    assert_eq!(graph.get("/beta/security/incidents/2972395"), before);
}

#[test]
fn a_media_type_may_have_parameters() {
    let mut graph = Graph::new();
    let headers = [BEARER, ("content-type", "Application/JSON;odata.metadata=minimal; charset=utf-8")];
    assert_eq!(graph.send("PATCH", "/v1.0/security/incidents/2972395", &headers, "{}").status, 200);
}

#[test]
fn permissions_of_a_jwt_are_looked_at() {
    // {"alg":"none"} . {"scp":"SecurityIncident.Read.All"} . x
    let reader = "Bearer eyJhbGciOiJub25lIn0.eyJzY3AiOiJTZWN1cml0eUluY2lkZW50LlJlYWQuQWxsIn0.eA";
    let headers = [("authorization", reader), JSON];
    let mut graph = Graph::new();
    assert_eq!(graph.send("GET", "/v1.0/security/incidents/2972395", &headers, "").status, 200);
    refused(&graph.send("PATCH", "/v1.0/security/incidents/2972395", &headers, "{}"), 403, "Forbidden");
}

#[test]
fn return_minimal_answers_nothing() {
    let answer = Graph::new().patch(&[("prefer", "return=minimal")], r#"{"status":"resolved"}"#);
    assert_eq!(answer.status, 204);
    assert_eq!(answer.headers["preference-applied"], "return=minimal");
    assert_eq!(answer.headers.get("content-type"), None);
    assert_eq!(answer.body, None);
}

#[test]
fn members_after_the_sentinel_show_only_on_request() {
    let mut graph = Graph::new();
    let all = ("prefer", "include-unknown-enum-members");
    assert_eq!(graph.get("/v1.0/security/incidents/2972588")["status"], "unknownFutureValue");
    assert_eq!(graph.get("/v1.0/security/incidents/2972401")["status"], "inProgress");
    let answer = graph.send("GET", "/v1.0/security/incidents/2972588", &[BEARER, all], "");
    assert_eq!(answer.body.unwrap()["status"], "awaitingAction");
    assert_eq!(answer.headers["preference-applied"], "include-unknown-enum-members");
}

#[test]
fn a_walk_along_the_links_shows_every_incident_once() {
    let mut graph = Graph::new();
    for start in
        ["?$top=2", "?%24top=3&$orderby=lastUpdateDateTime%20desc", "?$filter=status%20ne%20'x'&$top=1", ""]
    {
        let start = start.replace("'x'", "'redirected'");
        let mut ids = Vec::new();
        let mut next = Some(format!("/v1.0/security/incidents{start}"));
        while let Some(target) = next {
            let page = graph.get(&target);
            ids.extend(page["value"].as_array().unwrap().iter().map(|incident| incident["id"].clone()));
            next = page.get("@odata.nextLink").map(|link| {
                link.as_str().unwrap().strip_prefix("http://graph.example.com:8080").unwrap().to_owned()
            });
            assert!(ids.len() <= 50);
        }
        let all = graph.store.all().len() - usize::from(start.contains("redirected"));
        assert_eq!(ids.len(), all, "{start}");
        ids.sort_by_key(Value::to_string);
        ids.dedup();
        assert_eq!(ids.len(), all, "{start}");
    }
}

#[test]
fn lists_are_counted_selected_and_limited() {
    let mut graph = Graph::new();
    let page = graph
        .get("/beta/security/incidents?$top=1&$count=true&$select=id,Status&$filter=status%20eq%20'active'");
    assert!(page["@odata.count"].as_u64().unwrap() > 1);
    assert_eq!(page["@odata.context"], "http://graph.example.com:8080/beta/$metadata#security/incidents");
    let names: Vec<&String> = page["value"][0].as_object().unwrap().keys().collect();
    assert_eq!(names, ["@odata.type", "id", "status"]);
    let page = graph.get("/beta/security/incidents?$top=0");
    assert_eq!(page["value"], json!([]));
    assert_eq!(page.get("@odata.nextLink"), None);
    assert_eq!(graph.get("/beta/security/incidents?$skip=1000")["value"], json!([]));

    let answer =
        graph.send("GET", "/beta/security/incidents", &[BEARER, ("prefer", "odata.maxpagesize=4")], "");
    assert_eq!(answer.headers["preference-applied"], "odata.maxpagesize=4");
    assert_eq!(answer.body.unwrap()["value"].as_array().unwrap().len(), 4);
    for query in ["$top=51", "$expand=alerts", "$filter=a"] {
        let answer = graph.send("GET", &format!("/beta/security/incidents?{query}"), &[BEARER], "");
        refused(&answer, 400, "BadRequest");
    }
}

#[test]
fn routes_match_as_graph_matches_them() {
    let one = Target::Incident("2972395".to_owned());
    for path in [
        "/v1.0/security/incidents/2972395",
        "/V1.0/Security/INCIDENTS/2972395/",
        "/v1.0/security/incidents('2972395')",
        "/v1.0/security/incidents(2972395)",
        "/v1.0/security/%69ncidents/297239%35",
    ] {
        assert_eq!(target(path).unwrap(), (Version::V1, Target::Incident("2972395".to_owned())), "{path}");
    }
    assert_ne!(target("/beta/security/incidents/02972395").unwrap().1, one);
    assert_eq!(target("/beta/security/incidents").unwrap(), (Version::Beta, Target::Incidents));
    for path in [
        "/",
        "*",
        "/v2.0/security/incidents",
        "/v1.0",
        "/v1.0/security",
        "/v1.0/security/alerts_v2",
        "/v1.0//security/incidents",
        "/v1.0/security/incidents/1/status",
        "/v1.0/security/incidents('1')/2",
        "/v1.0/security/incidents/%zz",
    ] {
        assert_eq!(target(path).unwrap_err().status, 400, "{path}");
    }
}

#[test]
fn what_is_not_there_is_said() {
    let mut graph = Graph::new();
    refused(&graph.send("GET", "/v1.0/security/incidents/1", &[BEARER], ""), 404, "ResourceNotFound");
    refused(
        &graph.send("PATCH", "/v1.0/security/incidents/1", &[BEARER, JSON], "{}"),
        404,
        "ResourceNotFound",
    );
    let answer = graph.send("DELETE", "/v1.0/security/incidents/2972395", &[BEARER], "");
    refused(&answer, 405, "MethodNotAllowed");
    assert_eq!(answer.headers["allow"], "GET, PATCH");
    refused(&graph.send("POST", "/v1.0/security/incidents", &[BEARER], "{}"), 405, "MethodNotAllowed");
    refused(
        &graph.send("Patch", "/v1.0/security/incidents/2972395", &[BEARER, JSON], "{}"),
        400,
        "BadRequest",
    );
    refused(&graph.send("GET", "/v1.0/users", &[], ""), 401, "InvalidAuthenticationToken");
    refused(&graph.send("GET", "/v1.0/users", &[BEARER], ""), 400, "BadRequest");
}
