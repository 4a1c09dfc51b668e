//! Requests and answers: msgpack arrays, in the order in which `host.py` declares the fields.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

#[derive(Deserialize)]
pub struct Ledger {
    pub protocol_version: u32,
    pub sequence: u32,
    pub timestamp: u64,
    pub network_id: ByteBuf,
    pub base_reserve: u32,
}

#[derive(Deserialize)]
pub struct Configure {
    pub settings: Vec<ByteBuf>,
}

#[derive(Deserialize)]
pub struct Invoke {
    pub ledger: Ledger,
    pub instruction_limit: u32,
    pub resources: ByteBuf,
    pub restored: Vec<u32>,
    pub host_function: ByteBuf,
    pub source_account: ByteBuf,
    pub auth: Vec<ByteBuf>,
    pub entries: Vec<(Option<ByteBuf>, Option<u32>)>,
    pub prng_seed: ByteBuf,
    pub diagnostics: bool,
}

#[derive(Serialize)]
pub struct TtlChange {
    pub key_hash: ByteBuf,
    pub durability: i32,
    pub entry_type: i32,
    pub old_live_until: u32,
    pub new_live_until: u32,
}

#[derive(Serialize)]
pub struct Change {
    pub read_only: bool,
    pub key: ByteBuf,
    pub old_size_for_rent: u32,
    pub new_value: Option<ByteBuf>,
    pub new_size_for_rent: u32,
    pub ttl: Option<TtlChange>,
}

#[derive(Serialize, Default)]
pub struct Invoked {
    pub value: Option<ByteBuf>,
    pub error: Option<(i32, u32)>,
    pub changes: Vec<Change>,
    pub events: Vec<ByteBuf>,
    pub diagnostics: Vec<ByteBuf>,
    pub instructions: u64,
    pub memory: u64,
    pub rent_fee: i64,
}

#[derive(Deserialize)]
pub struct Simulate {
    pub ledger: Ledger,
    pub host_function: ByteBuf,
    pub source_account: ByteBuf,
    pub auth: Vec<ByteBuf>,
    pub mode: u8,
    pub address_v2: bool,
    pub prng_seed: ByteBuf,
    pub instruction_leeway: u32,
    pub entries: Vec<(ByteBuf, Option<u32>)>,
}

#[derive(Serialize)]
pub struct Modified {
    pub key: ByteBuf,
    pub before: Option<ByteBuf>,
    pub after: Option<ByteBuf>,
}

#[derive(Serialize, Default)]
pub struct Simulated {
    pub error: Option<String>,
    pub value: Option<ByteBuf>,
    pub auth: Vec<ByteBuf>,
    pub events: Vec<ByteBuf>,
    pub diagnostics: Vec<ByteBuf>,
    pub transaction_data: Option<ByteBuf>,
    pub min_resource_fee: i64,
    pub instructions: u64,
    pub memory: u64,
    pub modified: Vec<Modified>,
}

#[derive(Serialize)]
pub struct SimulatedFootprint {
    pub transaction_data: ByteBuf,
    pub min_resource_fee: i64,
    pub restore: Option<(ByteBuf, i64)>,
}

#[derive(Deserialize)]
pub struct SimulateFootprint {
    pub ledger: Ledger,
    pub keys: Vec<ByteBuf>,
    pub extend_to: u32,
}

#[derive(Deserialize)]
pub struct Resources {
    pub instructions: u32,
    pub disk_read_entries: u32,
    pub write_entries: u32,
    pub disk_read_bytes: u32,
    pub write_bytes: u32,
    pub event_bytes: u32,
    pub transaction_bytes: u32,
}

#[derive(Deserialize)]
pub struct RentChange {
    pub is_persistent: bool,
    pub is_code: bool,
    pub old_size: u32,
    pub new_size: u32,
    pub old_live_until: u32,
    pub new_live_until: u32,
}

#[derive(Deserialize)]
pub struct Rent {
    pub changes: Vec<RentChange>,
    pub ledger_sequence: u32,
}

#[derive(Deserialize)]
pub struct RentSize {
    pub entry: ByteBuf,
}
