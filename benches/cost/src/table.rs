//! The tables. A ratio or a difference is that of two figures of one round.

use crate::disk::Syncs;
use crate::subjects::Subject;

/// What one round says of one proxy and one body.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Figures {
    /// Microseconds of CPU per request.
    pub(crate) cpu: f64,
    /// The part of its core that the proxy used.
    pub(crate) busy: f64,
    /// Requests per second.
    pub(crate) rate: f64,
    /// Milliseconds.
    pub(crate) p50: f64,
    /// Milliseconds.
    pub(crate) p99: f64,
    /// Bytes of spans that reached the collector, per request.
    pub(crate) exported: f64,
    /// Edits that shared a write of the journal; two records each.
    pub(crate) edits_per_commit: Option<f64>,
    /// What 99 of 100 of these took at most, in milliseconds.
    pub(crate) commits_p99: Option<f64>,
}

/// One round: each proxy, and the disk.
#[derive(Debug)]
pub(crate) struct Round {
    pub(crate) figures: Vec<Figures>,
    /// The disk while nothing else goes on.
    pub(crate) disk: Syncs,
    /// The disk beside a proxy that is loaded and does not use it.
    pub(crate) beside: Syncs,
}

/// What is printed of one body and one number of connections.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    pub(crate) subjects: &'a [Subject],
    pub(crate) rounds: &'a [Round],
}

impl Report<'_> {
    fn place(&self, subject: Subject) -> Option<usize> {
        self.subjects.iter().position(|other| *other == subject)
    }

    /// A figure of a proxy, of each round.
    fn of(&self, index: usize, figure: impl Fn(&Figures) -> f64) -> Vec<f64> {
        self.rounds.iter().filter_map(|round| round.figures.get(index).map(&figure)).collect()
    }

    /// What two proxies come to within each round.
    fn both(
        &self,
        index: usize,
        other: Subject,
        compare: impl Fn(&Figures, &Figures, &Round) -> f64,
    ) -> Vec<f64> {
        let other = self.place(other);
        let pair =
            |round: &Round| Some(compare(round.figures.get(index)?, round.figures.get(other?)?, round));
        self.rounds.iter().filter_map(pair).collect()
    }

    /// Its name, its CPU, and what that comes to beside the others'.
    fn costs(&self, index: usize, subject: Subject) -> Vec<String> {
        let to = |other| spread(self.both(index, other, |this, other, _| this.cpu / other.cpu), 2);
        let cpu = spread(self.of(index, |f| f.cpu), 1);
        vec![
            subject.name().to_owned(),
            cpu,
            to(Subject::Nginx),
            to(Subject::Plain),
            to(Subject::PlainChecking),
        ]
    }

    /// All proxies.
    pub(crate) fn proxies(&self) -> String {
        let mut text = String::from(
            "| proxy | CPU µs per request | to nginx | to plain hyper | to plain hyper that checks | requests/s \
             | core used | p50 ms | p99 ms | span bytes sent per request |\n|---|---|---|---|---|---|---|---|---|---|\n",
        );
        for (index, subject) in self.subjects.iter().enumerate() {
            let mut cells = self.costs(index, *subject);
            cells.extend([
                format!("{:.0}", median(self.of(index, |f| f.rate))),
                format!("{:.0} %", median(self.of(index, |f| f.busy * 100.0))),
                format!("{:.2}", median(self.of(index, |f| f.p50))),
                format!("{:.2}", median(self.of(index, |f| f.p99))),
                format!("{:.0}", median(self.of(index, |f| f.exported))),
            ]);
            row(&mut text, &cells);
        }
        text
    }

    /// All proxies, where they took turns.
    pub(crate) fn turns(&self) -> String {
        let mut text = String::from(
            "| proxy | CPU µs per request | to nginx | to plain hyper | to plain hyper that checks \
             | µs more than the gateway whose journal is dropped |\n|---|---|---|---|---|---|\n",
        );
        for (index, subject) in self.subjects.iter().enumerate() {
            let more = self.both(index, Subject::GatewayDropped, |this, base, _| this.cpu - base.cpu);
            let mut cells = self.costs(index, *subject);
            cells.push(spread(more, 1));
            row(&mut text, &cells);
        }
        text
    }

    /// What the journal adds to the gateway whose journal is dropped; nothing if that was not measured.
    pub(crate) fn journal(&self) -> Option<String> {
        self.place(Subject::GatewayDropped)?;
        let mut text = String::from(
            "| journal | CPU µs added | p50 ms added | p99 ms added | p99 added, in the disk's own p99 at rest | and beside load \
             | in that of its own commits | edits per commit |\n|---|---|---|---|---|---|---|---|\n",
        );
        for (index, subject) in self.subjects.iter().enumerate() {
            let commits: Vec<f64> = self
                .rounds
                .iter()
                .filter_map(|round| round.figures.get(index)?.edits_per_commit)
                .filter(|edits| edits.is_finite())
                .collect();
            // Only an edit of a strict journal waits for its commits.
            let own = |this: &Figures| this.commits_p99.filter(|_| *subject == Subject::GatewayStrict);
            if !matches!(subject, Subject::GatewayDropped | Subject::Gateway | Subject::GatewayStrict) {
                continue;
            }
            let base = Subject::GatewayDropped;
            let cells = [
                subject.name().to_owned(),
                spread(self.both(index, base, |this, base, _| this.cpu - base.cpu), 1),
                spread(self.both(index, base, |this, base, _| this.p50 - base.p50), 2),
                spread(self.both(index, base, |this, base, _| this.p99 - base.p99), 2),
                spread(self.both(index, base, |this, base, at| (this.p99 - base.p99) / at.disk.p99), 1),
                spread(self.both(index, base, |this, base, at| (this.p99 - base.p99) / at.beside.p99), 1),
                spread(
                    self.both(index, base, |this, base, _| {
                        own(this).map_or(f64::NAN, |own| (this.p99 - base.p99) / own)
                    }),
                    1,
                ),
                spread(commits, 1),
            ];
            row(&mut text, &cells);
        }
        Some(text)
    }

    /// The disk's own `fdatasync`.
    pub(crate) fn disk(&self) -> String {
        let said = |which: fn(&Round) -> &Syncs| {
            let of = |figure: fn(&Syncs) -> f64| {
                spread(self.rounds.iter().map(|round| figure(which(round))).collect(), 2)
            };
            format!("mean {} ms, p50 {} ms, p99 {} ms", of(|d| d.mean), of(|d| d.p50), of(|d| d.p99))
        };
        format!("at rest {}; beside load {}", said(|round| &round.disk), said(|round| &round.beside))
    }
}

fn row(text: &mut String, cells: &[String]) {
    text.push_str("| ");
    text.push_str(&cells.join(" | "));
    text.push_str(" |\n");
}

/// The middle one; nothing of nothing.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

fn spread(mut figures: Vec<f64>, digits: usize) -> String {
    figures.retain(|figure| !figure.is_nan());
    if figures.is_empty() {
        return "–".to_owned();
    }
    let least = figures.iter().copied().fold(f64::INFINITY, f64::min);
    let most = figures.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    format!("{:.digits$} ({least:.digits$} to {most:.digits$})", median(figures))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(cpu: f64, p99: f64) -> Figures {
        Figures {
            cpu,
            busy: 0.5,
            rate: 1000.0,
            p50: 1.0,
            p99,
            exported: 0.0,
            edits_per_commit: None,
            commits_p99: None,
        }
    }

    #[test]
    fn ratios_and_differences_are_those_within_a_round() {
        let subjects = [Subject::Nginx, Subject::GatewayDropped, Subject::GatewayStrict];
        let disk = Syncs { mean: 0.2, p50: 0.2, p99: 0.5 };
        let beside = Syncs { p99: 1.0, ..disk };
        let strict =
            |cpu, p99| Figures { edits_per_commit: Some(8.0), commits_p99: Some(0.6), ..figures(cpu, p99) };
        // The machine was twice as slow in the second round.
        let rounds = [
            Round { figures: vec![figures(20.0, 1.0), figures(30.0, 1.0), strict(40.0, 2.0)], disk, beside },
            Round { figures: vec![figures(40.0, 2.0), figures(60.0, 2.0), strict(80.0, 3.5)], disk, beside },
        ];
        let report = Report { subjects: &subjects, rounds: &rounds };
        let proxies = report.proxies();
        assert!(
            proxies.contains(
                "| gateway, strict journal | 80.0 (40.0 to 80.0) | 2.00 (2.00 to 2.00) | – | – | 1000 |"
            ),
            "{proxies}"
        );
        let turns = report.turns();
        let row = "| gateway, strict journal | 80.0 (40.0 to 80.0) | 2.00 (2.00 to 2.00) | – | – | 20.0 (10.0 to 20.0) |";
        assert!(turns.contains(row), "{turns}");
        let journal = report.journal().unwrap_or_default();
        let row = "| gateway, strict journal | 20.0 (10.0 to 20.0) | 0.00 (0.00 to 0.00) | 1.50 (1.00 to 1.50) \
             | 3.0 (2.0 to 3.0) | 1.5 (1.0 to 1.5) | 2.5 (1.7 to 2.5) | 8.0 (8.0 to 8.0) |";
        assert!(journal.contains(row), "{journal}");
        assert_eq!(journal.lines().count(), 4, "nginx has no journal: {journal}");
    }

    #[test]
    fn without_the_dropped_one_nothing_is_added() {
        assert_eq!(Report { subjects: &[Subject::Gateway], rounds: &[] }.journal(), None);
    }
}
