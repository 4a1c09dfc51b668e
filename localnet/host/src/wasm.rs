//! The exports of the WebAssembly module.
//!
//! What crosses lies in this module's memory: data in one buffer, and in `WORDS` where it is. The
//! functions themselves take and return nothing, because each argument costs the embedder dearly.

use crate::{answer, State};
use anyhow::{bail, Result};
use std::{
    cell::RefCell,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

/// The operation asked for.
const OPERATION: usize = 0;
/// How many bytes of the buffer are taken, by a request or by an entry.
const LENGTH: usize = 1;
/// Where the buffer is; in the next word, its capacity: how many bytes it holds.
const BUFFER: usize = 2;
/// Where the answer, or the key of a wanted entry, is; in the next word, its length.
const ADDRESS: usize = 4;

/// The length of an absent entry.
const ABSENT: u32 = u32::MAX;

static WORDS: [AtomicU32; 6] = [const { AtomicU32::new(0) }; 6];

thread_local! {
    static STATE: RefCell<Option<State>> = const { RefCell::new(None) };
    static DATA: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static ANSWER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

#[link(wasm_import_module = "env")]
extern "C" {
    /// Writes the entry under the key at ADDRESS into the buffer: the last ledger of its life
    /// (four bytes, little endian), one byte that tells whether it has one, then the entry. Sets
    /// LENGTH, also where it exceeds the capacity and nothing is written, or to ABSENT.
    fn read_entry();
}

fn get(word: usize) -> usize {
    WORDS[word].load(Relaxed) as usize
}

fn place(address: usize, data: &[u8]) {
    WORDS[address].store(data.as_ptr() as usize as u32, Relaxed);
    WORDS[address + 1].store(data.len() as u32, Relaxed);
}

fn hold(data: &mut Vec<u8>, capacity: usize) {
    if data.len() < capacity {
        data.resize(capacity, 0);
    }
    place(BUFFER, data);
}

fn read(key: &[u8]) -> Result<Option<(Vec<u8>, Option<u32>)>> {
    DATA.with_borrow_mut(|data| loop {
        place(ADDRESS, key);
        // SAFETY: the import writes nothing but LENGTH and, within its capacity, the buffer.
        unsafe { read_entry() };
        let length = get(LENGTH);
        if length == ABSENT as usize {
            return Ok(None);
        }
        if length > data.len() {
            hold(data, length);
            continue;
        }
        let Some((head, entry)) = data[..length].split_at_checked(5) else {
            bail!("read_entry wrote {length} bytes");
        };
        let live_until = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
        return Ok(Some((entry.to_vec(), (head[4] == 1).then_some(live_until))));
    })
}

/// Returns the address of WORDS.
#[no_mangle]
pub extern "C" fn words() -> *const AtomicU32 {
    WORDS.as_ptr()
}

/// Makes the buffer hold at least so many bytes.
#[no_mangle]
pub extern "C" fn reserve(capacity: usize) {
    DATA.with_borrow_mut(|data| hold(data, capacity));
}

/// Runs OPERATION on the request in the buffer. The answer at ADDRESS stays until the next call.
#[no_mangle]
pub extern "C" fn call() {
    let request = DATA.with_borrow(|data| data[..get(LENGTH)].to_vec());
    let answer = STATE.with_borrow_mut(|state| answer(state, read, get(OPERATION) as u32, &request));
    place(ADDRESS, &answer);
    ANSWER.set(answer);
}
