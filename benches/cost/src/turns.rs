//! All proxies under load at once, one of them running at a time: the others stand still. A turn is short, so whatever else the
//! machine does meets all of them alike. How long a request takes can't be seen in this way.

use std::net::SocketAddr;
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use crate::Result;
use crate::subjects::Running;
use crate::table::Figures;
use crate::wrk::Run;

/// Loads each proxy by `load`, which takes a core and an address.
pub(crate) fn run(
    proxies: &[Running],
    core: usize,
    turn: Duration,
    load: impl Fn(usize, SocketAddr) -> Result<Run> + Sync,
) -> Result<Vec<Figures>> {
    let used = || proxies.iter().map(|proxy| proxy.process.cpu()).collect::<Result<Vec<f64>>>();
    let before = used()?;
    let runs = thread::scope(|scope| {
        let load = &load;
        // An error of any kind can't leave its thread, its words can.
        let start = |proxy: &Running| {
            let address = proxy.address;
            scope.spawn(move || load(core, address).map_err(|error| error.to_string()))
        };
        let loads: Vec<_> = proxies.iter().map(start).collect();
        let turned = take_turns(proxies, turn, || loads.iter().any(ScopedJoinHandle::is_finished));
        let ended =
            loads.into_iter().map(|load| load.join().map_err(|_| "the load panicked".to_owned()).flatten());
        let runs: Vec<_> = ended.collect();
        turned.map(|()| runs)
    })?;
    let after = used()?;
    let figures = proxies.iter().zip(runs).zip(before.into_iter().zip(after));
    figures
        .map(|((proxy, run), (before, after))| {
            let run = run.map_err(|error| format!("{}: {error}", proxy.subject.name()))?;
            Ok(Figures { cpu: (after - before) * 1e6 / run.requests, ..Figures::default() })
        })
        .collect()
}

/// Lets one after the other run until it is over; then all of them.
fn take_turns(proxies: &[Running], turn: Duration, over: impl Fn() -> bool) -> Result<()> {
    let still = |still| proxies.iter().try_for_each(|proxy| proxy.process.stand_still(still));
    still(true)?;
    while !over() {
        for proxy in proxies {
            proxy.process.stand_still(false)?;
            thread::sleep(turn);
            proxy.process.stand_still(true)?;
        }
    }
    still(false)
}
