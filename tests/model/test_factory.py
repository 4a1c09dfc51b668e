"""The factory's model: its table, row by row, and what holds over any run of calls."""

import hashlib

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from stellar_sdk import StrKey
from tests.support.strategies import CONTRACT, OWNER, STRANGER, valid_metas

from callora_vault.model.calls import (
    Balance,
    Call,
    Create,
    Deduct,
    Deposit,
    Init,
    Migrate,
    SetAuthorizedCaller,
    Successor,
    Withdraw,
)
from callora_vault.model.errors import FactoryErrorCode as Code
from callora_vault.model.events import (
    CreateEvent,
    InitEvent,
    MigrateEvent,
    SetAuthorizedCallerEvent,
    WithdrawEvent,
)
from callora_vault.model.factory import (
    Aborted,
    Factory,
    FactoryAccepted,
    FactoryOutcome,
    FactoryRejected,
    FactoryState,
    Instance,
    Signed,
    nested_calls,
    transition,
)
from callora_vault.model.factory import Code as VaultCode
from callora_vault.model.layouts import V0, VaultMeta
from callora_vault.model.vault import Accepted, Outcome, Signers, State, Unsigned
from callora_vault.model.vault import transition as vault_transition
from callora_vault.model.versions import VAULT_V1, VAULT_V2, Abi

V1_HASH, V2_HASH, KEEPER_HASH, BARE_HASH, NO_HASH = (bytes([n]) * 32 for n in range(1, 6))
SALT = bytes(32)


def address_of(owner: str, salt: bytes) -> str:
    """An address of its own for each owner and salt, without the network's part in it."""
    return StrKey.encode_contract(hashlib.sha256(owner.encode() + salt).digest())


FACTORY = Factory("factory", address_of)
NEW = address_of(OWNER, SALT)


def keeps(state: State, call: Call, signers: Signers) -> Outcome:
    """A vault that says yes to a withdrawal and takes nothing out."""
    outcome = vault_transition(state, call, signers)
    if isinstance(call, Withdraw) and isinstance(outcome, Accepted):
        return attrs.evolve(outcome, state=state)
    return outcome


CODES = {
    V1_HASH: VaultCode(VAULT_V1),
    V2_HASH: VaultCode(VAULT_V2),
    KEEPER_HASH: VaultCode(VAULT_V1, keeps),
    BARE_HASH: VaultCode(Abi("bare", (Balance,), V0)),
}
BOTH = Signed(frozenset((OWNER, STRANGER)), frozenset((OWNER, STRANGER)))
ALONE = Signed(BOTH.call, frozenset())
NOBODY = Signed(frozenset(), frozenset())


def old_vault(meta: State, wasm_hash: bytes = V1_HASH) -> FactoryState:
    return FactoryState(CODES, {CONTRACT: Instance(wasm_hash, meta)})


def migrate(old_hash: bytes = V1_HASH, new_hash: bytes = V2_HASH) -> Migrate:
    return Migrate(CONTRACT, old_hash, new_hash, SALT)


FULL = VaultMeta(OWNER, 7, 2)
CREATE = Create(OWNER, V1_HASH, SALT, 7, 2)


def test_create_deploys_and_gives_the_vault_its_owner() -> None:
    assert transition(FACTORY, FactoryState(CODES), CREATE, BOTH) == FactoryAccepted(
        FactoryState(CODES, {NEW: Instance(V1_HASH, FULL)}),
        NEW,
        ((NEW, InitEvent(OWNER, 7)), ("factory", CreateEvent(OWNER, NEW))),
    )


def test_create_hands_none_over_as_it_is() -> None:
    call = Create(OWNER, V1_HASH, SALT)
    assert nested_calls(FACTORY, FactoryState(CODES), call) == ((NEW, Init(OWNER)),)


def test_migrate_moves_the_balance_and_the_minimum() -> None:
    assert transition(FACTORY, old_vault(FULL), migrate(), BOTH) == FactoryAccepted(
        FactoryState(
            CODES,
            {CONTRACT: Instance(V1_HASH, VaultMeta(OWNER, 0, 2)), NEW: Instance(V2_HASH, FULL)},
            {CONTRACT: NEW},
        ),
        NEW,
        (
            (CONTRACT, WithdrawEvent(OWNER, 7, 0)),
            (NEW, InitEvent(OWNER, 7)),
            ("factory", MigrateEvent(OWNER, CONTRACT, NEW, 7)),
        ),
    )


def test_migrate_of_an_empty_vault_withdraws_nothing() -> None:
    outcome = transition(FACTORY, old_vault(VaultMeta(OWNER, 0)), migrate(), BOTH)
    assert isinstance(outcome, FactoryAccepted)
    assert outcome.events == (
        (NEW, InitEvent(OWNER, 0)),
        ("factory", MigrateEvent(OWNER, CONTRACT, NEW, 0)),
    )


def test_migrate_carries_the_authorised_caller() -> None:
    state = old_vault(VaultMeta(OWNER, 0, 2, STRANGER), V2_HASH)
    outcome = transition(FACTORY, state, migrate(V2_HASH), BOTH)
    assert isinstance(outcome, FactoryAccepted)
    assert outcome.state.vaults[NEW].state == VaultMeta(OWNER, 0, 2, STRANGER)
    assert (NEW, SetAuthorizedCallerEvent(OWNER, STRANGER)) in outcome.events


def test_successor_tells_where_a_vault_went() -> None:
    state = FactoryState(CODES, {}, {CONTRACT: NEW})
    for old, new in ((CONTRACT, NEW), (OWNER, None)):
        assert transition(FACTORY, state, Successor(old), NOBODY) == FactoryAccepted(state, new)


def test_what_is_signed_names_every_call_of_a_vault_in_order() -> None:
    state = old_vault(VaultMeta(OWNER, 7, 2, STRANGER), V2_HASH)
    assert nested_calls(FACTORY, state, migrate(V2_HASH)) == (
        (CONTRACT, Withdraw(7)),
        (NEW, Init(OWNER, 7, 2)),
        (NEW, SetAuthorizedCaller(STRANGER)),
    )
    assert nested_calls(FACTORY, FactoryState(CODES), migrate()) == ()
    assert nested_calls(FACTORY, state, Successor(CONTRACT)) == ()


TAKEN = FactoryState(CODES, {NEW: Instance(V1_HASH)})

REFUSED: list[tuple[FactoryState, Create | Migrate, Signed, FactoryOutcome]] = [
    (TAKEN, Create(OWNER, V1_HASH, SALT, -1, -1), NOBODY, Unsigned(OWNER)),
    (TAKEN, Create(OWNER, V1_HASH, SALT, -1, -1), ALONE, FactoryRejected(Code.NegativeBalance)),
    (TAKEN, Create(OWNER, V1_HASH, SALT, 0, -1), ALONE, FactoryRejected(Code.NegativeMinDeposit)),
    (TAKEN, Create(OWNER, NO_HASH, SALT), ALONE, FactoryRejected(Code.AddressTaken)),
    (
        FactoryState(CODES),
        Create(OWNER, NO_HASH, SALT),
        ALONE,
        Aborted("no code has this hash"),
    ),
    (FactoryState(CODES), CREATE, ALONE, Unsigned(OWNER)),
    (
        FactoryState(CODES),
        Create(OWNER, BARE_HASH, SALT),
        BOTH,
        Aborted("the vault has no init"),
    ),
    (
        FactoryState(CODES, {}, {CONTRACT: NEW}),
        migrate(),
        NOBODY,
        FactoryRejected(Code.AlreadyMigrated),
    ),
    (FactoryState(CODES), migrate(), NOBODY, FactoryRejected(Code.CodeChanged)),
    (old_vault(FULL, V2_HASH), migrate(), NOBODY, FactoryRejected(Code.CodeChanged)),
    (old_vault(None), migrate(), NOBODY, FactoryRejected(Code.UnknownLayout)),
    (old_vault(VaultMeta(OWNER, -1, -1)), migrate(), NOBODY, Unsigned(OWNER)),
    (
        old_vault(VaultMeta(OWNER, -1, -1)),
        migrate(),
        ALONE,
        FactoryRejected(Code.NegativeBalance),
    ),
    (
        old_vault(VaultMeta(OWNER, 7, -1)),
        migrate(),
        ALONE,
        FactoryRejected(Code.NegativeMinDeposit),
    ),
    (old_vault(FULL), migrate(), ALONE, Unsigned(OWNER)),
    (
        old_vault(FULL, BARE_HASH),
        migrate(BARE_HASH),
        BOTH,
        Aborted("the vault has no withdraw"),
    ),
    (
        FactoryState(CODES, {**TAKEN.vaults, **old_vault(FULL, KEEPER_HASH).vaults}),
        migrate(KEEPER_HASH),
        BOTH,
        FactoryRejected(Code.NotDrained),
    ),
    (
        FactoryState(CODES, {**TAKEN.vaults, **old_vault(FULL).vaults}),
        migrate(new_hash=NO_HASH),
        BOTH,
        FactoryRejected(Code.AddressTaken),
    ),
    (
        old_vault(FULL),
        migrate(new_hash=NO_HASH),
        BOTH,
        Aborted("no code has this hash"),
    ),
    (old_vault(VaultMeta(OWNER, 0)), migrate(), ALONE, Unsigned(OWNER)),
    (
        old_vault(VaultMeta(OWNER, 7, 2, STRANGER), V2_HASH),
        migrate(V2_HASH, V1_HASH),
        BOTH,
        FactoryRejected(Code.AuthorizedCallerUnsupported),
    ),
]


@pytest.mark.parametrize(("state", "call", "signed", "outcome"), REFUSED)
def test_the_first_check_that_fails_decides(
    state: FactoryState, call: Create | Migrate, signed: Signed, outcome: FactoryOutcome
) -> None:
    assert transition(FACTORY, state, call, signed) == outcome


def test_every_number_of_the_factory_is_met() -> None:
    met = {outcome.error for *_, outcome in REFUSED if isinstance(outcome, FactoryRejected)}
    assert met == set(Code)


def test_a_vault_that_refuses_its_part_aborts_the_call() -> None:
    def refuses(state: State, call: Call, signers: Signers) -> Outcome:
        return vault_transition(None, call, signers)

    codes = {**CODES, V1_HASH: VaultCode(VAULT_V1, refuses)}
    state = attrs.evolve(old_vault(FULL), codes=codes)
    outcome = transition(FACTORY, state, migrate(), BOTH)
    assert outcome == Aborted("the vault refuses withdraw: NotInitialized")


@given(valid_metas, st.sampled_from((V1_HASH, V2_HASH)))
def test_a_migrated_vault_stores_what_the_old_one_did(meta: VaultMeta, new_hash: bytes) -> None:
    everyone = frozenset((OWNER, STRANGER, CONTRACT))
    call = migrate(V2_HASH, new_hash)
    outcome = transition(FACTORY, old_vault(meta, V2_HASH), call, Signed(everyone, everyone))
    if not isinstance(outcome, FactoryAccepted):
        assert meta.authorized_caller is not None
        assert new_hash == V1_HASH
        return
    assert outcome.returned is not None
    assert outcome.state.vaults[outcome.returned] == Instance(new_hash, meta)
    drained = attrs.evolve(meta, balance=0)
    assert outcome.state.vaults[CONTRACT] == Instance(V2_HASH, drained)


class Migrations(RuleBasedStateMachine):
    """Vaults of two owners, created, used and migrated in any order."""

    hashes = st.sampled_from((V1_HASH, V2_HASH))
    salts = st.integers(0, 3).map(lambda number: bytes([number]) * 32)
    signatures = st.sampled_from((BOTH, BOTH, ALONE, NOBODY))

    def __init__(self) -> None:
        super().__init__()
        self.state = FactoryState(CODES)
        self.total = 0

    def attempt(self, call: Create | Migrate, signed: Signed) -> bool:
        outcome = transition(FACTORY, self.state, call, signed)
        if isinstance(outcome, FactoryAccepted):
            assert signed is BOTH
            self.state = outcome.state
        return isinstance(outcome, FactoryAccepted)

    def any_vault(self, data: st.DataObject) -> tuple[str, Instance]:
        return data.draw(st.sampled_from(sorted(self.state.vaults.items())))

    @rule(
        owner=st.sampled_from((OWNER, STRANGER)),
        code=hashes,
        salt=salts,
        balance=st.integers(-1, 9),
        signed=signatures,
    )
    def create(self, owner: str, code: bytes, salt: bytes, balance: int, signed: Signed) -> None:
        if self.attempt(Create(owner, code, salt, balance), signed):
            self.total += balance

    @precondition(lambda self: self.state.vaults)
    @rule(data=st.data(), code=hashes, salt=salts, signed=signatures)
    def migrate(self, data: st.DataObject, code: bytes, salt: bytes, signed: Signed) -> None:
        old, vault = self.any_vault(data)
        self.attempt(Migrate(old, vault.wasm_hash, code, salt), signed)

    @precondition(lambda self: self.state.vaults)
    @rule(data=st.data(), amount=st.integers(-9, 9))
    def use(self, data: st.DataObject, amount: int) -> None:
        address, vault = self.any_vault(data)
        assert vault.state is not None
        owner = vault.state.owner
        call = Deposit(amount) if amount > 0 else Deduct(owner, -amount)
        outcome = vault_transition(vault.state, call, frozenset((owner,)))
        if isinstance(outcome, Accepted):
            used = {**self.state.vaults, address: Instance(vault.wasm_hash, outcome.state)}
            self.state = attrs.evolve(self.state, vaults=used)
            self.total += amount

    @invariant()
    def units_are_neither_lost_nor_doubled(self) -> None:
        held = [vault.state for vault in self.state.vaults.values()]
        assert sum(meta.balance for meta in held if meta is not None) == self.total

    @invariant()
    def no_two_vaults_have_one_successor(self) -> None:
        successors = list(self.state.successors.values())
        assert len(successors) == len(set(successors))


TestMigrations = Migrations.TestCase
TestMigrations.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)
