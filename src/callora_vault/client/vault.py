"""A deployed vault to call: the client's face."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Self, overload

from stellar_sdk import xdr

from callora_vault.client.approval import Expected
from callora_vault.client.entries import JournalEntry, State
from callora_vault.client.errors import UnexpectedCode
from callora_vault.client.journal import Journal
from callora_vault.client.keys import Signer
from callora_vault.client.limits import Limits
from callora_vault.client.receipts import Receipt, Skipped, receipt
from callora_vault.client.refusals import contract_refusal, failed, lacks_a_signature
from callora_vault.client.request_ids import (
    check_twice,
    ids_of,
    key_of,
    leave_out,
    refuse_taken,
    same_request,
)
from callora_vault.client.transactions import Action, Transactions, simulate
from callora_vault.client.whereabouts import Whereabouts
from callora_vault.codec.calls import decode_returned, encode_authorisation, host_function, identity
from callora_vault.codec.entries import StoredVault, describe_executable
from callora_vault.codec.errors import HostError
from callora_vault.codec.keys import account_key, code_key, instance_key
from callora_vault.directory import VaultDirectory
from callora_vault.model.calls import (
    READS,
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
    describe_call,
    plain,
)
from callora_vault.model.errors import (
    CallRefused,
    InsufficientBalance,
    MissingMethod,
    MissingSignature,
)
from callora_vault.model.layouts import V0, V1, VaultMeta
from callora_vault.model.refusals import refusal
from callora_vault.model.units import Address, Symbol
from callora_vault.model.vault import Outcome, Rejected, Unsigned, transition
from callora_vault.model.versions import VAULT_V1
from callora_vault.rpc.errors import SimulationFailed
from callora_vault.rpc.network import Network

_LOOKS: Final = 3
"""How often a refusal is explained, while others change the vault in between."""


class VaultClient:
    """A vault on a network: a Vault like the model, with the same errors and events.

    A call that writes is applied exactly once for each request key: `key`, or the `request_id` of a
    deduct; without either, the call gets a new key. A repeated call with the key of an applied one
    returns that call's result; after a refusal the key is free again. Contract and model accept any
    number of deducts with one request id; the client makes only one. Reads are simulated and cost
    nothing.

    Arguments: `contract`, the vault's id (C...), or its whereabouts, which have their own factory;
    `journal`, to which transactions are added before they are sent; `signers`, who can sign;
    `source`, who pays and has the sequence numbers, by default the first signer: an account that no
    other process uses at the same time. `address_credentials`: whether a signer other than `source`
    signs only the call, not the transaction. `scope`, in which request keys are unique: by default
    the contract's id. `factory`, a pinned one of this package's code: if it names a successor of
    the vault, this client turns to it at its first call, and when funds are lacking.
    Raises BadValue for an id that is not a contract's.
    """

    def __init__(
        self,
        contract: Address | Whereabouts,
        network: Network,
        journal: Journal,
        signers: Iterable[Signer] = (),
        *,
        source: Signer | None = None,
        address_credentials: bool = False,
        scope: str | None = None,
        factory: Address | None = None,
        limits: Limits | None = None,
    ) -> None:
        where = contract
        if not isinstance(where, Whereabouts):
            where = Whereabouts(network, where, factory)
        self.limits = limits or Limits()
        self._whereabouts = where
        self._network = network
        self._journal = journal
        self._scope = where.contract if scope is None else scope
        self._by_address = address_credentials
        self._signers = {signer.address: signer for signer in signers}
        self._source = source or next(iter(self._signers.values()), None)
        if self._source is not None:
            self._signers.setdefault(self._source.address, self._source)
        self._transactions = Transactions(
            network, journal, self._source, self._signers, self.limits
        )

    @classmethod
    def open(
        cls,
        name: str,
        directory: VaultDirectory,
        network: Network,
        journal: Journal,
        signers: Iterable[Signer] = (),
        *,
        source: Signer | None = None,
        address_credentials: bool = False,
        factory: Address | None = None,
        limits: Limits | None = None,
    ) -> Self:
        """Open a vault by its name; each call goes to the contract that the name then stands for.

        Request keys are unique within the name: a request that was open when the name changed is
        settled with the vault that it was signed for, and goes to the new one only if it was not
        applied. Arguments as for the class. Raises UnknownVault, UnreadableDirectory, as does each
        call: it never goes to a vault that the name no longer stands for.
        """

        def named() -> Address:
            return directory.find(network.passphrase, name).contract

        return cls(
            Whereabouts(network, named, factory),
            network,
            journal,
            signers,
            source=source,
            address_credentials=address_credentials,
            scope=f"vault {name}",
            limits=limits,
        )

    @property
    def contract(self) -> Address:
        """The id of the vault of the last call, or of the next one before the first call."""
        return self._whereabouts.contract

    def __repr__(self) -> str:
        return f"<VaultClient {self.contract} on {self._network!r}>"

    # -- the calls ---------------------------------------------------------------------------

    def init(
        self,
        owner: Address,
        initial_balance: int | None = None,
        min_deposit: int | None = None,
        *,
        key: str | None = None,
    ) -> VaultMeta:
        """Give the vault its owner, who signs; None stands for 0. Returns what is stored.

        Raises AlreadyInitialized, MissingSignature, NegativeInitialBalance, NegativeMinDeposit,
        and as `submit`.
        """
        return self.call(Init(owner, initial_balance, min_deposit), key=key)

    def get_meta(self) -> VaultMeta:
        """Return all that the vault stores. Raises NotInitialized, and as `call`."""
        return self.call(GetMeta())

    def balance(self) -> int:
        """Return the balance. Raises NotInitialized, and as `call`."""
        return self.call(Balance())

    def deposit(self, amount: int, *, key: str | None = None) -> int:
        """Add `amount`; the owner signs. Returns the new balance.

        Raises NotInitialized, MissingSignature, AmountNotPositive, BelowMinDeposit,
        BalanceOverflow, and as `submit`.
        """
        return self.call(Deposit(amount), key=key)

    def deduct(
        self,
        caller: Address,
        amount: int,
        request_id: Symbol | None = None,
        *,
        key: str | None = None,
    ) -> int:
        """Take `amount` for a metered request; `caller` signs. Returns the new balance.

        Raises NotInitialized, MissingSignature, Unauthorized, AmountNotPositive,
        InsufficientBalance, and as `submit`.
        """
        return self.call(Deduct(caller, amount, request_id), key=key)

    def batch_deduct(
        self,
        caller: Address,
        items: Iterable[DeductItem],
        *,
        key: str | None = None,
        skip_applied: bool = False,
    ) -> int:
        """v2: take the amounts of 1 to 50 items in order, or none; `caller` signs.

        Each request id is taken once, in a batch or alone; the same batch repeated returns its
        result. `skip_applied` leaves out items whose request ids are applied; `submit` tells which.
        Returns the new balance. Raises NotInitialized, MissingSignature, Unauthorized, EmptyBatch,
        BatchTooLarge, AmountNotPositive, InsufficientBalance, MissingMethod, and as `submit`.
        """
        call = BatchDeduct(caller, items)
        returned = self.submit(call, key=key, skip_applied=skip_applied).returned
        assert isinstance(returned, int)  # noqa: S101 - what a batch returns
        return returned

    def set_authorized_caller(self, caller: Address | None, *, key: str | None = None) -> None:
        """v2: let `caller` deduct besides the owner, who signs; None for nobody.

        Raises NotInitialized, MissingSignature, MissingMethod, and as `submit`.
        """
        self.call(SetAuthorizedCaller(caller), key=key)

    def withdraw(self, amount: int, *, key: str | None = None) -> int:
        """Take `amount` out for the owner, who signs. Returns the new balance.

        Raises NotInitialized, MissingSignature, AmountNotPositive, InsufficientBalance, and as
        `submit`.
        """
        return self.call(Withdraw(amount), key=key)

    def withdraw_to(self, to: Address, amount: int, *, key: str | None = None) -> int:
        """Take `amount` out in favour of `to`; the owner signs. Returns the new balance.

        Raises as `withdraw`.
        """
        return self.call(WithdrawTo(to, amount), key=key)

    @overload
    def call(self, call: Init | GetMeta, *, key: str | None = None) -> VaultMeta: ...

    @overload
    def call(
        self,
        call: Balance | Deposit | Deduct | Withdraw | WithdrawTo | BatchDeduct,
        *,
        key: str | None = None,
    ) -> int: ...

    @overload
    def call(self, call: SetAuthorizedCaller, *, key: str | None = None) -> None: ...

    def call(self, call: Call, *, key: str | None = None) -> VaultMeta | int | None:
        """Make a call given as a value. Returns what the contract returns.

        Raises as `submit`. A read raises CallRefused, Unreachable, RpcRefused, WrongNetwork,
        SimulationFailed, CannotDecode and UnknownLayout only.
        """
        if isinstance(call, READS):
            until = self._network.deadline(self.limits.timeout)
            self._whereabouts.turn(until)
            return self._simulated(call, until)
        return self.submit(call, key=key).returned

    def submit(self, call: Call, *, key: str | None = None, skip_applied: bool = False) -> Receipt:
        """Make a call that writes, once, and return its receipt.

        Arguments: `skip_applied`, of a batch, to leave items out whose request ids are applied.
        Raises CallRefused, with nothing changed; BadValue, RequestIdUsed, RefusedToSign,
        SimulationFailed, Unreachable, RpcRefused, WrongNetwork, OtherNetwork, NetworkBehind,
        ClockSkew, NoVault, NoAccount, BadKey, KeyReused, SourceBusy with nothing sent; NotAccepted,
        Unsettled, JournalUnusable with a transaction that may be open, which the same key
        continues; NeverApplied, CallFailed with nothing applied; Unreadable, AppliedByOthers after
        it was applied; Unknown. With a factory also NotFollowed, SuccessorLoop, NotOurFactory, with
        nothing sent.
        """
        until = self._network.deadline(self.limits.timeout)
        call = plain(call)
        check_twice(call)
        known = identity(host_function(self.contract, call))
        if key is None:
            key = key_of(call, lambda: known)
        done = self._transactions.applied(self._scope, key, known, describe_call(call))
        if done is not None:
            return receipt(call, done, repeated=True)
        held = self._holders(call, until)
        same = same_request(held, known)
        if same is not None:
            return receipt(call, same, repeated=True)
        skipped: tuple[Skipped, ...] = ()
        if skip_applied and isinstance(call, BatchDeduct):
            whole = call
            call, skipped = leave_out(call, held)
            if skipped and not call.items:
                return self._nothing_left(whole, skipped, held)
            if skipped:
                known = identity(host_function(self.contract, call))
                key = key_of(call, lambda: known)
        refuse_taken(call, held, self._scope, key)
        self._transactions.recognise(until)
        self._whereabouts.turn(until)
        try:
            return self._submit(call, key, until, skipped)
        except InsufficientBalance:
            if not self._whereabouts.has_moved(until):
                raise
            return self._submit(call, key, until, skipped)

    def _holders(self, call: Call, until: float) -> dict[Symbol, JournalEntry]:
        """Return which of a call's request ids are taken, by this vault's name or its contract."""
        ids = tuple(request_id for _, request_id in ids_of(call))
        return self._transactions.holders(self._scope, self.contract, ids, until) if ids else {}

    def _nothing_left(
        self,
        call: BatchDeduct,
        skipped: tuple[Skipped, ...],
        held: Mapping[Symbol, JournalEntry],
    ) -> Receipt:
        """Return what is noted of a batch whose items are all applied already."""
        latest = max((held[each.request_id] for each in skipped), key=lambda entry: entry.id)
        return receipt(call, latest, repeated=True, skipped=skipped)

    def _submit(
        self, call: Call, key: str, until: float, skipped: tuple[Skipped, ...] = ()
    ) -> Receipt:
        action = self._action(call, key, until)
        # the vault's name may have moved to a contract on which an id is taken
        refuse_taken(call, self._holders(call, until), self._scope, key)
        for attempt in range(1, _LOOKS + 1):
            try:
                entry, repeated = self._transactions.submit(action, until)
                break
            except SimulationFailed as simulated:
                refused, explained = self._refused(call, simulated.error, until)
                if refused is None:
                    raise
                if explained or attempt == _LOOKS:
                    raise refused from None
        if entry.state is State.APPLIED:
            return receipt(call, entry, repeated=repeated, skipped=skipped)
        failure = failed(entry)
        error = failure.error
        if lacks_a_signature(error) and action.expected.signer:
            raise MissingSignature(action.expected.signer)
        refused, _ = self._refused(call, error, until)
        if refused is not None:
            raise refused
        raise failure

    def predict(self, call: Call) -> Outcome:
        """Return the model's outcome of a call on the stored entry, with this client's signers.

        Nothing is sent, and others may change the vault before the next call. Raises
        MissingMethod, UnknownLayout, CannotDecode, NoVault, Unreachable, RpcRefused, WrongNetwork.
        """
        stored = self.stored()
        if stored.layout in (V0, V1) and type(call) not in VAULT_V1.calls:
            raise MissingMethod(call.method, stored.layout.name)
        return transition(stored.meta, call, frozenset(self._signers))

    def stored(self) -> StoredVault:
        """Read and decode the vault's stored entry. Raises as `predict`."""
        until = self._network.deadline(self.limits.timeout)
        self._whereabouts.turn(until)
        return self._whereabouts.stored(until)

    # -- the journal -------------------------------------------------------------------------

    def resume(self) -> tuple[JournalEntry, ...]:
        """Settle all open transactions of the journal on this network, as after a crash.

        It needs no key. Returns every transaction that was open, with its new state: OPEN if it was
        not settled within the timeout.
        """
        until = self._network.deadline(self.limits.timeout)
        return self._transactions.resume(until)

    def for_the_operator(self) -> tuple[JournalEntry, ...]:
        """List what a person must settle: UNKNOWN and APPLIED_BY_OTHERS."""
        return self._journal.for_the_operator(self._network.passphrase)

    # -- how a call is built -----------------------------------------------------------------

    def _action(self, call: Call, key: str, until: float) -> Action:
        known = self._whereabouts.identity(until)
        # the first two checks of every call: whether the vault is initialised, and who signs
        asked = transition(known.meta, call, frozenset())
        if isinstance(asked, Rejected):
            self._simulated(call, until)  # raises the contract's own refusal
            raise refusal(asked, call, known.meta)
        assert isinstance(asked, Unsigned)  # noqa: S101 - every call that writes is signed
        signer = asked.address
        if signer not in self._signers:
            raise MissingSignature(signer)
        by_address = self._by_address and self._source is not self._signers[signer]
        tree = encode_authorisation(self.contract, call)
        reads = [code_key(code_hash_of(self.contract, known.executable))]
        if by_address:
            reads.append(account_key(signer))
        return Action(
            scope=self._scope,
            key=key,
            contract=self.contract,
            request=describe_call(call),
            function=host_function(self.contract, call),
            expected=Expected(signer, tree, tuple(reads), (instance_key(self.contract),)),
            by_address=by_address,
            request_ids=tuple(request_id for _, request_id in ids_of(call)),
        )

    def _simulated(self, call: Call, until: float) -> VaultMeta | int | None:
        """Return what a call that nobody signs would return; raise what it is refused with."""
        function = host_function(self.contract, call)
        try:
            return decode_returned(call, simulate(self._network, function, until))
        except SimulationFailed as simulated:
            refused, _ = self._refused(call, simulated.error, until)
            if refused is None:
                raise
            raise refused from None

    def _refused(
        self, call: Call, error: HostError | None, until: float
    ) -> tuple[CallRefused | None, bool]:
        def stored() -> StoredVault:
            return self._whereabouts.stored(until)

        return contract_refusal(call, error, stored, self._signers.keys())


def code_hash_of(contract: Address, executable: xdr.ContractExecutable) -> bytes:
    """Return the SHA-256 of a contract's own code. Raises UnexpectedCode if it has none."""
    if executable.wasm_hash is None:
        raise UnexpectedCode(contract, describe_executable(executable))
    return executable.wasm_hash.hash
