//! nginx, as the upstream, as the collector, and as the proxy to compare with.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::Result;
use crate::process::{Process, free_address, pinned};

/// What an incident looks like in Graph's answer; 1.1 KB.
const INCIDENT: &str = r#"{"@odata.context":"https://graph.microsoft.com/v1.0/metadata#security/incidents/entity","id":"2972395","tenantId":"b3c1b5fc-828c-45fa-a1e1-10d74f6d6e9c","incidentWebUrl":"https://security.microsoft.com/incidents/2972395?tid=12f988bf-16f1-11af-11ab-1d7cd011db47","redirectIncidentId":null,"displayName":"Multi-stage incident involving Initial access and Command and control on multiple endpoints reported by multiple sources","createdDateTime":"2021-08-13T08:43:35.5533333Z","lastUpdateDateTime":"2021-09-30T09:35:45.1133333Z","assignedTo":"KaiC@contoso.com","classification":"truePositive","determination":"multiStagedAttack","status":"active","severity":"medium","customTags":["Demo"],"comments":[{"comment":"Demo incident","createdBy":"DavidS@contoso.com","createdTime":"2021-09-30T12:07:37.2756993Z"}],"systemTags":["Defender Experts"],"description":"Microsoft observed a multi-stage attack on several endpoints of the organisation, beginning with a message that held a link to a page which asked for credentials.","lastModifiedBy":"DavidS@contoso.com"}"#;

/// Finds nginx and wrk, or installs Debian's packages.
pub(crate) fn provide() -> Result<()> {
    let there = |program: &str| Command::new(program).arg("-v").output().is_ok();
    let missing: Vec<&str> = [("nginx", "nginx-light"), ("wrk", "wrk")]
        .into_iter()
        .filter(|(program, _)| !there(program))
        .map(|(_, package)| package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    eprintln!("installing {}", missing.join(", "));
    _ = Command::new("apt-get").args(["update", "-qq"]).status()?;
    let installed = Command::new("apt-get")
        .args(["install", "-y", "-qq", "--no-install-recommends"])
        .args(&missing)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .status()?;
    if installed.success() { Ok(()) } else { Err(format!("install {} yourself", missing.join(", ")).into()) }
}

/// The upstream, which answers each request with an incident, and the collector, which takes what it gets.
#[derive(Debug)]
pub(crate) struct Behind {
    _process: Process,
    pub(crate) upstream: SocketAddr,
    pub(crate) collector: SocketAddr,
}

impl Behind {
    pub(crate) fn start(folder: &Path, core: usize) -> Result<Self> {
        let (upstream, collector) = (free_address()?, free_address()?);
        let servers = format!(
            "server {{ listen {upstream} backlog=4096;
                location / {{
                    default_type application/json;
                    add_header request-id 7c2d1f0e-8a55-4f0c-9c1b-0d6f2f5a9b11;
                    add_header client-request-id 7c2d1f0e-8a55-4f0c-9c1b-0d6f2f5a9b11;
                    add_header Cache-Control no-cache;
                    add_header Vary Accept-Encoding;
                    add_header Strict-Transport-Security max-age=31536000;
                    add_header OData-Version 4.0;
                    return 200 '{INCIDENT}';
                }}
            }}
            log_format line '$http_content_length';
            server {{ listen {collector};
                location / {{
                    access_log {}/exports line;
                    client_max_body_size 0;
                    default_type application/x-protobuf;
                    return 200;
                }}
            }}",
            folder.display()
        );
        let mut process = start(folder, "behind", core, &servers)?;
        process.until_it_listens(upstream)?;
        Ok(Self { _process: process, upstream, collector })
    }
}

/// How many bytes of spans have arrived.
pub(crate) fn exported(folder: &Path) -> f64 {
    let log = fs::read_to_string(folder.join("exports")).unwrap_or_default();
    log.lines().filter_map(|bytes| bytes.parse::<f64>().ok()).sum()
}

/// The proxy to compare with.
pub(crate) fn proxy(folder: &Path, core: usize, upstream: SocketAddr) -> Result<(Process, SocketAddr)> {
    let listen = free_address()?;
    let servers = format!(
        "upstream graph {{ server {upstream}; keepalive 64; keepalive_requests 1000000000; }}
        server {{ listen {listen} backlog=4096;
            location / {{
                proxy_pass http://graph;
                proxy_http_version 1.1;
                proxy_set_header Connection '';
            }}
        }}"
    );
    let mut process = start(folder, "proxy", core, &servers)?;
    process.until_it_listens(listen)?;
    Ok((process, listen))
}

/// One process, in the foreground: the worker without its master, so that ending it ends all of it.
fn start(folder: &Path, name: &str, core: usize, servers: &str) -> Result<Process> {
    let file = folder.join(format!("{name}.conf"));
    let folder = folder.display();
    let mut text = format!(
        "daemon off; master_process off; pid {folder}/{name}.pid; error_log {folder}/{name}.log crit;
        events {{ worker_connections 16384; }}
        http {{
            access_log off; server_tokens off;
            keepalive_requests 1000000000; keepalive_timeout 600s; client_max_body_size 256k;\n"
    );
    for temporary in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        // Writing to a string does not fail.
        _ = writeln!(text, "{temporary}_temp_path {folder}/{name}-{temporary};");
    }
    fs::write(&file, format!("{text}{servers}}}\n"))?;
    Process::start(pinned(core, "nginx").arg("-c").arg(file))
}
