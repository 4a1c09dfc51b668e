//! Fees in stroops.

use crate::{
    message::{Rent, Resources},
    state::State,
};
use soroban_env_host::fees::{
    compute_rent_fee, compute_transaction_resource_fee, LedgerEntryRentChange, TransactionResources,
};

impl State {
    /// What is charged in any case, and what is refunded where it is not used.
    pub fn resource_fee(&self, request: &Resources) -> (i64, i64) {
        compute_transaction_resource_fee(
            &TransactionResources {
                instructions: request.instructions,
                disk_read_entries: request.disk_read_entries,
                write_entries: request.write_entries,
                disk_read_bytes: request.disk_read_bytes,
                write_bytes: request.write_bytes,
                contract_events_size_bytes: request.event_bytes,
                transaction_size_bytes: request.transaction_bytes,
            },
            &self.config.fee_configuration,
        )
    }

    pub fn rent_fee(&self, request: &Rent) -> i64 {
        let changes: Vec<LedgerEntryRentChange> = request
            .changes
            .iter()
            .map(|change| LedgerEntryRentChange {
                is_persistent: change.is_persistent,
                is_code_entry: change.is_code,
                old_size_bytes: change.old_size,
                new_size_bytes: change.new_size,
                old_live_until_ledger: change.old_live_until,
                new_live_until_ledger: change.new_live_until,
            })
            .collect();
        compute_rent_fee(
            &changes,
            &self.config.rent_fee_configuration,
            request.ledger_sequence,
        )
    }
}
