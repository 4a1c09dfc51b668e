"""Transitions of the model a second, on one core."""

import time
from collections.abc import Callable

from callora_vault.calls import Balance, Call, Deduct, Deposit, GetMeta, Init, Withdraw, WithdrawTo
from callora_vault.transition import Accepted, transition

OWNER = "GA7QYNF7SOWQ3GLR2BGMZEHXAVIRZA4KVWLTJJFC7MGXUA74P7UJVSGZ"
VAULT = "CA3D5KRYM6CB7OWQ6TWYRR3Z4T7GNZLKERYNZGGA5SOAOPIFY6YQGAXE"
AIM = 200_000
ROUNDS = 5
REPEATS = 5_000


def calls() -> list[Call]:
    """A backend's mix: most are accepted deductions, every method and some refusals occur."""
    return [
        Init(OWNER, 1_000_000_000, 10),
        *(Deduct(OWNER, 25, f"request_{number}") for number in range(10)),
        Deposit(5_000),
        Deposit(5),
        Deduct(VAULT, 25),
        Balance(),
        GetMeta(),
        Withdraw(2**126),
        Withdraw(100),
        WithdrawTo(VAULT, 100),
        Init(OWNER),
    ]


def run(mix: Callable[[], list[Call]]) -> int:
    """Apply the mix REPEATS times to a vault of its own each. Returns the number of transitions."""
    signers = frozenset((OWNER, VAULT))
    count = 0
    for _ in range(REPEATS):
        state = None
        for call in mix():
            outcome = transition(state, call, signers)
            if isinstance(outcome, Accepted):
                state = outcome.state
            count += 1
    return count


def rate(mix: Callable[[], list[Call]]) -> float:
    """Transitions a second in the best of ROUNDS."""
    best = 0.0
    for _ in range(ROUNDS):
        start = time.perf_counter()
        count = run(mix)
        best = max(best, count / (time.perf_counter() - start))
    return best


def main() -> None:
    built = calls()
    for what, figure in (
        ("transitions of calls built before", rate(lambda: built)),
        ("the calls built and checked each time", rate(calls)),
    ):
        print(f"model: {what}: {figure:,.0f} a second, {figure / AIM:.1f} times the aim")


if __name__ == "__main__":
    main()
