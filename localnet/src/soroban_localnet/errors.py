"""What the network raises. Each error carries the values that its sentence names."""

from __future__ import annotations


class LocalnetError(Exception):
    """Base of all errors of this package."""


class SettingsError(LocalnetError):
    """The network settings lack an entry, or one cannot be read.

    Arguments: `setting`, the name of the entry; `reason`, what is wrong with it.
    """

    def __init__(self, setting: str, reason: str) -> None:
        super().__init__(f"network settings: {setting}: {reason}")
        self.setting = setting
        self.reason = reason


class HostCrashed(LocalnetError):
    """The host module trapped. Its instance was thrown away; the next call gets a new one.

    Arguments: `operation`, the export that was called; `trap`, the text of the trap.
    """

    def __init__(self, operation: str, trap: str) -> None:
        super().__init__(f"the Soroban host trapped in {operation}: {trap}")
        self.operation = operation
        self.trap = trap


class HostRefused(LocalnetError):
    """The host answered a request with an error of its own.

    Arguments: `operation`, the export that was called; `reason`, the host's text.
    """

    def __init__(self, operation: str, reason: str) -> None:
        super().__init__(f"the Soroban host refused {operation}: {reason}")
        self.operation = operation
        self.reason = reason


class UnknownSnapshot(LocalnetError):
    """A snapshot that was never taken, or that an earlier revert threw away.

    Arguments: `snapshot`, its number.
    """

    def __init__(self, snapshot: int) -> None:
        super().__init__(f"snapshot {snapshot} is not there: revert to an earlier one drops it")
        self.snapshot = snapshot


class MalformedEnvelope(LocalnetError):
    """Bytes that are no transaction envelope.

    Arguments: `reason`, what the decoder said.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"could not unmarshal transaction: {reason}")
        self.reason = reason


class FundingFailed(LocalnetError):
    """The account could not be created and funded.

    Arguments: `account_id`, the account (G...); `reason`, the result code of the transaction.
    """

    def __init__(self, account_id: str, reason: str) -> None:
        super().__init__(f"could not fund {account_id}: {reason}")
        self.account_id = account_id
        self.reason = reason
