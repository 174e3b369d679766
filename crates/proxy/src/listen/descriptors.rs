//! The descriptors of the process: each connection takes one, and each request another one towards Graph.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::load::Most;

/// What the process needs besides connections: listeners, runtimes, exporters, files.
const OTHERS: usize = 64;

/// Takes as many descriptors as the system lets the process have, for shells and service managers often give it a thousand
/// until it asks; and says so if they do not suffice for what is configured.
pub fn allow(most: &Most) {
    let mut limit = getrlimit(Resource::Nofile);
    // A limit that cannot be raised is one that is told of below.
    if setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).is_ok() {
        limit = getrlimit(Resource::Nofile);
    }
    let needed = needed(most);
    if let Some(allowed) = limit.current.filter(|allowed| *allowed < needed) {
        tracing::warn!(
            allowed,
            needed,
            "the process may have fewer descriptors than its limits need: raise the system's limit (ulimit -Hn, \
             LimitNOFILE=), or lower limits.connections or limits.in_flight"
        );
    }
}

fn needed(most: &Most) -> u64 {
    let sum = most.connections.saturating_add(most.in_flight).saturating_add(OTHERS);
    u64::try_from(sum).unwrap_or(u64::MAX)
}
