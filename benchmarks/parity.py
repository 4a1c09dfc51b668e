"""How many parity steps a second, and how much memory a long run takes."""

from __future__ import annotations

import argparse
import resource
import sys
import time

from callora_vault.parity import Progress, campaign, committed, connect_local, subject

SHORT = 10_000
LONG = 100_000
STEPS = 30
PER_EXAMPLE = 20
"""Steps that an example of at most 30 has at the least, on average."""


def _peak_megabytes() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def measure(long: int) -> None:
    """Print steps a second, and the peak of memory after a short and after a long run."""
    peaks: dict[int, float] = {}

    def watch(now: Progress) -> None:
        for steps in (SHORT, long):
            if steps not in peaks and now.steps >= steps:
                peaks[steps] = _peak_megabytes()

    under_test = subject(committed(), connect_local())
    start = time.perf_counter()
    result = campaign.run(
        under_test, examples=long // PER_EXAMPLE, steps=STEPS, run_seed=1, progress=watch
    )
    seconds = time.perf_counter() - start
    steps = result.tally.steps
    assert result.error is None
    assert not result.divergences
    print(f"parity steps              {steps:9d}      {steps / seconds:6.0f} a second")
    for count, peak in peaks.items():
        print(f"memory after {count:7d} steps {peak:8.0f} MB")
    print(f"  ratio                    {peaks[long] / peaks[SHORT]:8.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=LONG, help="how many the long run has")
    measure(parser.parse_args().steps)
