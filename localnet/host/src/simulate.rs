//! Simulations, with the adjustments and the texts of stellar-rpc.

use crate::{
    entries::Entries,
    message::{Modified, Simulate, SimulateFootprint, Simulated, SimulatedFootprint},
    state::{decode_all, encode, encode_all, State},
};
use anyhow::{bail, Result};
use serde_bytes::ByteBuf;
use soroban_env_host::{
    e2e_invoke::RecordingInvocationAuthMode,
    xdr::{AccountId, HostFunction, ReadXdr, SorobanTransactionData},
    DEFAULT_XDR_RW_LIMITS,
};
use soroban_simulation::{
    simulation::{
        simulate_extend_ttl_op, simulate_invoke_host_function_op, simulate_restore_op,
        LedgerEntryDiff, SimulationAdjustmentConfig,
    },
    AutoRestoringSnapshotSource,
};
use std::rc::Rc;

fn auth_mode(request: &Simulate) -> Result<RecordingInvocationAuthMode> {
    Ok(match request.mode {
        0 => RecordingInvocationAuthMode::recording(true, request.address_v2),
        1 => RecordingInvocationAuthMode::recording(false, request.address_v2),
        2 => RecordingInvocationAuthMode::Enforcing(decode_all(&request.auth)?),
        other => bail!("authorisation mode {other}"),
    })
}

fn modified(diff: &LedgerEntryDiff) -> Result<Option<Modified>> {
    let Some(entry) = diff.state_before.as_ref().or(diff.state_after.as_ref()) else {
        return Ok(None);
    };
    Ok(Some(Modified {
        key: encode(&entry.to_key())?,
        before: diff.state_before.as_ref().map(encode).transpose()?,
        after: diff.state_after.as_ref().map(encode).transpose()?,
    }))
}

fn priced(data: &SorobanTransactionData) -> Result<(ByteBuf, i64)> {
    Ok((encode(data)?, data.resource_fee))
}

impl State {
    pub fn simulate(&self, request: Simulate) -> Result<Simulated> {
        let mut adjustment = SimulationAdjustmentConfig::default_adjustment();
        let leeway = &mut adjustment.instructions.additive_factor;
        *leeway = request.instruction_leeway.max(*leeway);
        let entries = Entries::new(self.read_entry);
        for (entry, live_until) in &request.entries {
            entries.add(entry, *live_until)?;
        }
        let simulated = simulate_invoke_host_function_op(
            Rc::new(entries),
            &self.config,
            &adjustment,
            &self.ledger_info(&request.ledger)?,
            HostFunction::from_xdr(&request.host_function, DEFAULT_XDR_RW_LIMITS)?,
            auth_mode(&request)?,
            &AccountId::from_xdr(&request.source_account, DEFAULT_XDR_RW_LIMITS)?,
            request.prng_seed.as_slice().try_into()?,
            true,
        )?;
        let mut answer = Simulated {
            auth: encode_all(&simulated.auth)?,
            events: encode_all(&simulated.contract_events)?,
            diagnostics: encode_all(&simulated.diagnostic_events)?,
            instructions: u64::from(simulated.simulated_instructions),
            memory: u64::from(simulated.simulated_memory),
            ..Default::default()
        };
        match &simulated.invoke_result {
            Ok(value) => answer.value = Some(encode(value)?),
            Err(error) => answer.error = Some(error.to_string()),
        }
        if let Some(data) = &simulated.transaction_data {
            let (data, fee) = priced(data)?;
            answer.transaction_data = Some(data);
            answer.min_resource_fee = fee;
        }
        for diff in &simulated.modified_entries {
            answer.modified.extend(modified(diff)?);
        }
        Ok(answer)
    }

    /// Extends what is live; where archived entries are among the keys, says what restores them.
    pub fn simulate_extend(&self, request: SimulateFootprint) -> Result<SimulatedFootprint> {
        let info = self.ledger_info(&request.ledger)?;
        let adjustment = SimulationAdjustmentConfig::default_adjustment();
        let entries = Rc::new(Entries::new(self.read_entry));
        let source = AutoRestoringSnapshotSource::new(entries, &info)?;
        let extended = simulate_extend_ttl_op(
            &source,
            &self.config,
            &adjustment,
            &info,
            &decode_all(&request.keys)?,
            request.extend_to,
        )?;
        let restored = source.simulate_restore_keys_op(&self.config, &adjustment, &info)?;
        let (transaction_data, min_resource_fee) = priced(&extended.transaction_data)?;
        Ok(SimulatedFootprint {
            transaction_data,
            min_resource_fee,
            restore: restored
                .map(|restored| priced(&restored.transaction_data))
                .transpose()?,
        })
    }

    pub fn simulate_restore(&self, request: SimulateFootprint) -> Result<SimulatedFootprint> {
        let restored = simulate_restore_op(
            &Entries::new(self.read_entry),
            &self.config,
            &SimulationAdjustmentConfig::default_adjustment(),
            &self.ledger_info(&request.ledger)?,
            &decode_all(&request.keys)?,
        )?;
        let (transaction_data, min_resource_fee) = priced(&restored.transaction_data)?;
        Ok(SimulatedFootprint {
            transaction_data,
            min_resource_fee,
            restore: None,
        })
    }
}
