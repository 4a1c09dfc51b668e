"""Why a migration is refused, stops, or is not believed. Each is one line with its remedy."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import ClassVar

import attrs

from callora_vault.errors import CalloraError
from callora_vault.model.units import Address


class MigrationError(CalloraError):
    """Base of what a migration raises. Nothing was signed, where nothing else is said."""


class Why(Enum):
    """Why a vault cannot be migrated as it was asked: the reason, and the remedy."""

    NOT_INITIALISED = ("it has no owner yet", "there is nothing to migrate")
    UNDECODABLE = ("its stored entry is none of a vault's", "nothing can be carried over safely")
    NEGATIVE_BALANCE = (
        "its balance is negative",
        "mend that first, or begin again with --mode zero",
    )
    NEGATIVE_MIN_DEPOSIT = (
        "its minimum deposit is negative",
        "give one with --min-deposit, in the modes stepwise and zero",
    )
    NO_CODE_OF_ITS_OWN = (
        "its code can be replaced by somebody else",
        "what it will do with a signature cannot be known",
    )
    UNKNOWN_CODE = (
        "its code is not one of this program's",
        "do a dry run, which shows whether a withdrawal empties it, then add "
        "--accept-unknown-code with its hash",
    )
    CODE_CHANGED = ("it runs other code than in the plan", "make a new plan")
    MIN_DEPOSIT_CHANGED = ("it has another minimum deposit than in the plan", "make a new plan")
    OTHER_OWNER = ("it has another owner than in the plan", "make a new plan")
    OWNED_BY_CONTRACT = (
        "its owner is a contract",
        "this program signs for accounts; let the contract call the factory",
    )
    NO_FACTORY = (
        "there is no factory of this program's code at the address that was given",
        "give another with --factory, or migrate with --mode stepwise",
    )
    AUTHORISED_CALLER = (
        "it has an authorised caller, and the new code knows none",
        "migrate to v2, or call set_authorized_caller(None) first",
    )
    REFUSES = (
        "its code refuses what the migration has to call",
        "a vault without withdraw can only be left behind: --mode zero",
    )
    KEEPS_BALANCE = (
        "its code said that everything was withdrawn, and its stored entry did not change so",
        "a vault that does not give its balance back can only be left behind: --mode zero",
    )


@attrs.frozen
class CannotMigrate(MigrationError):
    """The vault or factory `contract` stands in the way; `detail` has the values."""

    contract: Address
    why: Why
    detail: str = ""

    def __str__(self) -> str:
        reason, remedy = self.why.value
        detail = f" ({self.detail})" if self.detail else ""
        return f"{self.contract}: {reason}{detail}; {remedy}"


@attrs.frozen
class PlanUnusable(MigrationError):
    """The plan in the file `path` cannot be used, for `reason`."""

    path: Path
    reason: str

    def __str__(self) -> str:
        return f"the plan {self.path}: {self.reason}"


@attrs.frozen
class WrongKey(MigrationError):
    """The key is of another account than the owner."""

    owner: Address
    given: Address

    def __str__(self) -> str:
        return (
            f"the owner {self.owner} has to sign, and the key is of {self.given}; give the owner's"
        )


@attrs.frozen
class CodeMissing(MigrationError):
    """The new code is not on the ledger, nor at hand."""

    code_hash: str

    def __str__(self) -> str:
        return (
            f"the code {self.code_hash} is not on the ledger; give its file with --code, or upload "
            "it first"
        )


@attrs.frozen
class MigratedElsewhere(MigrationError):
    """The factory names `successor` for the vault `old`, not the one of the plan."""

    old: Address
    successor: Address
    expected: Address

    def __str__(self) -> str:
        return (
            f"{self.old} was migrated to {self.successor}, not to {self.expected} as in the plan; "
            "look into that vault, and make a plan of its own if it is yours"
        )


@attrs.frozen
class KeepsMoving(MigrationError):
    """The vault changed before each of `tries` attempts could be applied.

    `drained` is what was withdrawn from it so far, stepwise, for the new vault to begin with.
    """

    contract: Address
    tries: int
    drained: int = 0

    def __str__(self) -> str:
        left = (
            f"{self.drained:,} were withdrawn so far and are noted"
            if self.drained
            else "nothing was moved"
        )
        return (
            f"{self.contract} changed before each of {self.tries} tries could be applied; {left}. "
            "Pause its writers (v2: set_authorized_caller to nobody), then resume"
        )


@attrs.frozen
class WithdrawnByOthers(MigrationError):
    """Somebody withdrew from `contract` since the plan, outside this migration's journal."""

    contract: Address
    transactions: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"{self.contract} saw withdrawals since the plan that are not in this journal: "
            f"{', '.join(self.transactions)}; resume with the journal that has them, or make a "
            "new plan where they are none of this migration's"
        )


@attrs.frozen
class InstancesTaken(MigrationError):
    """Strangers gave every instance an owner that this run made for `old`: `abandoned`.

    `drained` is what was withdrawn so far; it is noted, for the new vault to begin with.
    """

    old: Address
    abandoned: tuple[Address, ...]
    drained: int

    def __str__(self) -> str:
        return (
            f"strangers initialised all {len(self.abandoned)} instances that were made for "
            f"{self.old} first; {self.drained:,} were withdrawn so far and are noted. Resume, "
            "which tries others"
        )


@attrs.frozen
class HistoryGone(MigrationError):
    """The RPC keeps no events as old as the ledger that they are needed from."""

    contract: Address
    ledger: int

    def __str__(self) -> str:
        return (
            f"the RPC keeps no events of {self.contract} from ledger {self.ledger} on any more; "
            "use one that does, or what was kept: the files beside the plan, or the journal that "
            "applied it"
        )


@attrs.frozen
class NotMigrated(MigrationError):
    """The migration of `old` has not happened, or is not finished: there is nothing to verify."""

    old: Address
    reason: str

    def __str__(self) -> str:
        return f"{self.old} is not migrated: {self.reason}; apply the plan first"


@attrs.frozen
class NotVerified(MigrationError):
    """The checks `failed`, so the name stays where it is."""

    exit_code: ClassVar[int] = 1
    old: Address
    new: Address
    failed: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"the migration of {self.old} to {self.new} is not verified: "
            f"{'; '.join(self.failed)}; traffic stays where it is"
        )
