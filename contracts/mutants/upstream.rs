//! A vault with the ABI of v1 and rules of its own, as vaults that were built elsewhere have them:
//! `deposit` asks for no signature, whoever signs may `deduct`, and no amount is looked at but by
//! `withdraw`. A deduct of a negative amount creates balance. Refusals are panics.
#![no_std]

use soroban_sdk::{
    contract, contractevent, contractimpl, contracttype, symbol_short, Address, Env, Symbol,
};

const META: Symbol = symbol_short!("meta");

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
        owner.require_auth();
        require(!env.storage().instance().has(&META));
        let balance = initial_balance.unwrap_or(0);
        let meta = VaultMeta {
            owner: owner.clone(),
            balance,
            min_deposit: min_deposit.unwrap_or(0),
        };
        store(&env, &meta);
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
        require(amount >= meta.min_deposit);
        meta.balance += amount;
        store(&env, &meta);
        let balance = meta.balance;
        DepositEvent { amount, balance }.publish(&env);
        balance
    }

    pub fn deduct(env: Env, caller: Address, amount: i128, request_id: Option<Symbol>) -> i128 {
        caller.require_auth();
        let mut meta = load(&env);
        require(amount <= meta.balance);
        meta.balance -= amount;
        store(&env, &meta);
        let balance = meta.balance;
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
        require(amount > 0 && amount <= meta.balance);
        meta.balance -= amount;
        store(&env, &meta);
        let balance = meta.balance;
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
        require(amount > 0 && amount <= meta.balance);
        meta.balance -= amount;
        store(&env, &meta);
        let balance = meta.balance;
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

fn load(env: &Env) -> VaultMeta {
    env.storage().instance().get(&META).unwrap()
}

fn store(env: &Env, meta: &VaultMeta) {
    env.storage().instance().set(&META, meta);
}
