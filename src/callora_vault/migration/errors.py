"""Why a migration is refused, stops, or is not verified. Each error is one line with its remedy."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import ClassVar

import attrs

from callora_vault.errors import CalloraError
from callora_vault.model.units import Address


class MigrationError(CalloraError):
    """Base of the errors of a migration. By default, nothing was signed."""


class Why(Enum):
    """Why a vault cannot be migrated in the given way: the reason, and the remedy."""

    NOT_INITIALISED = ("it is not initialised", "a vault without an owner needs no migration")
    UNDECODABLE = (
        "its stored entry is not a vault's",
        "only vaults can be migrated; see `callora-vault inspect`",
    )
    NEGATIVE_BALANCE = (
        "its balance is negative",
        "deposit first, or plan again with --mode zero",
    )
    NEGATIVE_MIN_DEPOSIT = (
        "its minimum deposit is negative",
        "give another with --min-deposit, which needs --mode stepwise or zero",
    )
    NO_CODE_OF_ITS_OWN = (
        "its code can change",
        "what it will do with a signature is not certain; plan again with --mode zero",
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
        "this program signs only for accounts; let the contract call the factory",
    )
    NO_FACTORY = (
        "it is not a factory of this program's code",
        "give another with --factory, or plan with --mode stepwise",
    )
    AUTHORISED_CALLER = (
        "it has an authorised caller, and the new code does not support one",
        "migrate to v2, or run `callora-vault set-authorized-caller --nobody` first",
    )
    REFUSES = (
        "its code refuses a call of the migration",
        "a vault without withdraw can only be left behind: plan with --mode zero",
    )
    KEEPS_BALANCE = (
        "its code reported a withdrawal, and its stored balance did not change accordingly",
        "a vault that keeps its balance can only be left behind: plan with --mode zero",
    )


@attrs.frozen
class CannotMigrate(MigrationError):
    """The vault or factory `contract` prevents the migration; `detail` has the values."""

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
            f"the owner {self.owner} must sign, and the key is that of {self.given}; use the "
            "owner's key"
        )


@attrs.frozen
class CodeMissing(MigrationError):
    """The new code is neither on the ledger nor given."""

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
            f"{self.old} was already migrated to {self.successor}, not to {self.expected} as in "
            f"this plan; inspect {self.successor}, and use it if it is yours"
        )


@attrs.frozen
class KeepsMoving(MigrationError):
    """The vault changed before each of `tries` attempts could be applied.

    `drained` is the amount that a stepwise migration has withdrawn from it so far.
    """

    contract: Address
    tries: int
    drained: int = 0

    def __str__(self) -> str:
        left = (
            f"{self.drained:,} withdrawn so far, as the journal records"
            if self.drained
            else "nothing was moved"
        )
        return (
            f"{self.contract} changed before each of {self.tries} attempts could be applied; "
            f"{left}; pause its writers (v2: `callora-vault set-authorized-caller --nobody`), then "
            "resume"
        )


@attrs.frozen
class WithdrawnByOthers(MigrationError):
    """Somebody withdrew from `contract` since the plan, outside this migration's journal."""

    contract: Address
    transactions: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"{self.contract} has withdrawals since the plan that are not in this journal: "
            f"{', '.join(self.transactions)}; resume with the journal that has them, or make a new "
            "plan if they do not belong to this migration"
        )


@attrs.frozen
class InstancesTaken(MigrationError):
    """Others initialised every instance that this run created for `old`: `abandoned`.

    `drained` is the amount withdrawn so far, which the journal records.
    """

    old: Address
    abandoned: tuple[Address, ...]
    drained: int

    def __str__(self) -> str:
        return (
            f"others initialised all {len(self.abandoned)} instances that were created for "
            f"{self.old} first; {self.drained:,} withdrawn so far, as the journal records; resume "
            "to create further ones"
        )


@attrs.frozen
class HistoryGone(MigrationError):
    """The RPC no longer has the events of `contract` from `ledger` on."""

    contract: Address
    ledger: int

    def __str__(self) -> str:
        return (
            f"the RPC no longer has the events of {self.contract} from ledger {self.ledger} on; "
            "use an RPC with a longer retention, or what was kept: the files beside the plan, or "
            "the journal that applied it"
        )


@attrs.frozen
class NotMigrated(MigrationError):
    """The migration of `old` has not happened, or is not finished."""

    old: Address
    reason: str

    def __str__(self) -> str:
        return f"{self.old} is not migrated: {self.reason}; apply the plan first"


@attrs.frozen
class NotVerified(MigrationError):
    """The checks `failed`, so the name keeps its contract."""

    exit_code: ClassVar[int] = 1
    old: Address
    new: Address
    failed: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"the migration of {self.old} to {self.new} is not verified: "
            f"{'; '.join(self.failed)}; the name was not changed"
        )
