"""The edges: amounts, symbols and ledgers at which the behaviour changes."""

from __future__ import annotations

import string
from typing import Final

from hypothesis import strategies as st

from callora_vault.model.renewal import LEDGERS_PER_DAY, RENEW_AT
from callora_vault.model.units import I128_MAX, I128_MIN, SYMBOL_LIMIT
from callora_vault.model.vault import State
from callora_vault.parity.network.signatures import LIFE_LEDGERS

ENDS: Final = (I128_MAX, I128_MAX - 1, I128_MIN, I128_MIN + 1)
WORDS: Final = (2**32, 2**63, 2**64 - 1, 2**64 + 1)
"""Amounts at the limits of smaller integers, and of the low word of an i128."""

_LETTERS: Final = string.ascii_letters + string.digits + "_"

# a symbol of up to nine characters fits into a value of the host
SYMBOL_EDGES: Final = (None, "", "r", "Z" * SYMBOL_LIMIT, "_9", "s" * 8, "s" * 9, "s" * 10)
SYMBOLS: Final = st.one_of(
    st.sampled_from(SYMBOL_EDGES),
    st.text(_LETTERS, max_size=SYMBOL_LIMIT),
)
MAGNITUDES: Final = st.integers(0, 126).flatmap(
    lambda bits: st.integers(2**bits, 2 ** (bits + 1) - 1)
)
"""Amounts of any number of bits, each number equally likely."""


def amount_edges(state: State) -> list[int]:
    """List the edges of amounts: those of the state and of i128."""
    edges = [1, 0, -1, 2]
    if state is not None:
        for edge in (state.balance, state.min_deposit, I128_MAX - state.balance):
            edges += [edge, edge + 1, edge - 1]
    edges += (*ENDS, *WORDS)
    return list(dict.fromkeys(edge for edge in edges if I128_MIN <= edge <= I128_MAX))


def amounts(state: State) -> st.SearchStrategy[int]:
    """Draw an amount: an edge, or any."""
    return st.one_of(
        st.sampled_from(amount_edges(state)),
        st.integers(1, 1_000_000),
        MAGNITUDES,
        st.integers(I128_MIN, I128_MAX),
    )


FIRST_AMOUNT_EDGES: Final = (None, 0, 1, -1, 5, *ENDS, 2**63, 2**64)


def ages(left: int) -> st.SearchStrategy[int]:
    """Draw a number of ledgers to pass: at the edges of renewal and archival, and past them.

    Arguments: `left`, the TTL of the instance after the next call.
    """
    edges = [1, LEDGERS_PER_DAY, LIFE_LEDGERS, left - RENEW_AT - 1, left - RENEW_AT]
    edges += [left, left + 2]
    return st.sampled_from(list(dict.fromkeys(edge for edge in edges if edge > 0)))
