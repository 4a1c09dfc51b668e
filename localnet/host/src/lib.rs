//! A thin shell around stellar's Soroban host: one msgpack message in, one out.
//!
//! `call` takes the number of an operation and a request, and returns the answer: a msgpack array
//! `[ok, value]`, where `value` is a text when `ok` is false.

mod entries;
mod fees;
mod invoke;
mod message;
mod modules;
mod simulate;
mod state;
#[cfg(target_family = "wasm")]
mod wasm;

use anyhow::{anyhow, bail, Result};
pub use entries::ReadEntry;
use serde::{de::DeserializeOwned, Serialize};
pub use state::State;

/// The protocol that this host runs.
pub const PROTOCOL: u32 = soroban_env_host::meta::INTERFACE_VERSION.protocol;

pub const CONFIGURE: u32 = 0;
pub const INVOKE: u32 = 1;
pub const SIMULATE: u32 = 2;
pub const SIMULATE_EXTEND: u32 = 3;
pub const SIMULATE_RESTORE: u32 = 4;
pub const RESOURCE_FEE: u32 = 5;
pub const RENT_FEE: u32 = 6;
pub const RENT_SIZE: u32 = 7;

fn decode<T: DeserializeOwned>(request: &[u8]) -> Result<T> {
    Ok(rmp_serde::from_slice(request)?)
}

fn encode(value: &impl Serialize) -> Result<Vec<u8>> {
    Ok(rmp_serde::to_vec(&(true, value))?)
}

fn dispatch(
    state: &mut Option<State>,
    read_entry: ReadEntry,
    operation: u32,
    request: &[u8],
) -> Result<Vec<u8>> {
    if operation == CONFIGURE {
        *state = Some(State::new(decode(request)?, read_entry)?);
        return encode(&());
    }
    let state = state.as_mut().ok_or_else(|| anyhow!("not configured"))?;
    match operation {
        INVOKE => encode(&state.invoke(decode(request)?)?),
        SIMULATE => encode(&state.simulate(decode(request)?)?),
        SIMULATE_EXTEND => encode(&state.simulate_extend(decode(request)?)?),
        SIMULATE_RESTORE => encode(&state.simulate_restore(decode(request)?)?),
        RESOURCE_FEE => encode(&state.resource_fee(&decode(request)?)),
        RENT_FEE => encode(&state.rent_fee(&decode(request)?)),
        RENT_SIZE => encode(&state.rent_size(decode(request)?)?),
        other => bail!("no operation {other}"),
    }
}

/// Runs one operation; never fails: an error is an answer.
pub fn answer(
    state: &mut Option<State>,
    read_entry: ReadEntry,
    operation: u32,
    request: &[u8],
) -> Vec<u8> {
    dispatch(state, read_entry, operation, request).unwrap_or_else(|error| {
        rmp_serde::to_vec(&(false, format!("{error:?}"))).unwrap_or_default()
    })
}
