"""What an account has to keep for its entries, and who keeps it in its place.

Begin and end of sponsorship are not served here, but entries of another network, or entries that
were set, may have a sponsor: removing one gives the reserve back to whoever keeps it.
Source: CAP-33 (sponsored reserves), stellar-core's limit of entries for an account.
"""

from __future__ import annotations

import attrs

from soroban_localnet import xdr
from soroban_localnet.ledger.account import MAX_SIGNERS, MAX_WEIGHT, Account
from soroban_localnet.ledger.parameters import BASE_RESERVE
from soroban_localnet.ledger.store import Changes
from soroban_localnet.transactions.results import OperationCode, OperationFailed, untried

_MAX_SUBENTRIES = 1000


def available(account: Account) -> int:
    """Return what the account can spend, in stroops."""
    return account.balance - account.minimum_balance(BASE_RESERVE)


def with_subentry(account: Account, low_reserve: OperationFailed) -> Account:
    """Return the account with one more entry to keep a reserve for.

    Raises OperationFailed, which is `low_reserve` where the reserve is what lacks.
    """
    if account.subentries >= _MAX_SUBENTRIES:
        raise OperationFailed(untried(OperationCode.opTOO_MANY_SUBENTRIES))
    if available(account) < BASE_RESERVE:
        raise low_reserve
    return attrs.evolve(account, subentries=account.subentries + 1)


def without_subentry(changes: Changes, account: Account, extension: bytes, ledger: int) -> Account:
    """Return the account without an entry that had this LedgerEntryExt."""
    sponsor = xdr.sponsor(extension)
    return _released(changes, account, sponsor, ledger)


def without_signer(changes: Changes, account: Account, key: bytes, ledger: int) -> Account:
    """Return the account without one of its signers, given as SignerKey XDR."""
    position = next(n for n, (signer, _) in enumerate(account.signers) if signer == key)
    sponsors = account.signer_sponsors
    fewer = attrs.evolve(
        account,
        signers=account.signers[:position] + account.signers[position + 1 :],
        signer_sponsors=sponsors[:position] + sponsors[position + 1 :],
    )
    return _released(changes, fewer, sponsors[position] if sponsors else None, ledger)


def with_stand_in(changes: Changes, account: Account, key: bytes, ledger: int) -> Account:
    """Return the account with one more signer (SignerKey XDR), of enough weight for anything.

    Where there is no room for it, the last one gives way. What the account can spend stays: its
    balance grows by what it has to keep for the signer.
    """
    other = account
    if len(account.signers) >= MAX_SIGNERS:
        other = without_signer(changes, account, account.signers[-1][0], ledger)
    other = attrs.evolve(other, subentries=other.subentries + 1).with_signer(key, MAX_WEIGHT)
    return attrs.evolve(other, balance=other.balance + available(account) - available(other))


def _released(changes: Changes, account: Account, sponsor: bytes | None, ledger: int) -> Account:
    account = attrs.evolve(account, subentries=_fewer(account.subentries, 1))
    if sponsor is None:
        return account
    stop_sponsoring(changes, sponsor, 1, ledger)
    return attrs.evolve(account, sponsored=_fewer(account.sponsored, 1))


def stop_sponsoring(changes: Changes, sponsor: bytes, reserves: int, ledger: int) -> None:
    """Free an account of `reserves` base reserves that it kept for another."""
    keeper = changes.account(sponsor)
    if keeper is not None:  # an entry that was set by hand may name nobody
        freed = attrs.evolve(keeper, sponsoring=_fewer(keeper.sponsoring, reserves))
        changes.put_account(freed, ledger)


def _fewer(count: int, by: int) -> int:
    # a fork reads an account and its entries at different times, so they need not fit together
    return max(count - by, 0)
