"""One run of the transfer: an expert, a method, a seed; and the folder it lives in.

``<out>/<maze>_<seed>/`` holds ``config.json``, ``expert/`` and a folder for each method.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from sb3_vdb.demonstrations import Demonstrations
from sb3_vdb.evaluation.returns import evaluate_returns
from sb3_vdb.experiments.runner import Job, Report
from sb3_vdb.experiments.transfer.phases import (
    evaluate_random,
    learn_reward,
    retrain,
    train_expert,
)
from sb3_vdb.experiments.transfer.policies import PhaseReport, learn_policy
from sb3_vdb.experiments.transfer.settings import TransferSettings, with_defaults
from sb3_vdb.experiments.versions import note_versions
from sb3_vdb.files import write_text
from sb3_vdb.recovered_reward import RecoveredReward

WRITE_EVERY = 5.0  # seconds between two notes of the time spent
GUIDE_SEED = 77_000


class Cell(NamedTuple):
    """A maze and a seed; all methods in it share an expert.

    :param out: folder of the whole experiment
    :param settings: of the maze
    :param seed: random seed
    """

    out: Path
    settings: TransferSettings
    seed: int

    @property
    def name(self) -> str:
        """For example ``C_0``."""
        return f"{self.settings.maze}_{self.seed}"

    @property
    def folder(self) -> Path:
        """Of the cell."""
        return self.out / self.name

    def claim(self, versions: dict[str, str]) -> None:
        """Write all arguments and versions as ``config.json``, or check that they are those there.

        :raises ValueError: the folder holds a run with other arguments
        """
        claim(self.folder, {"seed": self.seed, **self.settings.to_dict()}, versions)

    def versions(self) -> list[dict[str, str]]:
        """What its folder was claimed with, and what worked on its methods."""
        config = self.folder / "config.json"
        claimed = [json.loads(config.read_text())["versions"]] if config.exists() else []
        noted = [json.loads(path.read_text()) for path in self.folder.glob("*/versions.json")]
        return [*claimed, *(each for versions in noted for each in versions)]

    def expert_job(self) -> Job:
        """Trains the expert and records the demonstrations."""
        work = partial(train_expert, self.settings, 1000 * self.seed, self.folder / "expert")
        return Job(f"{self.name} expert", self.settings.expert.steps, work)

    def reward_job(self, method: str) -> Job:
        """Inverse RL of one method alone."""
        work = partial(run_reward, self, method)
        return Job(f"{self.name} {method} reward", self.settings.irl.steps, work)

    def demonstrations(self) -> Demonstrations:
        """The expert's."""
        return Demonstrations.load(self.folder / "expert" / "demonstrations.npz")

    def method_job(self, method: str) -> Job:
        """Inverse RL and retraining of one method."""
        total = self.settings.irl.steps + self.settings.retraining.steps
        return Job(f"{self.name} {method}", total, partial(run_method, self, method))


def claim(folder: Path, arguments: dict[str, Any], versions: dict[str, str]) -> None:
    """Write arguments and versions as ``config.json`` of a folder, or check that the arguments are
    those there. Settings that a run's version did not have yet are as they are by default.

    :raises ValueError: the folder holds a run with other arguments
    """
    path = folder / "config.json"
    if not path.exists():
        write_text(path, json.dumps({**arguments, "versions": versions}, indent=1))
        return
    found, wanted = json.loads(path.read_text()), json.loads(json.dumps(arguments))
    found = with_defaults(found)
    other = {name: found.get(name) for name, value in wanted.items() if found.get(name) != value}
    if other:
        raise ValueError(
            f"{folder} holds a run with {other}; choose another folder with --out or remove it"
        )


class Stopwatch:
    """Seconds spent on something, over all processes that worked on it.

    :param path: where they are kept
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._before = float(path.read_text()) if path.exists() else 0.0
        self._start = self._written = time.monotonic()

    @property
    def seconds(self) -> float:
        """So far; what a killed process did after it last wrote is not counted."""
        return self._before + time.monotonic() - self._start

    def watch(self, report: Report) -> Report:
        """The same report, which also writes the seconds down now and then."""

        def tell(done: int, note: str) -> None:
            if time.monotonic() - self._written > WRITE_EVERY:
                self.write()
            report(done, note)

        return tell

    def write(self) -> None:
        """Write the seconds down."""
        self._written = time.monotonic()
        write_text(self.path, f"{self.seconds:.1f}")


def run_method(cell: Cell, method: str, report: Report) -> None:
    """Inverse RL and retraining of one method, into its folder of the cell, unless its
    ``result.json`` is there already. A reward on which every retraining is stuck is put aside, as
    ``irl_stuck_<i>`` and ``retraining_stuck_<i>``, and another one learned, as often as the
    settings allow.
    """
    folder, seed = cell.folder / method, 1000 * cell.seed
    if (folder / "result.json").exists():
        return
    note_versions(folder / "versions.json")
    watch = Stopwatch(folder / "seconds.txt")
    report = watch.watch(report)
    settings, demonstrations = cell.settings, cell.demonstrations()
    for i in range(_given_up(folder), settings.max_rewards):
        before = i * (settings.irl.steps + settings.max_retrainings * settings.retraining.steps)
        _learn_reward(cell, method, i, report, before)
        reward = RecoveredReward.load(folder / "irl" / "reward.pt")
        found = retrain(
            settings,
            reward,
            demonstrations,
            seed + 200 + i * settings.max_retrainings,
            folder / "retraining",
            report,
            before + settings.irl.steps,
        )
        if not found["stuck"]:
            break
        if i + 1 < settings.max_rewards:
            _give_up(folder, i)
    imitation = json.loads((folder / "irl" / "result.json").read_text())
    figures = {"maze": settings.maze, "method": method, "seed": cell.seed, **found}
    n_retrainings = len(list(folder.glob("retraining*/attempt_*")))
    figures |= {"n_rewards": i + 1, "n_retrainings": n_retrainings}
    figures |= {"imitation_return": imitation["return"]}
    rewards = sum(float(path.read_text()) for path in folder.glob("irl*/seconds.txt"))
    figures |= {"minutes": round((watch.seconds + rewards) / 60, 2)}
    write_text(folder / "result.json", json.dumps(figures, indent=1))


def _learn_reward(cell: Cell, method: str, i: int, report: Report, before: int = 0) -> None:
    """The i-th reward of a method, each with another seed."""
    seed, folder = 1000 * cell.seed + 100 + i, cell.folder / method / "irl"
    learn_reward(method, cell.settings, cell.demonstrations(), seed, folder, report, before)


def run_reward(cell: Cell, method: str, report: Report) -> None:
    """The first reward of a method alone, from which :func:`run_method` goes on. Nothing happens
    where it is learned already, or was put aside.
    """
    folder = cell.folder / method
    if _given_up(folder) or (folder / "irl" / "result.json").exists():
        return
    note_versions(folder / "versions.json")
    watch = Stopwatch(folder / "irl" / "seconds.txt")  # goes with the reward
    _learn_reward(cell, method, 0, watch.watch(report))
    watch.write()


def _give_up(folder: Path, i: int) -> None:
    """Put a reward aside on which every retraining was stuck."""
    for name in ("irl", "retraining"):
        if (folder / name).exists():
            (folder / name).rename(folder / f"{name}_stuck_{i}")


def _given_up(folder: Path) -> int:
    """How many rewards were put aside, one of them perhaps only half when the job was killed."""
    n = len(list(folder.glob("irl_stuck_*")))
    if len(list(folder.glob("retraining_stuck_*"))) < n:
        _give_up(folder, n - 1)
    return n


def run_snapshot(cell: Cell, method: str, round_number: int, report: Report) -> None:
    """Retraining on the reward as it was after some rounds of inverse RL."""
    name = f"reward_{round_number:04d}"
    folder = cell.folder / method / "snapshots" / name
    if (folder / "result.json").exists():
        return
    reward = RecoveredReward.load(cell.folder / method / "irl" / f"{name}.pt")
    demonstrations = cell.demonstrations()
    seed = 1000 * cell.seed + 200
    found = retrain(cell.settings, reward, demonstrations, seed, folder, report)
    figures = {"maze": cell.settings.maze, "method": method, "seed": cell.seed}
    write_text(
        folder / "result.json", json.dumps({**figures, "round": round_number, **found}, indent=1)
    )


def run_guide(cell: Cell, report: Report) -> None:
    """Train a policy on the true reward in the flipped maze and keep its episodes without noise, to
    compare what a learned reward pays for solving the maze with what it pays for being stuck. No
    reward and no retrained policy ever sees it.
    """
    folder = guide_folder(cell)
    if (folder / "episodes.npz").exists():
        return
    phase = cell.settings.guide
    venv = cell.settings.test_mazes(phase.mazes, GUIDE_SEED)
    model = learn_policy(venv, phase, GUIDE_SEED, folder, PhaseReport(report, "guide"))
    fresh = cell.settings.test_mazes(20, GUIDE_SEED + 500)
    result = evaluate_returns(model, fresh, 20, deterministic=True)
    write_text(folder / "result.json", json.dumps({"return": result.mean, "std": result.std}))
    result.episodes.save(folder / "episodes.npz")


def guide_folder(cell: Cell) -> Path:
    """Of the cell's maze."""
    return cell.out / f"{cell.settings.maze}_guide"


def claim_guide(cell: Cell, versions: dict[str, str]) -> None:
    """As :meth:`Cell.claim`, for the guide of its maze.

    :raises ValueError: the folder holds a run with other arguments
    """
    settings = cell.settings
    arguments = {
        "maze": settings.maze,
        "test_force_limit": settings.test_force_limit,
        "expert": asdict(settings.guide),
    }
    claim(guide_folder(cell), arguments, versions)


def guide_job(cell: Cell) -> Job:
    """See :func:`run_guide`."""
    name = f"{cell.settings.maze} guide"
    return Job(name, cell.settings.guide.steps, partial(run_guide, cell))


def result_rows(cell: Cell, methods: list[str]) -> list[dict[str, Any]]:
    """The expert, every finished method, and random actions.

    Expert and random actions have learned returns by the reward of the first finished method.
    """
    finished = [each for each in methods if (cell.folder / each / "result.json").exists()]
    judge = None
    if finished:
        judge = RecoveredReward.load(cell.folder / finished[0] / "irl" / "reward.pt")
    expert = json.loads((cell.folder / "expert" / "result.json").read_text())
    demonstrations = cell.demonstrations()
    random = evaluate_random(cell.settings, 1000 * cell.seed + 950, judge)
    judged = {"judge": finished[0]} if finished else {}
    learned = judge and float(judge(demonstrations.transitions()).sum() / len(demonstrations))
    rows = [
        {
            "name": "expert (training maze)",
            "mean": expert["return"],
            "std": expert["return_std"],
            "success_rate": expert["success_rate"],
            "learned_return": learned,
            **judged,
        }
    ]
    rows += [_method_row(cell.folder / method) for method in finished]
    return [
        *rows,
        {
            "name": "random actions",
            "mean": random.mean,
            "std": random.std,
            "success_rate": random.success_rate,
            "learned_return": random.learned_mean,
            **judged,
        },
    ]


def _method_row(folder: Path) -> dict[str, Any]:
    result = json.loads((folder / "result.json").read_text())
    return {
        "name": folder.name,
        "mean": result["transfer_return"],
        "std": result["transfer_return_std"],
        "success_rate": result["success_rate"],
        "learned_return": result["learned_return"],
        "stuck": result["stuck"],
        "retrainings": result["n_retrainings"],
    }
