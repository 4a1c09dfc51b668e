//! A prepaid vault for an API marketplace, version 1.
//!
//! The owner funds it, a backend deducts per metered request, the owner withdraws. The vault keeps
//! an internal balance and holds no tokens. Every method makes its checks in one order, and the
//! first that fails decides:
//!
//! initialised -> signature -> role -> arguments -> funds -> store -> extend TTL -> event
//!
//! The model in `src/callora_vault/model/vault.py` says the same in Python; `callora-vault parity`
//! shows that the two agree.
#![no_std]

use soroban_sdk::{
    contract, contracterror, contractevent, contractimpl, contractmeta, contracttype, symbol_short,
    Address, Env, Symbol,
};

contractmeta!(key = "layout", val = "v1");
contractmeta!(key = "version", val = "1.0.0");

/// Everything the vault stores, under this key of the instance storage.
const META: Symbol = symbol_short!("meta");

const LEDGERS_PER_DAY: u32 = 17_280;
/// Entries are prolonged to 30 days whenever 29 or fewer are left: a small sum every day.
const TTL_THRESHOLD: u32 = 29 * LEDGERS_PER_DAY;
const TTL_EXTEND_TO: u32 = 30 * LEDGERS_PER_DAY;

#[contracttype]
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VaultMeta {
    pub owner: Address,
    pub balance: i128,
    pub min_deposit: i128,
}

#[contracterror]
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
#[repr(u32)]
pub enum VaultError {
    AlreadyInitialized = 1,
    NotInitialized = 2,
    NegativeInitialBalance = 3,
    NegativeMinDeposit = 4,
    AmountNotPositive = 5,
    BelowMinDeposit = 6,
    InsufficientBalance = 7,
    BalanceOverflow = 8,
    Unauthorized = 9,
}

#[contractevent(topics = ["init"], data_format = "single-value")]
pub struct InitEvent {
    #[topic]
    pub owner: Address,
    pub balance: i128,
}

#[contractevent(topics = ["deposit"], data_format = "vec")]
pub struct DepositEvent {
    pub amount: i128,
    pub balance: i128,
}

/// `request_id` is the empty symbol where the caller gave none.
#[contractevent(topics = ["deduct"], data_format = "vec")]
pub struct DeductEvent {
    #[topic]
    pub caller: Address,
    #[topic]
    pub request_id: Symbol,
    pub amount: i128,
    pub balance: i128,
}

#[contractevent(topics = ["withdraw"], data_format = "vec")]
pub struct WithdrawEvent {
    #[topic]
    pub owner: Address,
    pub amount: i128,
    pub balance: i128,
}

#[contractevent(topics = ["withdraw_to"], data_format = "vec")]
pub struct WithdrawToEvent {
    #[topic]
    pub owner: Address,
    #[topic]
    pub to: Address,
    pub amount: i128,
    pub balance: i128,
}

#[contract]
pub struct Vault;

#[contractimpl]
impl Vault {
    /// Give the vault its owner, who signs. `None` stands for 0.
    pub fn init(
        env: Env,
        owner: Address,
        initial_balance: Option<i128>,
        min_deposit: Option<i128>,
    ) -> Result<VaultMeta, VaultError> {
        if env.storage().instance().has(&META) {
            return Err(VaultError::AlreadyInitialized);
        }
        owner.require_auth();
        let balance = initial_balance.unwrap_or(0);
        let min_deposit = min_deposit.unwrap_or(0);
        if balance < 0 {
            return Err(VaultError::NegativeInitialBalance);
        }
        if min_deposit < 0 {
            return Err(VaultError::NegativeMinDeposit);
        }
        let meta = VaultMeta {
            owner,
            balance,
            min_deposit,
        };
        store(&env, &meta);
        InitEvent {
            owner: meta.owner.clone(),
            balance,
        }
        .publish(&env);
        Ok(meta)
    }

    /// Read all that the vault stores.
    pub fn get_meta(env: Env) -> Result<VaultMeta, VaultError> {
        load(&env)
    }

    /// Read the balance.
    pub fn balance(env: Env) -> Result<i128, VaultError> {
        Ok(load(&env)?.balance)
    }

    /// Add `amount` to the balance; the owner signs. Returns the new balance.
    pub fn deposit(env: Env, amount: i128) -> Result<i128, VaultError> {
        let mut meta = load(&env)?;
        meta.owner.require_auth();
        if amount <= 0 {
            return Err(VaultError::AmountNotPositive);
        }
        if amount < meta.min_deposit {
            return Err(VaultError::BelowMinDeposit);
        }
        meta.balance = meta
            .balance
            .checked_add(amount)
            .ok_or(VaultError::BalanceOverflow)?;
        store(&env, &meta);
        DepositEvent {
            amount,
            balance: meta.balance,
        }
        .publish(&env);
        Ok(meta.balance)
    }

    /// Take `amount` for a metered request; `caller` signs and must be the owner. Returns the new
    /// balance.
    pub fn deduct(
        env: Env,
        caller: Address,
        amount: i128,
        request_id: Option<Symbol>,
    ) -> Result<i128, VaultError> {
        let mut meta = load(&env)?;
        caller.require_auth();
        if caller != meta.owner {
            return Err(VaultError::Unauthorized);
        }
        if amount <= 0 {
            return Err(VaultError::AmountNotPositive);
        }
        if amount > meta.balance {
            return Err(VaultError::InsufficientBalance);
        }
        meta.balance -= amount;
        store(&env, &meta);
        DeductEvent {
            caller,
            request_id: request_id.unwrap_or_else(|| Symbol::new(&env, "")),
            amount,
            balance: meta.balance,
        }
        .publish(&env);
        Ok(meta.balance)
    }

    /// Take `amount` out for the owner, who signs. Returns the new balance.
    pub fn withdraw(env: Env, amount: i128) -> Result<i128, VaultError> {
        let mut meta = load(&env)?;
        meta.owner.require_auth();
        if amount <= 0 {
            return Err(VaultError::AmountNotPositive);
        }
        if amount > meta.balance {
            return Err(VaultError::InsufficientBalance);
        }
        meta.balance -= amount;
        store(&env, &meta);
        WithdrawEvent {
            owner: meta.owner,
            amount,
            balance: meta.balance,
        }
        .publish(&env);
        Ok(meta.balance)
    }

    /// Take `amount` out in favour of `to`; the owner signs. Returns the new balance.
    pub fn withdraw_to(env: Env, to: Address, amount: i128) -> Result<i128, VaultError> {
        let mut meta = load(&env)?;
        meta.owner.require_auth();
        if amount <= 0 {
            return Err(VaultError::AmountNotPositive);
        }
        if amount > meta.balance {
            return Err(VaultError::InsufficientBalance);
        }
        meta.balance -= amount;
        store(&env, &meta);
        WithdrawToEvent {
            owner: meta.owner,
            to,
            amount,
            balance: meta.balance,
        }
        .publish(&env);
        Ok(meta.balance)
    }
}

fn load(env: &Env) -> Result<VaultMeta, VaultError> {
    env.storage()
        .instance()
        .get(&META)
        .ok_or(VaultError::NotInitialized)
}

/// Write the vault's state and prolong the lives of instance and code.
fn store(env: &Env, meta: &VaultMeta) {
    let instance = env.storage().instance();
    instance.set(&META, meta);
    instance.extend_ttl(TTL_THRESHOLD, TTL_EXTEND_TO);
}
