//! A host function against its footprint, as stellar-core runs it.

use crate::{
    message::{Change, Invoke, Invoked, TtlChange},
    state::{encode_all, transaction_budget, State},
};
use anyhow::Result;
use serde_bytes::ByteBuf;
use soroban_env_host::{
    e2e_invoke::{
        extract_rent_changes, invoke_host_function, LedgerEntryChange, TtlLedgerEntryMeta,
    },
    fees::compute_rent_fee,
    xdr::{ScError, ScErrorCode},
    HostError,
};

fn change(change: LedgerEntryChange) -> Change {
    Change {
        read_only: change.read_only,
        key: ByteBuf::from(change.encoded_key),
        old_size_for_rent: change.old_entry_size_bytes_for_rent,
        new_value: change.encoded_new_value.map(ByteBuf::from),
        new_size_for_rent: change.new_entry_size_bytes_for_rent,
        ttl: change.ttl_change.map(|ttl| TtlChange {
            key_hash: ByteBuf::from(ttl.key_hash),
            durability: ttl.durability as i32,
            entry_type: ttl.entry_type as i32,
            old_live_until: ttl.old_live_until_ledger,
            new_live_until: ttl.new_live_until_ledger,
        }),
    }
}

/// The error's ScErrorType and its code, which is the contract's own for contract errors.
fn error_code(error: &HostError) -> (i32, u32) {
    let error = ScError::try_from(error).unwrap_or(ScError::Context(ScErrorCode::InternalError));
    let code = match &error {
        ScError::Contract(code) => *code,
        ScError::WasmVm(code)
        | ScError::Context(code)
        | ScError::Storage(code)
        | ScError::Object(code)
        | ScError::Crypto(code)
        | ScError::Events(code)
        | ScError::Budget(code)
        | ScError::Value(code)
        | ScError::Auth(code) => *code as u32,
    };
    (error.discriminant() as i32, code)
}

impl Invoked {
    fn failed(mut self, error: &HostError) -> Self {
        self.error = Some(error_code(error));
        self
    }
}

impl State {
    pub fn invoke(&mut self, request: Invoke) -> Result<Invoked> {
        let info = self.ledger_info(&request.ledger)?;
        let sequence = info.sequence_number;
        self.modules.make_room(request.entries.len())?;
        let mut entries = Vec::with_capacity(request.entries.len());
        for (entry, live_until) in request.entries {
            let meta = match (&entry, live_until) {
                (Some(encoded), Some(live_until_ledger)) => Some(TtlLedgerEntryMeta {
                    live_until_ledger,
                    entry_size_for_rent: self.rent_size_of(encoded)?,
                }),
                _ => None,
            };
            entries.push((entry, meta));
        }
        let budget = transaction_budget(&self.config, u64::from(request.instruction_limit))?;
        let mut diagnostics = vec![];
        let outcome = invoke_host_function(
            &budget,
            request.diagnostics,
            request.host_function,
            request.resources,
            &request.restored,
            request.source_account,
            request.auth.into_iter(),
            info,
            entries.into_iter(),
            request.prng_seed,
            &mut diagnostics,
            None,
            Some(self.modules.cache()),
        );
        let mut answer = Invoked {
            diagnostics: encode_all(&diagnostics)?,
            instructions: budget.get_cpu_insns_consumed()?,
            memory: budget.get_mem_bytes_consumed()?,
            ..Default::default()
        };
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(error) => return Ok(answer.failed(&error)),
        };
        match outcome.encoded_invoke_result {
            Ok(value) => answer.value = Some(ByteBuf::from(value)),
            Err(error) => return Ok(answer.failed(&error)),
        }
        answer.rent_fee = compute_rent_fee(
            &extract_rent_changes(&outcome.ledger_changes),
            &self.config.rent_fee_configuration,
            sequence,
        );
        answer.events = outcome
            .encoded_contract_events
            .into_iter()
            .map(ByteBuf::from)
            .collect();
        answer.changes = outcome.ledger_changes.into_iter().map(change).collect();
        Ok(answer)
    }
}
