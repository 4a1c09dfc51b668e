//! The same operations as a native program, to compare the WebAssembly build with.
//!
//! Standard input holds requests, standard output answers, each behind its length (four bytes,
//! big endian). A request is a msgpack array: operation, message, reads; `reads` lists what
//! `read_entry` has to answer in order: key, entry or nil, last ledger of life or nil. Other reads
//! than these make another answer.

use anyhow::{ensure, Context, Result};
use serde_bytes::ByteBuf;
use soroban_localnet_host::{answer, State};
use std::{
    cell::RefCell,
    collections::VecDeque,
    io::{self, BufReader, BufWriter, ErrorKind, Read, Write},
};

type EntryRead = (ByteBuf, Option<ByteBuf>, Option<u32>);

thread_local! {
    static READS: RefCell<VecDeque<EntryRead>> = RefCell::default();
}

fn read_entry(key: &[u8]) -> Result<Option<(Vec<u8>, Option<u32>)>> {
    let (recorded, entry, live_until) = READS
        .with_borrow_mut(VecDeque::pop_front)
        .context("an entry was read that the recording does not have")?;
    ensure!(
        recorded == key,
        "another entry was read than in the recording"
    );
    Ok(entry.map(|entry| (entry.into_vec(), live_until)))
}

fn next_request(input: &mut impl Read) -> Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match input.read_exact(&mut length) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let mut request = vec![0; u32::from_be_bytes(length) as usize];
    input.read_exact(&mut request)?;
    Ok(Some(request))
}

fn main() -> Result<()> {
    let mut input = BufReader::new(io::stdin().lock());
    let mut output = BufWriter::new(io::stdout().lock());
    let mut state: Option<State> = None;
    while let Some(request) = next_request(&mut input)? {
        let (operation, message, reads): (u32, ByteBuf, VecDeque<EntryRead>) =
            rmp_serde::from_slice(&request)?;
        READS.set(reads);
        let answer = answer(&mut state, read_entry, operation, &message);
        let answer = match READS.with_borrow(VecDeque::len) {
            0 => answer,
            left => rmp_serde::to_vec(&(false, format!("read {left} entries fewer")))?,
        };
        output.write_all(&u32::try_from(answer.len())?.to_be_bytes())?;
        output.write_all(&answer)?;
        output.flush()?; // what is answered counts, whatever the next request does
    }
    Ok(())
}
