"""The vault as an object: the state machine of vault.py with a state and exceptions."""

from collections.abc import Iterable
from typing import Protocol, overload

from callora_vault.model.calls import (
    Balance,
    BatchDeduct,
    Call,
    Deduct,
    DeductItem,
    Deposit,
    GetMeta,
    Init,
    SetAuthorizedCaller,
    Withdraw,
    WithdrawTo,
)
from callora_vault.model.errors import (
    MissingMethod,
)
from callora_vault.model.events import Event
from callora_vault.model.layouts import VaultMeta, check_meta
from callora_vault.model.refusals import refusal
from callora_vault.model.units import Address, BadValue, Symbol
from callora_vault.model.vault import Accepted, Signers, State, Unsigned, transition
from callora_vault.model.versions import VAULT_V2, Abi


class Vault(Protocol):
    """A vault to call: the model, or a client of a contract.

    Amounts and balances are in the vault's own unit, within i128. Each method raises BadValue for
    an argument that cannot be sent, and a CallRefused, with nothing changed, for a refusal: a
    VaultError with the contract's number, MissingSignature, or MissingMethod for a call that this
    version of the contract lacks.
    """

    def init(
        self, owner: Address, initial_balance: int | None = None, min_deposit: int | None = None
    ) -> VaultMeta:
        """Give the vault its owner; None stands for 0. Returns what is stored."""

    def get_meta(self) -> VaultMeta:
        """Return all that the vault stores."""

    def balance(self) -> int:
        """Return the balance."""

    def deposit(self, amount: int) -> int:
        """Add `amount`. Returns the new balance."""

    def deduct(self, caller: Address, amount: int, request_id: Symbol | None = None) -> int:
        """Take `amount` for a metered request. Returns the new balance."""

    def batch_deduct(self, caller: Address, items: Iterable[DeductItem]) -> int:
        """Take the amounts of 1 to 50 items in order, or none (v2). Returns the new balance."""

    def set_authorized_caller(self, caller: Address | None) -> None:
        """Let `caller` deduct besides the owner; None for nobody (v2)."""

    def withdraw(self, amount: int) -> int:
        """Take `amount` out for the owner. Returns the new balance."""

    def withdraw_to(self, to: Address, amount: int) -> int:
        """Take `amount` out in favour of `to`. Returns the new balance."""


class VaultModel:
    """A vault in memory, for a backend's tests: a Vault that knows who signs.

    `meta` is the first state, None for a vault before `init`. `signers` are the addresses that
    sign; None means that every required signature is present. A method's own `signers` replaces
    them for one call. `abi` is the version of the contract.

    Raises BadValue if a vault of that version cannot store `meta`.
    """

    def __init__(
        self,
        meta: VaultMeta | None = None,
        *,
        signers: Iterable[Address] | None = None,
        abi: Abi = VAULT_V2,
    ) -> None:
        self._state: State = None if meta is None else check_meta(meta)
        if meta is not None and meta.authorized_caller and not abi.authorises:
            raise BadValue("authorized_caller", f"a vault of {abi.name} has none")
        self._abi = abi
        self._signers = _frozen(signers)
        self._events: list[Event] = []

    @property
    def meta(self) -> VaultMeta | None:
        """What the vault stores; None before `init`. It needs no call and never fails."""
        return self._state

    @property
    def events(self) -> tuple[Event, ...]:
        """Every event since this object was made, oldest first."""
        return tuple(self._events)

    def init(
        self,
        owner: Address,
        initial_balance: int | None = None,
        min_deposit: int | None = None,
        *,
        signers: Iterable[Address] | None = None,
    ) -> VaultMeta:
        """Give the vault its owner, who signs; None stands for 0. Returns what is stored.

        Raises AlreadyInitialized, MissingSignature, NegativeInitialBalance, NegativeMinDeposit.
        """
        return self.call(Init(owner, initial_balance, min_deposit), signers=signers)

    def get_meta(self) -> VaultMeta:
        """Return all that the vault stores. Raises NotInitialized."""
        return self.call(GetMeta())

    def balance(self) -> int:
        """Return the balance. Raises NotInitialized."""
        return self.call(Balance())

    def deposit(self, amount: int, *, signers: Iterable[Address] | None = None) -> int:
        """Add `amount`; the owner signs. Returns the new balance.

        Raises NotInitialized, MissingSignature, AmountNotPositive, BelowMinDeposit,
        BalanceOverflow.
        """
        return self.call(Deposit(amount), signers=signers)

    def deduct(
        self,
        caller: Address,
        amount: int,
        request_id: Symbol | None = None,
        *,
        signers: Iterable[Address] | None = None,
    ) -> int:
        """Take `amount` for a metered request; `caller` signs. Returns the new balance.

        Raises NotInitialized, MissingSignature, Unauthorized, AmountNotPositive,
        InsufficientBalance.
        """
        return self.call(Deduct(caller, amount, request_id), signers=signers)

    def batch_deduct(
        self,
        caller: Address,
        items: Iterable[DeductItem],
        *,
        signers: Iterable[Address] | None = None,
    ) -> int:
        """Take the amounts of 1 to 50 items in order, or none; `caller` signs.

        Returns the new balance. Raises as `deduct`, of the first item that fails, and EmptyBatch,
        BatchTooLarge; MissingMethod in v1.
        """
        return self.call(BatchDeduct(caller, items), signers=signers)

    def set_authorized_caller(
        self, caller: Address | None, *, signers: Iterable[Address] | None = None
    ) -> None:
        """Let `caller` deduct besides the owner, who signs; None for nobody.

        Raises NotInitialized, MissingSignature; MissingMethod in v1.
        """
        self.call(SetAuthorizedCaller(caller), signers=signers)

    def withdraw(self, amount: int, *, signers: Iterable[Address] | None = None) -> int:
        """Take `amount` out for the owner, who signs. Returns the new balance.

        Raises NotInitialized, MissingSignature, AmountNotPositive, InsufficientBalance.
        """
        return self.call(Withdraw(amount), signers=signers)

    def withdraw_to(
        self, to: Address, amount: int, *, signers: Iterable[Address] | None = None
    ) -> int:
        """Take `amount` out in favour of `to`; the owner signs. Returns the new balance.

        Raises as `withdraw`.
        """
        return self.call(WithdrawTo(to, amount), signers=signers)

    @overload
    def call(
        self, call: Init | GetMeta, *, signers: Iterable[Address] | None = None
    ) -> VaultMeta: ...

    @overload
    def call(
        self,
        call: Balance | Deposit | Deduct | Withdraw | WithdrawTo | BatchDeduct,
        *,
        signers: Iterable[Address] | None = None,
    ) -> int: ...

    @overload
    def call(
        self, call: SetAuthorizedCaller, *, signers: Iterable[Address] | None = None
    ) -> None: ...

    def call(
        self, call: Call, *, signers: Iterable[Address] | None = None
    ) -> VaultMeta | int | None:
        """Make a call given as a value. Returns what the contract returns."""
        if type(call) not in self._abi.calls:
            raise MissingMethod(call.method, self._abi.name)
        outcome = transition(self._state, call, self._signing(call, _frozen(signers)))
        if not isinstance(outcome, Accepted):
            raise refusal(outcome, call, self._state)
        self._state = outcome.state
        self._events.extend(outcome.events)
        return outcome.returned

    def _signing(self, call: Call, signers: Signers | None) -> Signers:
        if signers is None:
            signers = self._signers
        if signers is None:
            unsigned = transition(self._state, call, frozenset())
            signers = (
                frozenset((unsigned.address,)) if isinstance(unsigned, Unsigned) else frozenset()
            )
        return signers


def _frozen(signers: Iterable[Address] | None) -> Signers | None:
    return None if signers is None else frozenset(signers)
