//! A vault with the ABI of v1 as it is often built: it panics where v1 returns a numbered error.
#![no_std]

use soroban_sdk::{
    contract, contractevent, contractimpl, contracttype, symbol_short, Address, Env, Symbol,
};

const META: Symbol = symbol_short!("meta");
const LEDGERS_PER_DAY: u32 = 17_280;

#[contracttype]
#[derive(Clone)]
pub struct VaultMeta {
    pub owner: Address,
    pub balance: i128,
    pub min_deposit: i128,
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
    pub fn init(
        env: Env,
        owner: Address,
        initial_balance: Option<i128>,
        min_deposit: Option<i128>,
    ) -> VaultMeta {
        require(!env.storage().instance().has(&META));
        owner.require_auth();
        let meta = VaultMeta {
            owner: owner.clone(),
            balance: initial_balance.unwrap_or(0),
            min_deposit: min_deposit.unwrap_or(0),
        };
        require(meta.balance >= 0 && meta.min_deposit >= 0);
        store(&env, &meta);
        let balance = meta.balance;
        InitEvent { owner, balance }.publish(&env);
        meta
    }

    pub fn get_meta(env: Env) -> VaultMeta {
        load(&env)
    }

    pub fn balance(env: Env) -> i128 {
        load(&env).balance
    }

    pub fn deposit(env: Env, amount: i128) -> i128 {
        let mut meta = load(&env);
        meta.owner.require_auth();
        require(amount > 0 && amount >= meta.min_deposit);
        meta.balance += amount;
        store(&env, &meta);
        let balance = meta.balance;
        DepositEvent { amount, balance }.publish(&env);
        balance
    }

    pub fn deduct(env: Env, caller: Address, amount: i128, request_id: Option<Symbol>) -> i128 {
        let mut meta = load(&env);
        caller.require_auth();
        require(caller == meta.owner);
        let balance = take(&env, &mut meta, amount);
        DeductEvent {
            caller,
            request_id: request_id.unwrap_or_else(|| Symbol::new(&env, "")),
            amount,
            balance,
        }
        .publish(&env);
        balance
    }

    pub fn withdraw(env: Env, amount: i128) -> i128 {
        let mut meta = load(&env);
        meta.owner.require_auth();
        let balance = take(&env, &mut meta, amount);
        WithdrawEvent {
            owner: meta.owner,
            amount,
            balance,
        }
        .publish(&env);
        balance
    }

    pub fn withdraw_to(env: Env, to: Address, amount: i128) -> i128 {
        let mut meta = load(&env);
        meta.owner.require_auth();
        let balance = take(&env, &mut meta, amount);
        WithdrawToEvent {
            owner: meta.owner,
            to,
            amount,
            balance,
        }
        .publish(&env);
        balance
    }
}

fn require(condition: bool) {
    if !condition {
        panic!();
    }
}

fn take(env: &Env, meta: &mut VaultMeta, amount: i128) -> i128 {
    require(amount > 0 && amount <= meta.balance);
    meta.balance -= amount;
    store(env, meta);
    meta.balance
}

fn load(env: &Env) -> VaultMeta {
    env.storage().instance().get(&META).unwrap()
}

fn store(env: &Env, meta: &VaultMeta) {
    let instance = env.storage().instance();
    instance.set(&META, meta);
    instance.extend_ttl(29 * LEDGERS_PER_DAY, 30 * LEDGERS_PER_DAY);
}
