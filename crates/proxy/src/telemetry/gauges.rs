//! What is looked up when somebody wants to know, and costs nothing until then.

use std::sync::Arc;

use arc_swap::ArcSwap;
use patchgate_journal::{Counters, Journal};
use tracing_appender::non_blocking::ErrorCounter;

use super::metrics::{Instruments, number};
use crate::listen::load::Load;
use crate::ruleset::Ruleset;
use crate::upstream::Client;

impl Instruments {
    /// What the audit journal tells of itself when somebody wants to know.
    pub fn watch_audit(&self, journal: &Journal) {
        let gauge = |name, unit, description, value: fn(&Counters) -> u64| {
            let journal = journal.clone();
            let gauge = self.meter.u64_observable_gauge(name).with_unit(unit).with_description(description);
            gauge.with_callback(move |observer| observer.observe(value(&journal.counters()), &[])).build();
        };
        let counter = |name, unit, description, value: fn(&Counters) -> u64| {
            let journal = journal.clone();
            let counter =
                self.meter.u64_observable_counter(name).with_unit(unit).with_description(description);
            counter.with_callback(move |observer| observer.observe(value(&journal.counters()), &[])).build();
        };
        let open = |counters: &Counters| number(counters.open);
        gauge("patchgate.audit.open", "{edit}", "Edits on record that have no outcome yet.", open);
        let queued = |counters: &Counters| number(counters.queued_bytes);
        gauge("patchgate.audit.queued", "By", "Bytes that wait to be written to the audit journal.", queued);
        gauge(
            "patchgate.audit.evidence",
            "1",
            "The number of the segment that does not verify and so is not taken away, else 0.",
            |counters| counters.evidence,
        );
        counter("patchgate.audit.records", "{record}", "Records written.", |counters| counters.records);
        counter(
            "patchgate.audit.failures",
            "{failure}",
            "Failures of the audit journal's disk.",
            |counters| counters.failures,
        );
        let writable = {
            let journal = journal.clone();
            move || u64::from(journal.health().is_writable())
        };
        let gauge = self.meter.u64_observable_gauge("patchgate.audit.writable").with_unit("1");
        gauge
            .with_description("1 while edits can be put on record, else 0.")
            .with_callback(move |observer| observer.observe(writable(), &[]))
            .build();
    }

    /// Lines of the log that were lost.
    pub fn watch_log(&self, lost: ErrorCounter) {
        self.meter
            .u64_observable_counter("patchgate.log.lost")
            .with_unit("{line}")
            .with_description("Lines of the log that were lost, for nobody took those before them.")
            .with_callback(move |observer| observer.observe(number(lost.dropped_lines()), &[]))
            .build();
    }

    /// What is looked up when somebody wants to know.
    pub fn watch(&self, load: &Arc<Load>, clients: Vec<Arc<Client>>, rules: Arc<ArcSwap<Ruleset>>) {
        let gauge = |name, unit, description| {
            self.meter.u64_observable_gauge(name).with_unit(unit).with_description(description)
        };
        let of_load = |name, unit, description, value: fn(&Load) -> usize| {
            let load = Arc::clone(load);
            gauge(name, unit, description)
                .with_callback(move |observer| observer.observe(number(value(&load)), &[]))
                .build();
        };
        of_load("patchgate.connections.open", "{connection}", "Connections of callers.", Load::connections);
        of_load(
            "patchgate.requests.in_flight",
            "{request}",
            "Requests that are being answered.",
            Load::in_flight,
        );
        of_load("patchgate.buffered", "By", "Bytes of bodies that are held.", Load::buffered);
        let idle = move || clients.iter().map(|client| client.idle()).sum();
        gauge(
            "patchgate.upstream.connections.idle",
            "{connection}",
            "Connections to Graph that wait for use.",
        )
        .with_callback(move |observer| observer.observe(number(idle()), &[]))
        .build();
        gauge("patchgate.ruleset.generation", "{generation}", "The ruleset of new requests, by its number.")
            .with_callback(move |observer| observer.observe(rules.load().generation().0, &[]))
            .build();
    }
}
