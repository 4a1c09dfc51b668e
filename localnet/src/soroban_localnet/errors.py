"""What the network raises. Each error carries the values that its sentence names."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar


class LocalnetError(Exception):
    """The root of all errors of this package.

    `exit_code` is that of a command line which ends with the error.
    """

    exit_code: ClassVar[int] = 2


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


class FileError(LocalnetError):
    """A state file or a fork's cache cannot be read or written; nothing was changed by the attempt.

    Arguments: `path`; `reason`, what is wrong with it.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class FileInUse(FileError):
    """Another process has the file open.

    Arguments: `path`.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(
            path, "is in use by another network; stop that one, or name a file of its own for each"
        )


class FileMismatch(FileError):
    """The file belongs to another program, version or network."""


class ForkError(LocalnetError):
    """What a fork needs from its remote cannot be had; nothing was changed by the attempt.

    Arguments: `remote`, the remote's scheme, host and port; `reason`, what is wrong.
    """

    def __init__(self, remote: str, reason: str) -> None:
        super().__init__(f"fork of {remote}: {reason}")
        self.remote = remote
        self.reason = reason


class RemoteFailed(ForkError):
    """The remote was not reached, or answered with an error or with something unreadable."""


class RemoteMismatch(ForkError):
    """The remote is of another network than the cache, or than the one that was asked for.

    Arguments: `remote`; `expected` and `found`, passphrases.
    """

    def __init__(self, remote: str, expected: str, found: str) -> None:
        super().__init__(remote, f"its network is {found!r}, not {expected!r}")
        self.expected = expected
        self.found = found


class RemoteBeganAnew(ForkError):
    """The remote began anew since the fork did: what was read of it is of another network.

    Arguments: `remote`; `ledger`, the one that was forked and that the remote has otherwise now.
    """

    def __init__(self, remote: str, ledger: int) -> None:
        super().__init__(
            remote,
            f"its network began anew since ledger {ledger} was forked, and the two are not mixed; "
            "fork it again, with a new cache file, or use this one without a URL",
        )
        self.ledger = ledger


class NeedsNewerProtocol(ForkError):
    """Something of the remote cannot be run or read under the protocol of the embedded host.

    Arguments: `remote`; `subject`, what it is; `protocol`, the version that it needs; `embedded`,
    the version of the embedded host.
    """

    def __init__(self, remote: str, subject: str, protocol: int, embedded: int) -> None:
        super().__init__(
            remote, f"{subject} needs protocol {protocol}, the embedded host runs {embedded}"
        )
        self.subject = subject
        self.protocol = protocol
        self.embedded = embedded


class UnknownAccount(LocalnetError):
    """There is no such account.

    Arguments: `account_id` (G...).
    """

    def __init__(self, account_id: str) -> None:
        super().__init__(f"there is no account {account_id}")
        self.account_id = account_id
