"""A run: compare a contract under test with its model, and report."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from callora_vault.model.versions import ABIS
from callora_vault.parity import campaign, saved
from callora_vault.parity.campaign import EXAMPLES, STEPS, Progress
from callora_vault.parity.factory.subject import FactorySubject
from callora_vault.parity.network.connection import Connection, connect_local
from callora_vault.parity.notation import text
from callora_vault.parity.steps import Step
from callora_vault.parity.subject import Subject
from callora_vault.parity.target import (
    FACTORY,
    Target,
    check_kind,
    check_protocol,
    from_file,
)
from callora_vault.parity.vault.subject import VaultSubject
from callora_vault.parity.verdict import Report


def subject(target: Target, connection: Connection, model: str | None = None) -> Subject[Any]:
    """Put a contract under test on a network, with a model (None: the one for its functions).

    Raises CannotRun.
    """
    model = target.model if model is None else model
    check_kind(target, model)
    check_protocol(target, connection.protocol)
    if model == FACTORY:
        return FactorySubject(connection, target.code)
    return VaultSubject(connection, target.code, ABIS[model])


def audit(
    target: Target,
    connection: Connection,
    *,
    model: str | None = None,
    examples: int = EXAMPLES,
    steps: int = STEPS,
    seconds: float = math.inf,
    seed: int | None = None,
    foreign: bool = False,
    saved_in: Path | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
) -> Report:
    """Compare a contract with a model on a network and report every distinct divergence.

    Arguments: `model`, None for the one that its functions are most like; `examples`, how many
    Hypothesis draws; `steps`, the most that each has; `seconds`, after which it draws no more;
    `seed`, to draw the same again; `foreign`, to let traps count as refusals and methods be
    missing; `saved_in`, the folder of examples from earlier runs, None for none.
    Raises CannotRun where the run cannot begin; what ends it later is in the report.
    """
    under_test = subject(target, connection, model)
    earlier = [] if saved_in is None else saved.load(saved_in, target.sha256)
    result = campaign.run(
        under_test,
        examples=examples,
        steps=steps,
        seconds=seconds,
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
            reason = error.strerror or error
            print(f"note: the examples could not be saved: {reason}", file=sys.stderr)
    return Report(
        target,
        model or target.model,
        under_test.table,
        connection.passphrase,
        under_test.can_age,
        result,
    )


def reproduce(contract: Target | str, steps: Sequence[Step], model: str | None = None) -> None:
    """Run the steps of a counterexample on an embedded network and print both sides.

    Arguments: `contract`, a target or a compiled contract's file; `model`, as in audit.
    Raises CannotRun; SystemExit with code 1 if the sides differ.
    """
    target = from_file(Path(contract)) if isinstance(contract, str) else contract
    found = campaign.reproduce(subject(target, connect_local(), model), steps)
    for line in found.lines:
        print(text(line.step))
        print(f"    model:    {line.expected}\n    contract: {line.observed}")
    for finding in found.findings:
        print(f"{finding.method}: {finding.detail}")
    if found.findings:
        raise SystemExit(1)
