//! Refusals that come in a flood: the first of a second have a record each, the others are counted in one.
//!
//! Pure: the time is an argument. Nothing is dropped: what is counted is kept until [`Flood::due`] hands it out.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::record::{Flooded, Who};

/// How long refusals are counted before they are recorded.
const WINDOW: Duration = Duration::from_secs(1);

/// The most pairs of caller and code that are told apart. What is beyond is counted by its code alone.
const MOST: usize = 1024;

/// Counts refusals by caller and code.
#[derive(Debug, Default)]
pub(crate) struct Flood {
    windows: HashMap<String, Window>,
    key: String,
}

#[derive(Debug)]
struct Window {
    begun: Instant,
    /// How many have a record each.
    single: u32,
    counted: Option<Flooded>,
}

impl Flood {
    /// Counts a refusal. The answer says whether it gets a record of its own; that is so for the first `most` of a second.
    pub(crate) fn offer(
        &mut self,
        who: Who<'_>,
        code: &str,
        most: u32,
        now: Instant,
        time: Timestamp,
    ) -> bool {
        let mut who = who;
        self.write_key(who, code);
        if !self.windows.contains_key(&self.key) && self.windows.len() >= MOST {
            self.windows.retain(|_, window| window.counted.is_some() || now - window.begun < WINDOW);
            if self.windows.len() >= MOST {
                who = Who { id: None, known_by: "several" };
                self.write_key(who, code);
            }
        }
        if !self.windows.contains_key(&self.key) {
            let window = Window { begun: now, single: 0, counted: None };
            self.windows.insert(self.key.clone(), window);
        }
        let Some(window) = self.windows.get_mut(&self.key) else { return true };
        if window.counted.is_none() && now - window.begun >= WINDOW {
            (window.begun, window.single) = (now, 0);
        }
        if window.single < most && window.counted.is_none() && who.known_by != "several" {
            window.single += 1;
            return true;
        }
        let counted = window.counted.get_or_insert_with(|| Flooded {
            caller: who.id.map(str::to_owned),
            known_by: who.known_by.to_owned(),
            code: code.to_owned(),
            count: 0,
            since: time,
            until: time,
        });
        counted.count += 1;
        counted.until = time;
        false
    }

    fn write_key(&mut self, who: Who<'_>, code: &str) {
        self.key.clear();
        // Writing to a string does not fail.
        _ = write!(self.key, "{code}\0{}\0{}", who.known_by, who.id.unwrap_or("\0"));
    }

    /// Whether something is counted.
    pub(crate) fn is_empty(&self) -> bool {
        self.windows.values().all(|window| window.counted.is_none())
    }

    /// How many are counted, and were not handed out.
    pub(crate) fn left(&self) -> u64 {
        self.windows.values().filter_map(|window| window.counted.as_ref()).map(|counted| counted.count).sum()
    }

    /// Hands out what was counted for a second or longer; all, if it is `all` that is asked for.
    pub(crate) fn due(&mut self, now: Instant, all: bool) -> Vec<Flooded> {
        let mut due = Vec::new();
        for window in self.windows.values_mut() {
            if all || now - window.begun >= WINDOW {
                due.extend(window.counted.take());
            }
        }
        self.windows.retain(|_, window| window.counted.is_some() || now - window.begun < WINDOW);
        due
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_refusal_is_recorded_or_counted(
            offers in prop::collection::vec((0u64..1500, 0u64..3000, 0usize..3), 1..3000),
            most in 0u32..5,
        ) {
            let start = Instant::now();
            let (mut flood, mut single, mut counted, mut at) = (Flood::default(), 0u64, 0u64, start);
            for (caller, wait, code) in &offers {
                let caller = format!("caller-{caller}");
                let who = Who { id: Some(&caller), known_by: "test" };
                let code = ["A", "B", "C"][*code];
                single += u64::from(flood.offer(who, code, most, at, Timestamp::UNIX_EPOCH));
                if *wait > 2900 {
                    at += Duration::from_millis(*wait);
                    counted += flood.due(at, false).iter().map(|counted| counted.count).sum::<u64>();
                    prop_assert!(flood.is_empty());
                }
            }
            prop_assert!(flood.windows.len() <= MOST + 3);
            counted += flood.due(at, true).iter().map(|counted| counted.count).sum::<u64>();
            prop_assert_eq!(single + counted, offers.len() as u64);
        }
    }

    #[test]
    fn a_second_is_a_new_start() {
        let who = Who { id: Some("tool"), known_by: "test" };
        let (mut flood, start) = (Flood::default(), Instant::now());
        let mut offer =
            |millis| flood.offer(who, "X", 2, start + Duration::from_millis(millis), Timestamp::UNIX_EPOCH);
        assert_eq!([0, 1, 1000, 1001].map(&mut offer), [true; 4]);
        assert_eq!([1002, 1500, 2500].map(&mut offer), [false; 3], "counted until they are handed out");
        let due = flood.due(start + Duration::from_millis(2500), false);
        assert_eq!(due.iter().map(|counted| counted.count).collect::<Vec<_>>(), [3]);
        assert!(flood.offer(who, "X", 2, start + Duration::from_millis(2501), Timestamp::UNIX_EPOCH));
    }
}
