//! What a Soroban network has to get right, one method each: storage of three durabilities,
//! authorisation, failures, events, resources, the ledger's clock, random numbers.
#![no_std]

use soroban_sdk::{
    contract, contractclient, contractevent, contractimpl, contracttype, Address, Bytes, BytesN,
    Env, Error, Symbol,
};

#[contracttype]
#[derive(Clone, Copy)]
#[repr(u32)]
pub enum Kind {
    Temporary = 0,
    Persistent = 1,
    Instance = 2,
}

#[contractevent(topics = ["filled"], data_format = "single-value")]
pub struct Filled {
    #[topic]
    pub index: u32,
    pub data: Bytes,
}

#[contractclient(name = "ApprovalClient")]
pub trait Approval {
    fn approve(env: Env, who: Address, amount: u64) -> u64;
}

#[contract]
pub struct TestContract;

#[contractimpl]
impl TestContract {
    /// Add to a counter; a new one starts at 0. Overflow panics. Returns the sum.
    pub fn add(env: Env, kind: Kind, name: Symbol, amount: u64) -> u64 {
        let sum = read(&env, kind, &name).unwrap_or(0) + amount;
        let storage = env.storage();
        match kind {
            Kind::Temporary => storage.temporary().set(&name, &sum),
            Kind::Persistent => storage.persistent().set(&name, &sum),
            Kind::Instance => storage.instance().set(&name, &sum),
        }
        sum
    }

    pub fn get(env: Env, kind: Kind, name: Symbol) -> Option<u64> {
        read(&env, kind, &name)
    }

    pub fn remove(env: Env, kind: Kind, name: Symbol) {
        let storage = env.storage();
        match kind {
            Kind::Temporary => storage.temporary().remove(&name),
            Kind::Persistent => storage.persistent().remove(&name),
            Kind::Instance => storage.instance().remove(&name),
        }
    }

    pub fn extend(env: Env, kind: Kind, name: Symbol, threshold: u32, extend_to: u32) {
        let storage = env.storage();
        match kind {
            Kind::Temporary => storage.temporary().extend_ttl(&name, threshold, extend_to),
            Kind::Persistent => storage.persistent().extend_ttl(&name, threshold, extend_to),
            Kind::Instance => storage.instance().extend_ttl(threshold, extend_to),
        }
    }

    /// Store `size` bytes in a persistent entry.
    pub fn store(env: Env, name: Symbol, size: u32) {
        env.storage().persistent().set(&name, &zeros(&env, size));
    }

    pub fn approve(_env: Env, who: Address, amount: u64) -> u64 {
        who.require_auth();
        amount
    }

    pub fn approve_both(_env: Env, first: Address, second: Address) {
        first.require_auth();
        second.require_auth();
    }

    /// Have `who` approve here, and then in `contract`.
    pub fn relay(env: Env, contract: Address, who: Address, amount: u64) -> u64 {
        who.require_auth();
        ApprovalClient::new(&env, &contract).approve(&who, &amount)
    }

    pub fn trap(_env: Env) {
        panic!()
    }

    pub fn fail(_env: Env, code: u32) -> Result<(), Error> {
        Err(Error::from_contract_error(code))
    }

    /// Count in persistent storage, emit an event, and then fail.
    pub fn fail_late(env: Env, name: Symbol) -> Result<(), Error> {
        Self::add(env.clone(), Kind::Persistent, name, 1);
        Self::emit(env, 1, 1);
        Err(Error::from_contract_error(1))
    }

    pub fn emit(env: Env, count: u32, size: u32) {
        let data = zeros(&env, size);
        for index in 0..count {
            Filled {
                index,
                data: data.clone(),
            }
            .publish(&env);
        }
    }

    /// Hash again and again.
    pub fn burn(env: Env, rounds: u32) -> Bytes {
        let mut data = zeros(&env, 32);
        for _ in 0..rounds {
            data = env.crypto().sha256(&data).into();
        }
        data
    }

    /// Double a kilobyte again and again; the host's memory keeps every step.
    pub fn allocate(env: Env, doublings: u32) {
        let mut data = zeros(&env, 1024);
        for _ in 0..doublings {
            data.append(&data.clone());
        }
    }

    pub fn give(env: Env, size: u32) -> Bytes {
        zeros(&env, size)
    }

    pub fn clock(env: Env) -> (u32, u64) {
        (env.ledger().sequence(), env.ledger().timestamp())
    }

    pub fn random(env: Env) -> u64 {
        env.prng().gen()
    }

    /// Create a contract at an address derived from this one's.
    pub fn create(env: Env, wasm_hash: BytesN<32>, salt: BytesN<32>) -> Address {
        env.deployer()
            .with_current_contract(salt)
            .deploy_v2(wasm_hash, ())
    }
}

fn read(env: &Env, kind: Kind, name: &Symbol) -> Option<u64> {
    let storage = env.storage();
    match kind {
        Kind::Temporary => storage.temporary().get(name),
        Kind::Persistent => storage.persistent().get(name),
        Kind::Instance => storage.instance().get(name),
    }
}

fn zeros(env: &Env, size: u32) -> Bytes {
    let kilobyte = [0; 1024];
    let mut data = Bytes::new(env);
    let mut left = size;
    while left > 0 {
        let part = left.min(1024);
        data.extend_from_slice(&kilobyte[..part as usize]);
        left -= part;
    }
    data
}
