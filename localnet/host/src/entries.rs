//! Where simulations read ledger entries.

use anyhow::Result;
use soroban_env_host::{
    storage::{EntryWithLiveUntil, SnapshotSource},
    xdr::{LedgerEntry, LedgerKey, Limits, ReadXdr, ScErrorCode, ScErrorType, WriteXdr},
    HostError, DEFAULT_XDR_RW_LIMITS,
};
use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

/// Asks the embedder: LedgerKey XDR -> LedgerEntry XDR and the last ledger of its life.
pub type ReadEntry = fn(&[u8]) -> Result<Option<(Vec<u8>, Option<u32>)>>;

/// Entries as the embedder has them, each asked for once in the life of this value.
pub struct Entries {
    read: ReadEntry,
    known: RefCell<BTreeMap<Rc<LedgerKey>, Option<EntryWithLiveUntil>>>,
}

impl Entries {
    pub fn new(read: ReadEntry) -> Self {
        Entries {
            read,
            known: RefCell::default(),
        }
    }

    /// Adds an entry that then needs no asking.
    pub fn add(&self, entry: &[u8], live_until: Option<u32>) -> Result<()> {
        let entry = LedgerEntry::from_xdr(entry, DEFAULT_XDR_RW_LIMITS)?;
        self.known
            .borrow_mut()
            .insert(Rc::new(entry.to_key()), Some((Rc::new(entry), live_until)));
        Ok(())
    }

    fn ask(&self, key: &LedgerKey) -> Result<Option<EntryWithLiveUntil>> {
        let Some((entry, live_until)) = (self.read)(&key.to_xdr(Limits::none())?)? else {
            return Ok(None);
        };
        let entry = LedgerEntry::from_xdr(entry, DEFAULT_XDR_RW_LIMITS)?;
        Ok(Some((Rc::new(entry), live_until)))
    }
}

impl SnapshotSource for Entries {
    fn get(&self, key: &Rc<LedgerKey>) -> Result<Option<EntryWithLiveUntil>, HostError> {
        if let Some(entry) = self.known.borrow().get(key) {
            return Ok(entry.clone());
        }
        let entry = self
            .ask(key)
            .map_err(|_| HostError::from((ScErrorType::Storage, ScErrorCode::InternalError)))?;
        self.known.borrow_mut().insert(key.clone(), entry.clone());
        Ok(entry)
    }
}

/// The network's settings, as `NetworkConfig` reads them.
pub struct Settings(pub BTreeMap<LedgerKey, Rc<LedgerEntry>>);

impl SnapshotSource for Settings {
    fn get(&self, key: &Rc<LedgerKey>) -> Result<Option<EntryWithLiveUntil>, HostError> {
        Ok(self.0.get(key.as_ref()).map(|entry| (entry.clone(), None)))
    }
}
