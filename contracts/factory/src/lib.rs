//! Deploys vaults, and moves a vault to new code.
//!
//! A vault has no upgrade function. `migrate` deploys a new instance and carries the owner, the
//! balance, the minimum deposit and the authorised caller over, in one transaction under one
//! signature: there is no ledger in which both vaults hold the balance, or neither. The factory has
//! no owner, keeps no funds, and decides nothing but what its arguments say. Every method makes its
//! checks in the order in which they stand, and the first that fails decides; whatever is refused
//! changes nothing.
//!
//! What a vault itself refuses, such as a `withdraw` that its code does not have, ends the whole
//! call with a failure of the host and no number of the factory's.
//!
//! The model in `src/callora_vault/model/factory.py` says the same in Python.
#![no_std]

use soroban_sdk::{
    contract, contractclient, contracterror, contractevent, contractimpl, contractmeta,
    contracttype, symbol_short, xdr::ToXdr, Address, Bytes, BytesN, Env, Executable, Map, Symbol,
    TryFromVal, Val,
};

contractmeta!(key = "version", val = "1.0.0");

const LEDGERS_PER_DAY: u32 = 17_280;
/// Entries are prolonged to 30 days whenever 29 or fewer are left, as those of vaults are.
const TTL_THRESHOLD: u32 = 29 * LEDGERS_PER_DAY;
const TTL_EXTEND_TO: u32 = 30 * LEDGERS_PER_DAY;

/// What the factory calls of a vault.
#[contractclient(name = "VaultClient")]
pub trait Vault {
    fn init(
        env: Env,
        owner: Address,
        initial_balance: Option<i128>,
        min_deposit: Option<i128>,
    ) -> Fields;
    fn get_meta(env: Env) -> Fields;
    fn balance(env: Env) -> i128;
    fn withdraw(env: Env, amount: i128) -> i128;
    fn set_authorized_caller(env: Env, caller: Option<Address>);
}

/// What a vault stores, by name: a typed struct would trap on every layout but its own.
type Fields = Map<Symbol, Val>;

#[contracttype]
pub enum Key {
    /// Persistent: the vault that a vault was migrated to.
    Successor(Address),
}

#[contracterror]
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
#[repr(u32)]
pub enum FactoryError {
    AlreadyMigrated = 101,
    CodeChanged = 102,
    UnknownLayout = 103,
    NegativeBalance = 104,
    NegativeMinDeposit = 105,
    NotDrained = 106,
    AddressTaken = 107,
    AuthorizedCallerUnsupported = 108,
}

#[contractevent(topics = ["create"], data_format = "single-value")]
pub struct CreateEvent {
    #[topic]
    pub owner: Address,
    pub vault: Address,
}

#[contractevent(topics = ["migrate"], data_format = "vec")]
pub struct MigrateEvent {
    #[topic]
    pub owner: Address,
    #[topic]
    pub old: Address,
    pub new: Address,
    pub amount: i128,
}

#[contract]
pub struct Factory;

#[contractimpl]
impl Factory {
    /// Deploy a vault of the code `wasm_hash` and give it its owner, who signs, in one step: no
    /// stranger can `init` it first. `None` stands for 0. Returns the vault.
    pub fn create(
        env: Env,
        owner: Address,
        wasm_hash: BytesN<32>,
        salt: BytesN<32>,
        initial_balance: Option<i128>,
        min_deposit: Option<i128>,
    ) -> Result<Address, FactoryError> {
        owner.require_auth();
        check_amounts(initial_balance.unwrap_or(0), min_deposit.unwrap_or(0))?;
        let vault = deploy(&env, &owner, wasm_hash, salt)?;
        VaultClient::new(&env, &vault).init(&owner, &initial_balance, &min_deposit);
        extend(&env, &vault);
        CreateEvent {
            owner,
            vault: vault.clone(),
        }
        .publish(&env);
        Ok(vault)
    }

    /// Move everything of the vault `old`, whose code is `old_wasm_hash`, to a new vault of the code
    /// `wasm_hash`; the owner of `old` signs this call and what it calls in turn. Returns the new
    /// vault.
    pub fn migrate(
        env: Env,
        old: Address,
        old_wasm_hash: BytesN<32>,
        wasm_hash: BytesN<32>,
        salt: BytesN<32>,
    ) -> Result<Address, FactoryError> {
        let successor = Key::Successor(old.clone());
        if env.storage().persistent().has(&successor) {
            return Err(FactoryError::AlreadyMigrated);
        }
        if old.executable() != Some(Executable::Wasm(old_wasm_hash)) {
            return Err(FactoryError::CodeChanged);
        }
        let drained = VaultClient::new(&env, &old);
        let meta = read(&env, &drained).ok_or(FactoryError::UnknownLayout)?;
        meta.owner.require_auth();
        check_amounts(meta.balance, meta.min_deposit)?;
        if meta.balance > 0 {
            drained.withdraw(&meta.balance);
        }
        if drained.balance() != 0 {
            return Err(FactoryError::NotDrained);
        }
        let new = deploy(&env, &meta.owner, wasm_hash, salt)?;
        let funded = VaultClient::new(&env, &new);
        let fields = funded.init(&meta.owner, &Some(meta.balance), &Some(meta.min_deposit));
        if meta.authorized_caller.is_some() {
            if !fields.contains_key(Symbol::new(&env, AUTHORIZED_CALLER)) {
                return Err(FactoryError::AuthorizedCallerUnsupported);
            }
            funded.set_authorized_caller(&meta.authorized_caller);
        }
        env.storage().persistent().set(&successor, &new);
        env.storage()
            .persistent()
            .extend_ttl(&successor, TTL_THRESHOLD, TTL_EXTEND_TO);
        extend(&env, &new);
        MigrateEvent {
            owner: meta.owner,
            old,
            new: new.clone(),
            amount: meta.balance,
        }
        .publish(&env);
        Ok(new)
    }

    /// Read which vault `old` was migrated to, if any.
    pub fn successor(env: Env, old: Address) -> Option<Address> {
        env.storage().persistent().get(&Key::Successor(old))
    }
}

/// What is carried from one vault to another.
struct Meta {
    owner: Address,
    balance: i128,
    min_deposit: i128,
    authorized_caller: Option<Address>,
}

const AUTHORIZED_CALLER: &str = "authorized_caller";

/// Read what a vault says that it stores; None unless it is just the fields of one of the layouts:
/// v0 has two, v1 adds the minimum deposit, v2 the authorised caller.
fn read(env: &Env, vault: &VaultClient) -> Option<Meta> {
    let fields = vault.try_get_meta().ok()?.ok()?;
    let size = fields.len();
    if !(2..=4).contains(&size) {
        return None;
    }
    let mut meta = Meta {
        owner: field(env, &fields, symbol_short!("owner"))?,
        balance: field(env, &fields, symbol_short!("balance"))?,
        min_deposit: 0,
        authorized_caller: None,
    };
    if size > 2 {
        meta.min_deposit = field(env, &fields, Symbol::new(env, "min_deposit"))?;
    }
    if size > 3 {
        meta.authorized_caller = field(env, &fields, Symbol::new(env, AUTHORIZED_CALLER))?;
    }
    Some(meta)
}

fn field<T: TryFromVal<Env, Val>>(env: &Env, fields: &Fields, name: Symbol) -> Option<T> {
    T::try_from_val(env, &fields.get(name)?).ok()
}

fn check_amounts(balance: i128, min_deposit: i128) -> Result<(), FactoryError> {
    if balance < 0 {
        return Err(FactoryError::NegativeBalance);
    }
    if min_deposit < 0 {
        return Err(FactoryError::NegativeMinDeposit);
    }
    Ok(())
}

/// Deploy a vault at an address that is bound to its owner, so that nobody else can take it.
fn deploy(
    env: &Env,
    owner: &Address,
    wasm_hash: BytesN<32>,
    salt: BytesN<32>,
) -> Result<Address, FactoryError> {
    let mut bound: Bytes = owner.to_xdr(env);
    bound.append(&salt.into());
    let salt = env.crypto().sha256(&bound);
    let deployer = env.deployer().with_current_contract(salt);
    if deployer.deployed_address().exists() {
        return Err(FactoryError::AddressTaken);
    }
    Ok(deployer.deploy_v2(wasm_hash, ()))
}

/// Prolong the lives of the factory's instance and code, and of a new vault's, whatever its code.
fn extend(env: &Env, vault: &Address) {
    env.storage()
        .instance()
        .extend_ttl(TTL_THRESHOLD, TTL_EXTEND_TO);
    env.deployer()
        .extend_ttl(vault.clone(), TTL_THRESHOLD, TTL_EXTEND_TO);
}
