//! What an instance keeps between calls: the network's settings and parsed modules.

use crate::{
    entries::{ReadEntry, Settings},
    message::{Configure, Ledger, RentSize},
    modules::Modules,
};
use anyhow::Result;
use serde_bytes::ByteBuf;
use soroban_env_host::{
    budget::Budget,
    xdr::{LedgerEntry, Limits, ReadXdr, WriteXdr},
    LedgerInfo, DEFAULT_XDR_RW_LIMITS,
};
use soroban_simulation::NetworkConfig;
use std::{collections::BTreeMap, rc::Rc};

pub struct State {
    pub(crate) config: NetworkConfig,
    pub(crate) modules: Modules,
    pub(crate) read_entry: ReadEntry,
}

impl State {
    /// Reads the settings; the error names the one that is missing.
    pub fn new(request: Configure, read_entry: ReadEntry) -> Result<Self> {
        let mut settings = BTreeMap::new();
        for encoded in &request.settings {
            let entry = LedgerEntry::from_xdr(encoded, DEFAULT_XDR_RW_LIMITS)?;
            settings.insert(entry.to_key(), Rc::new(entry));
        }
        Ok(State {
            config: NetworkConfig::load_from_snapshot(&Settings(settings))?,
            modules: Modules::new()?,
            read_entry,
        })
    }

    pub(crate) fn ledger_info(&self, ledger: &Ledger) -> Result<LedgerInfo> {
        let mut info = LedgerInfo {
            protocol_version: ledger.protocol_version,
            sequence_number: ledger.sequence,
            timestamp: ledger.timestamp,
            network_id: ledger.network_id.as_slice().try_into()?,
            base_reserve: ledger.base_reserve,
            ..Default::default()
        };
        self.config.fill_config_fields_in_ledger_info(&mut info);
        Ok(info)
    }

    pub(crate) fn rent_size_of(&mut self, entry: &[u8]) -> Result<u32> {
        let config = &self.config;
        self.modules
            .rent_size(entry, || transaction_budget(config, u64::MAX))
    }

    pub fn rent_size(&mut self, request: RentSize) -> Result<u32> {
        self.modules.make_room(1)?;
        self.rent_size_of(&request.entry)
    }
}

/// The budget of a transaction with its own limit of instructions.
pub(crate) fn transaction_budget(config: &NetworkConfig, instructions: u64) -> Result<Budget> {
    Ok(Budget::try_from_configs(
        instructions,
        u64::from(config.tx_memory_limit),
        config.cpu_cost_params.clone(),
        config.memory_cost_params.clone(),
    )?)
}

pub(crate) fn encode(value: &impl WriteXdr) -> Result<ByteBuf> {
    Ok(ByteBuf::from(value.to_xdr(Limits::none())?))
}

pub(crate) fn encode_all(values: &[impl WriteXdr]) -> Result<Vec<ByteBuf>> {
    values.iter().map(encode).collect()
}

pub(crate) fn decode_all<T: ReadXdr>(encoded: &[ByteBuf]) -> Result<Vec<T>> {
    encoded
        .iter()
        .map(|item| Ok(T::from_xdr(item, DEFAULT_XDR_RW_LIMITS)?))
        .collect()
}
