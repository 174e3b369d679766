//! What is said at the start: what listens where, in front of what, which guards with the date of their documentation, which
//! defaults matter, and what to try.

use std::net::SocketAddr;
use std::path::Path;

use super::output::{STRONG, say};
use crate::config::{Loaded, Source};
use crate::gateway::Gateway;
use crate::plan::Plan;
use crate::ruleset::Ruleset;

/// What is known before the start; the addresses come after it.
pub(super) struct Banner {
    guards: Vec<String>,
    notes: Vec<String>,
    example: Option<(String, String)>,
}

impl Banner {
    /// From what was planned, the journal's directory, and what keeps traces from going anywhere.
    pub(super) fn of(plan: &Plan, journal: &Path, untraced: Option<&str>) -> Self {
        let mut guards = guards(&plan.rules);
        guards.push(format!("puts every edit on record in {STRONG}{}{STRONG:#}", journal.display()));
        Self { guards, notes: notes(&plan.loaded, untraced), example: example(&plan.rules) }
    }

    /// Says it.
    pub(super) fn say(&self, gateway: &Gateway, admin: SocketAddr) {
        let upstream = if gateway.embedded { "the embedded Graph, " } else { "" };
        let base = gateway.upstream.base();
        say(&format!(
            "patchgate listens on {STRONG}http://{}{STRONG:#}, in front of {upstream}{STRONG}{base}{STRONG:#}",
            gateway.address
        ));
        say(&format!("health is on http://{admin}/readyz, metrics on http://{admin}/metrics"));
        self.guards.iter().chain(&self.notes).for_each(|line| say(line));
        let Some((path, body)) = self.example.as_ref().filter(|_| gateway.embedded) else {
            say(&format!("\nTry it:\n\ncurl -sS 'http://{admin}/readyz'\n"));
            return;
        };
        say("\nTry it:\n");
        say(&format!(
            "curl -sS -X PATCH 'http://{}{path}' -H 'Authorization: Bearer demo' -H 'Content-Type: application/json' -d '{body}'",
            gateway.address,
        ));
        say("\nChange a value and see it refused. Ctrl-C ends.");
    }
}

fn guards(rules: &Ruleset) -> Vec<String> {
    let line = |guard: &crate::ruleset::Guarded| {
        let schema = guard.schema();
        let date = schema.date().map(|date| format!(", documentation of {date}")).unwrap_or_default();
        let digest = schema.digest().get(..12).unwrap_or_default();
        format!("guards {STRONG}{}{STRONG:#}{date}, schema sha256 {digest}…", schema.name())
    };
    rules.guards().iter().map(|guard| line(guard)).collect()
}

/// The defaults that somebody may want to be different, and does not see.
fn notes(loaded: &Loaded, untraced: Option<&str>) -> Vec<String> {
    let is_default = |key: &str| *loaded.source(key) == Source::Default;
    let config = &loaded.config;
    let mut notes: Vec<String> =
        untraced.map(|why| format!("traces go nowhere: {why}")).into_iter().collect();
    let unsaid = |keys: &[&str]| keys.iter().all(|key| is_default(key));
    if unsaid(&["upstream.cloud", "upstream.url"]) {
        notes.push(
            "edits stay in this process: upstream.cloud = \"global\" (--upstream global) is the real Graph"
                .to_owned(),
        );
    }
    if config.listen.insecure && !config.listen.address.ip().is_loopback() {
        notes.push(
            "listen.insecure: tokens are readable between the callers and whatever ends TLS in front"
                .to_owned(),
        );
    }
    if config.upstream.insecure {
        notes.push("upstream.insecure: tokens may be readable on the way to the upstream".to_owned());
    }
    notes
}

/// An edit that passes: its target and its body as a word of a shell.
fn example(rules: &Ruleset) -> Option<(String, String)> {
    rules.guards().iter().find_map(|guard| {
        let body = guard.schema().examples().first()?.to_string();
        // In a shell's single quotes a single quote is the one thing to escape.
        Some((guard.example_path()?, body.replace('\'', "'\\''")))
    })
}
