//! Parsed contract code, kept between invocations, and the size that rent is paid for.

use anyhow::Result;
use soroban_env_host::{
    budget::{AsBudget, Budget},
    e2e_invoke::entry_size_for_rent,
    xdr::{ContractCostParams, LedgerEntry, LedgerEntryData, ReadXdr},
    CompilationContext, Error, ErrorHandler, HostError, ModuleCache, Val, DEFAULT_XDR_RW_LIMITS,
};
use std::collections::HashMap;

/// The cache starts anew rather than hold more contracts than this.
const MAX_MODULES: usize = 256;

/// Where the type of a LedgerEntry is, behind lastModifiedLedgerSeq, and that of contract code.
const ENTRY_TYPE: std::ops::Range<usize> = 4..8;
const CONTRACT_CODE: [u8; 4] = [0, 0, 0, 7];

/// Parses without charge, as the network does outside of transactions.
#[derive(Clone)]
struct Unmetered(Budget);

impl Unmetered {
    fn new() -> Result<Self> {
        let free = || ContractCostParams(Default::default());
        let budget = Budget::try_from_configs(u64::MAX, u64::MAX, free(), free())?;
        Ok(Unmetered(budget))
    }
}

impl CompilationContext for Unmetered {}

impl AsBudget for Unmetered {
    fn as_budget(&self) -> &Budget {
        &self.0
    }
}

impl ErrorHandler for Unmetered {
    fn map_err<T, E>(&self, result: Result<T, E>) -> Result<T, HostError>
    where
        Error: From<E>,
        E: core::fmt::Debug,
    {
        result.map_err(HostError::from)
    }

    fn error(&self, error: Error, _message: &str, _arguments: &[Val]) -> HostError {
        HostError::from(error)
    }
}

pub struct Modules {
    cache: ModuleCache,
    /// By hash and length of the entry: the same code may be stored with and without cost inputs.
    rent_sizes: HashMap<([u8; 32], usize), u32>,
}

impl Modules {
    pub fn new() -> Result<Self> {
        Ok(Modules {
            cache: ModuleCache::new(&Unmetered::new()?)?,
            rent_sizes: HashMap::new(),
        })
    }

    /// A handle to the cache; what is parsed later is seen through it too.
    pub fn cache(&self) -> ModuleCache {
        self.cache.clone()
    }

    /// Makes room for so many contracts. Not while entries of one footprint come in: a contract
    /// that lost its place would be charged for parsing.
    pub fn make_room(&mut self, contracts: usize) -> Result<()> {
        if self.rent_sizes.len() + contracts > MAX_MODULES {
            *self = Modules::new()?;
        }
        Ok(())
    }

    /// Sizes a LedgerEntry for rent; parses it into the cache where it is contract code.
    pub fn rent_size(
        &mut self,
        encoded: &[u8],
        budget: impl FnOnce() -> Result<Budget>,
    ) -> Result<u32> {
        let size = u32::try_from(encoded.len())?;
        if encoded.get(ENTRY_TYPE) != Some(&CONTRACT_CODE) {
            return Ok(size);
        }
        let entry = LedgerEntry::from_xdr(encoded, DEFAULT_XDR_RW_LIMITS)?;
        let LedgerEntryData::ContractCode(code) = &entry.data else {
            return Ok(size);
        };
        let known = (code.hash.0, encoded.len());
        if let Some(size) = self.rent_sizes.get(&known) {
            return Ok(*size);
        }
        // Code that does not parse stays out: its invocation fails as it does on the network.
        let _ = self.cache.parse_and_cache_module_simple(
            &Unmetered::new()?,
            crate::PROTOCOL,
            code.code.as_slice(),
        );
        let size = entry_size_for_rent(&budget()?, &entry, size)?;
        self.rent_sizes.insert(known, size);
        Ok(size)
    }
}
