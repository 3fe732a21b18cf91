"""Processes that are killed while they save: what is on disk afterwards."""

from __future__ import annotations

import os
import random
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch as th

from sb3_vdb.adversarial import GAIL
from sb3_vdb.baselines.behavioural_cloning import ClonedPolicy
from sb3_vdb.experiments.framework.run import Run, read_config, read_result, write_result
from sb3_vdb.experiments.reliability.subjects import (
    ACTING,
    Quiet,
    make_cloning,
    make_venv,
    make_vmail,
)
from sb3_vdb.experiments.reliability.trials import Trial, in_words
from sb3_vdb.vmail import VMAIL

PART = "kills"
WITHIN = 0.25  # seconds after the first save in which a process is killed
PATIENCE = 120.0  # seconds for a process to begin


class Saver(NamedTuple):
    """What is killed.

    :param save: writes into a folder, again and again
    :param load: reads from it; raises where that fails
    """

    save: Callable[[Path], None]
    load: Callable[[Path], Any]


class Marked(Run):
    """A run of a study that ends at once, again and again."""

    @property
    def name(self) -> str:
        """Name of the folder."""
        return "run"

    def arguments(self) -> dict[str, Any]:
        """See :class:`Run`."""
        return {"steps": 1}


def _savers(folder: Path) -> dict[str, Saver]:
    trainer, model, cloning = (
        ACTING["GAIL with PPO"](folder / "log"),
        make_vmail(folder),
        make_cloning(),
    )
    with_replay = make_vmail(folder).learn(2 * 40)

    def save_parts(target: Path) -> None:
        with_replay.num_timesteps += 1
        with_replay.save_replay_buffer(target / "replay", parts=True)
        with_replay.save(target / "model.zip")

    def load_parts(target: Path) -> None:
        loaded = VMAIL.load(target / "model.zip", env=make_venv(), device="cpu")
        loaded.load_replay_buffer(target / "replay")

    return {
        "a trainer saves": Saver(
            lambda target: _nothing(trainer.save(target / "t.zip")),
            lambda target: GAIL.load(target / "t.zip", make_venv()),
        ),
        "V-MAIL saves": Saver(
            lambda target: model.save(target / "m.zip"),
            lambda target: VMAIL.load(target / "m.zip", device="cpu"),
        ),
        "V-MAIL saves replay and networks": Saver(save_parts, load_parts),
        "cloning saves": Saver(
            lambda target: cloning.save(target / "p.pt"),
            lambda target: ClonedPolicy.load(target / "p.pt", device="cpu"),
        ),
        "a run notes its result": Saver(_save_run, _load_run),
    }


def _save_run(target: Path) -> None:
    run = Marked(target)
    run.claim()
    run.note_versions()
    write_result(run.folder, {"return": 1.0})


def _load_run(target: Path) -> None:
    run = Marked(target)
    read_config(run.folder)
    read_result(run.folder)


def _nothing(_: Any) -> None:
    """Return nothing, for a function that returns something."""


def kills(n: int, seed: int = 0) -> Iterator[Trial]:
    """Kill processes that save, at random moments.

    :param n: how many
    :param seed: of the moments
    """
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder, Quiet():
        savers = _savers(Path(folder))
        for i in range(n):
            name = list(savers)[i % len(savers)]
            target = Path(folder) / f"killed_{i}"
            target.mkdir()
            yield _kill(name, savers[name], target, rng.uniform(0.0, WITHIN))


def _kill(name: str, saver: Saver, target: Path, seconds: float) -> Trial:
    """Kill a process that saves, then load, save once more, and look for what is left over."""
    pid = os.fork()
    if pid == 0:  # the child only saves
        _save_forever(saver, target)
    deadline = time.monotonic() + PATIENCE
    while not (target / "begun").exists() and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(seconds)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    try:
        saver.load(target)
        saver.save(target)
        saver.load(target)
    except Exception as error:  # whatever it is, it is what the trial is about
        return Trial(PART, name, False, in_words(error))
    left = [each.name for each in target.rglob(".*.*") if each.name != ".lock"]
    outcome = f"left {left[0]}" if left else "whole file, nothing left over"
    return Trial(PART, name, not left, outcome)


def _save_forever(saver: Saver, target: Path) -> None:
    try:
        th.set_num_threads(1)
        saver.save(target)
        (target / "begun").touch()
        while True:
            saver.save(target)
    finally:
        os._exit(1)
