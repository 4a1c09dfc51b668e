"""The errors of this package. Each carries the values that its message names."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar


class LocalnetError(Exception):
    """The root of all errors of this package.

    `exit_code` is the exit code of a command that ends with the error.
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
    """The host answered a request with an error.

    Arguments: `operation`, the export that was called; `reason`, the host's text.
    """

    def __init__(self, operation: str, reason: str) -> None:
        super().__init__(f"the Soroban host rejected {operation}: {reason}")
        self.operation = operation
        self.reason = reason


class UnknownSnapshot(LocalnetError):
    """The snapshot was never taken, or a revert to an earlier one removed it.

    Arguments: `snapshot`, its number.
    """

    def __init__(self, snapshot: int) -> None:
        super().__init__(f"there is no snapshot {snapshot} (a revert removes the later ones)")
        self.snapshot = snapshot


class MalformedEnvelope(LocalnetError):
    """The bytes are not a transaction envelope.

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
    """A state file or a fork's cache cannot be read or written; the attempt changed nothing.

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
            path, "is in use by another network; stop that network, or use another file"
        )


class FileMismatch(FileError):
    """The file belongs to another program, version or network."""


class ForkError(LocalnetError):
    """A fork cannot read from its remote; the attempt changed nothing.

    Arguments: `remote`, the remote's scheme, host and port; `reason`, what is wrong.
    """

    def __init__(self, remote: str, reason: str) -> None:
        super().__init__(f"fork of {remote}: {reason}")
        self.remote = remote
        self.reason = reason


class RemoteFailed(ForkError):
    """The remote cannot be reached, or its answer is an error or unreadable."""


class RemoteMismatch(ForkError):
    """The remote has another passphrase than the cache, or than the caller expects.

    Arguments: `remote`; `expected` and `found`, passphrases.
    """

    def __init__(self, remote: str, expected: str, found: str) -> None:
        super().__init__(remote, f'its passphrase is "{found}", not "{expected}"')
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
    """The embedded host cannot run or read something that the remote has.

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
    """The account does not exist.

    Arguments: `account_id` (G...).
    """

    def __init__(self, account_id: str) -> None:
        super().__init__(f"account {account_id} does not exist")
        self.account_id = account_id
