"""The same seed in two processes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch as th

from sb3_vdb.experiments.reliability.damage import fingerprint
from sb3_vdb.experiments.reliability.subjects import ACTING, Quiet, make_cloning
from sb3_vdb.experiments.reliability.trials import Trial

PART = "seeds"
STEPS = 120


def fingerprints() -> dict[str, str]:
    """Train every learner and return a checksum of its weights, by name."""
    th.set_num_threads(1)
    weights = {}
    with tempfile.TemporaryDirectory() as folder, Quiet():
        for name, make in ACTING.items():
            weights[name] = fingerprint(make(Path(folder) / name).learn(STEPS).policy.state_dict())
    weights["cloning"] = fingerprint(make_cloning().learn(20).policy.state_dict())
    return weights


def seeds() -> Iterator[Trial]:
    """Train with one seed in two processes that hash strings differently, and compare weights."""
    answers = [_in_process(hash_seed) for hash_seed in ("1", "2")]
    for name, one in answers[0].items():
        held = one == answers[1][name]
        yield Trial(PART, name, held, "equal bit for bit" if held else "other weights")


def _in_process(hash_seed: str) -> dict[str, str]:
    code = (
        f"from {__name__} import fingerprints\n"
        "for name, each in fingerprints().items(): print(each, name)"
    )
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    answer = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    pairs = [line.partition(" ") for line in answer.stdout.splitlines()]
    return {name: each for each, _, name in pairs}
