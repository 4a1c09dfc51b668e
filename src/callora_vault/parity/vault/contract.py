"""A vault on a network, whose code is under test: call it, read what it stores."""

from __future__ import annotations

import attrs
from stellar_sdk import xdr

from callora_vault.codec.keys import code_key, instance_key
from callora_vault.model.units import Address
from callora_vault.model.versions import Abi
from callora_vault.parity.errors import CannotRun
from callora_vault.parity.network.connection import LOOK, Connection
from callora_vault.parity.network.footprint import Entry
from callora_vault.parity.network.observation import Observation
from callora_vault.parity.network.session import Asked, Mark, Session
from callora_vault.parity.steps import Role, Submit


@attrs.frozen
class Reading:
    """A vault on the ledger: instance entry (base64) and live-until ledgers (0 once archived).

    `ledger` is the one in which it was read; it does not count in comparisons.
    """

    instance: str
    instance_live_until: int
    code_live_until: int
    ledger: int = attrs.field(eq=False)

    @property
    def left(self) -> int:
        """The TTL of the instance after the next call's ledger."""
        return self.instance_live_until - self.ledger - 1

    @property
    def entry(self) -> xdr.LedgerEntryData:
        """The instance entry, decoded."""
        return xdr.LedgerEntryData.from_xdr(self.instance)


class VaultContract:
    """A vault under test on a network, with the accounts that call it.

    Arguments: `abi`, the version that it is to be. On the embedded network every example starts
    from one snapshot; on any other it gets an instance of its own. Raises CannotRun.
    """

    def __init__(self, connection: Connection, code: bytes, abi: Abi) -> None:
        self._session = Session(connection)
        self.abi = abi
        self.code_hash = self._session.upload(code)
        self._code_key = code_key(self.code_hash)
        self.other_vault = self._session.create(self.code_hash)
        self._become(self._session.create(self.code_hash))
        self._mark = self._session.mark()
        self._fresh = True

    @property
    def can_age(self) -> bool:
        """Whether ledgers can be made to pass."""
        return self._session.can_age

    @property
    def addresses(self) -> dict[Role, Address]:
        """The address of every role."""
        return self._session.addresses

    @property
    def minimum_ttl(self) -> int:
        """The TTL of a restored entry, in ledgers, the first included."""
        return self._session.minimum_ttl

    def _become(self, vault: Address) -> None:
        self.vault = vault
        self._session.addresses |= {Role.VAULT: vault, Role.OTHER_VAULT: self.other_vault}
        self.instance_key = instance_key(vault)
        self._session.forget()

    def fresh(self) -> None:
        """Start an example with a new instance."""
        if self._mark is not None:
            self._session.revert(self._mark)
        elif not self._fresh:
            self._become(self._session.create(self.code_hash))
        self._fresh = False

    def mark(self) -> Mark | None:
        """Mark the network as it is, to return to it; None where that cannot be."""
        return self._session.mark()

    def revert(self, mark: Mark) -> None:
        """Return to a mark of this example."""
        self._session.revert(mark)

    def submit(self, step: Submit, before: Reading) -> Observation:
        """Make a call. Arguments: `before`, the vault's present entries.

        Raises CannotRun, Inconclusive.
        """
        touches = (
            Entry(self.instance_key, writes=True, archived=before.instance_live_until == 0),
            Entry(self._code_key, writes=False, archived=before.code_live_until == 0),
        )
        call = step.call(self.addresses)
        return self._session.submit(
            Asked(self.vault, self.other_vault, call, step.signer, step.lane, touches)
        )

    def read(self) -> Reading:
        """Read the instance entry and the live-until ledgers of both entries. Raises CannotRun."""
        ledger, (instance, code) = self._session.entries([self.instance_key, self._code_key])
        if instance is None or code is None:
            raise CannotRun("the vault is no longer on the ledger", LOOK)
        return Reading(*instance, code[1], ledger)

    def past_last_ledger(self, reading: Reading) -> Reading:
        """Close a ledger if this is an entry's live-until ledger, and read again.

        Simulation would find the entry live, and the transaction, one ledger later, archived. Every
        network behaves so; it is not a fault of the contract.
        """
        ends = (reading.instance_live_until, reading.code_live_until)
        if not self.can_age or reading.ledger not in ends:
            return reading
        self._session.close_ledger()
        return self.read()

    def age(self, ledgers: int) -> None:
        """Let ledgers pass. Raises CannotRun if the network is not the embedded one."""
        self._session.age(ledgers)

    def restore(self, before: Reading) -> None:
        """Restore the vault's archived entries."""
        lives = (
            (self.instance_key, before.instance_live_until),
            (self._code_key, before.code_live_until),
        )
        archived = [key for key, live_until in lives if live_until == 0]
        if archived:
            self._session.restore(archived)
