"""The proof that a contract does what the model says: both driven side by side on a network."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from callora_vault.parity import campaign, saved
from callora_vault.parity.campaign import EXAMPLES, STEPS, Progress
from callora_vault.parity.chain import Chain, Connection, connect, connect_local
from callora_vault.parity.errors import CannotRun
from callora_vault.parity.report import Report, Verdict
from callora_vault.parity.steps import Age, Lane, Restore, Role, Step, Submit
from callora_vault.parity.target import Target, check_protocol, committed, deployed, from_file

__all__ = [
    "MODELS",
    "Age",
    "CannotRun",
    "Connection",
    "Lane",
    "Progress",
    "Report",
    "Restore",
    "Role",
    "Step",
    "Submit",
    "Target",
    "Verdict",
    "audit",
    "committed",
    "connect",
    "connect_local",
    "deployed",
    "from_file",
    "reproduce",
]

MODELS = ("v1",)
"""The models that a contract can be compared with."""


def audit(
    target: Target,
    connection: Connection,
    *,
    model: str = "v1",
    examples: int = EXAMPLES,
    steps: int = STEPS,
    seed: int | None = None,
    foreign: bool = False,
    saved_in: Path | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
) -> Report:
    """Compare a contract with a model on a network and report every distinct divergence.

    Arguments: `examples`, how many Hypothesis draws; `steps`, the most that each has; `seed`, to
    draw the same again; `foreign`, to let traps count as refusals and methods be missing;
    `saved_in`, the folder of examples from earlier runs, None for none.
    Raises CannotRun where the run cannot begin; what ends it later is in the report.
    """
    if model not in MODELS:
        raise CannotRun(f"there is no model {model!r}", f"choose one of: {', '.join(MODELS)}")
    check_protocol(target, connection.protocol)
    chain = Chain(connection, target.code)
    earlier = [] if saved_in is None else saved.load(saved_in, target.sha256)
    result = campaign.run(
        chain,
        examples=examples,
        steps=steps,
        run_seed=seed,
        foreign=foreign,
        saved=earlier,
        progress=progress,
    )
    if saved_in is not None:
        kept = [found.steps for found in result.divergences]
        try:
            saved.store(saved_in, target.sha256, kept)
        except OSError as error:
            print(f"note: the examples could not be saved: {error}", file=sys.stderr)
    return Report(target, model, connection.passphrase, chain.can_age, result)


def reproduce(contract: Target | str, steps: Sequence[Step]) -> None:
    """Make the steps of a counterexample on an embedded network and print both sides.

    Arguments: `contract`, a target or a compiled contract's file.
    Raises CannotRun; SystemExit with code 1 where the sides differ.
    """
    target = from_file(Path(contract)) if isinstance(contract, str) else contract
    found = campaign.reproduce(Chain(connect_local(), target.code), steps)
    for line in found.lines:
        print(f"{line.step}\n    model:    {line.expected}\n    contract: {line.observed}")
    for finding in found.findings:
        print(f"{finding.method}: {finding.detail}")
    if found.findings:
        raise SystemExit(1)
