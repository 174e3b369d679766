//! A caller with many connections, each of which has served one request and is idle.

use std::io::{Read, stdin};
use std::net::{SocketAddr, TcpStream};

use crate::{Result, requests};

pub(crate) fn run(address: SocketAddr, count: usize) -> Result<()> {
    let request = requests::bytes(address, requests::SMALL, &requests::token(64));
    let mut held = Vec::with_capacity(count);
    for _ in 0..count {
        let mut stream = TcpStream::connect(address)?;
        requests::once(&mut stream, &request)?;
        held.push(stream);
    }
    println!("holding {}", held.len());
    // Until the one who started this closes its end.
    _ = stdin().read(&mut [0])?;
    Ok(())
}
