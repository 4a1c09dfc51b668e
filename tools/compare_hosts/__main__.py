"""Proof that the WebAssembly build of the host is the host: the same requests to a native build.

A seeded workload drives a network in this process and records what crosses to the host: requests,
entries read, answers. The same shell, built natively, then answers the same requests, and every
answer has to be equal byte for byte: results, changes, events, texts, instructions, memory, fees.

Exit code: 0 all equal, 1 some differ, 2 could not run.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec
from tools.compare_hosts.native import HOST, CouldNotRun, NativeFailed, build, replay
from tools.compare_hosts.recording import record
from tools.compare_hosts.requests import (
    OPERATIONS,
    OUTCOMES,
    REQUESTS,
    ROOT,
    VECTORS,
    Request,
    outcome,
    write_vectors,
)


def _print(requests: Sequence[Request], answers: Sequence[bytes]) -> int:
    """Print a line for each operation and return how many answers differ."""
    counts: Counter[tuple[str, str]] = Counter()
    for request, answer in zip(requests, answers, strict=True):
        operation = OPERATIONS[request.operation]
        counts[operation, outcome(request)] += 1
        counts[operation, "differ"] += answer != request.answer
    columns = (*OUTCOMES, "differ")
    print(f"{'operation':<18}" + "".join(f"{column:>9}" for column in columns))
    for operation in OPERATIONS.values():
        row = "".join(f"{counts[operation, column]:>9}" for column in columns)
        print(f"{operation:<18}{row}")
    return sum(counts[operation, "differ"] for operation in OPERATIONS.values())


def _show(index: int, request: Request, answer: bytes) -> None:
    print(f"request {index}, {OPERATIONS[request.operation]}:")
    print(f"  WebAssembly {msgspec.msgpack.decode(request.answer)!r:.2000}")
    print(f"  native      {msgspec.msgpack.decode(answer)!r:.2000}")


def main(arguments: list[str] | None = None) -> int:
    """Record, replay natively, compare; with --write keep what was recorded."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--requests", type=int, default=REQUESTS, help="how many to compare")
    parser.add_argument("--seed", type=int, default=29, help="of the workload")
    parser.add_argument("--target-dir", type=Path, default=HOST / "target", help="cargo's")
    parser.add_argument("--write", action="store_true", help="write the tests' vectors anew")
    options = parser.parse_args(arguments)
    try:
        program = build(options.target_dir)
        requests = record(options.requests, options.seed)
        answers = replay(program, requests)
    except (CouldNotRun, OSError) as error:
        print(f"could not compare: {error}", file=sys.stderr)
        return 2
    except NativeFailed as error:
        print(f"DIFFERENT: {error}")
        return 1
    differ = _print(requests, answers)
    if differ:
        pairs = enumerate(zip(requests, answers, strict=True))
        index, (request, answer) = next(p for p in pairs if p[1][0].answer != p[1][1])
        _show(index, request, answer)
        print(f"DIFFERENT: {differ} of {len(requests)} answers, the first of them above")
        return 1
    print(f"EQUAL: {len(requests)} answers, byte for byte (seed {options.seed})")
    if options.write:
        write_vectors(requests)
        print(f"wrote {VECTORS.relative_to(ROOT)}, {VECTORS.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
