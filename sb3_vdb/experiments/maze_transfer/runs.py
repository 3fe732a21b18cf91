"""Runs of the transfer: all methods of a maze and a seed, with their expert, and the maze's guide.

``<out>/<maze>_<seed>/`` holds ``config.json``, ``expert/`` and a folder for each method.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sb3_vdb.demonstrations import Demonstrations
from sb3_vdb.evaluation.returns import evaluate_returns
from sb3_vdb.experiments.framework.job import Job, Report
from sb3_vdb.experiments.framework.run import (
    Run,
    Stopwatch,
    defaults_of,
    has_result,
    read_result,
    write_result,
)
from sb3_vdb.experiments.maze_transfer.phases import (
    evaluate_random,
    learn_reward,
    retrain,
    train_expert,
)
from sb3_vdb.experiments.maze_transfer.policies import PhaseReport, learn_policy
from sb3_vdb.experiments.maze_transfer.settings import TransferSettings
from sb3_vdb.files import read_number
from sb3_vdb.recovered_reward import RecoveredReward

GUIDE_SEED = 77_000


@dataclass(frozen=True)
class Cell(Run):
    """A maze and a seed; all methods in it share an expert.

    :param settings: of the maze
    :param seed: random seed
    """

    settings: TransferSettings
    seed: int

    @property
    def name(self) -> str:
        """Name of the folder, for example ``C_0``."""
        return f"{self.settings.maze}_{self.seed}"

    def arguments(self) -> dict[str, Any]:
        """See :class:`Run`."""
        return {"seed": self.seed, **asdict(self.settings)}

    def defaults(self) -> dict[str, Any]:
        """See :class:`Run`."""
        return defaults_of(self.settings)

    @property
    def is_taught(self) -> bool:
        """Whether there are demonstrations."""
        return (self.folder / "expert" / "demonstrations.npz").exists()

    def has_finished(self, method: str) -> bool:
        """Whether a method has a result."""
        return has_result(self.folder / method)

    def demonstrations(self) -> Demonstrations:
        """Load the expert's demonstrations."""
        return Demonstrations.load(self.folder / "expert" / "demonstrations.npz")

    def reward(self, method: str, name: str = "reward") -> RecoveredReward:
        """Load the reward that a method recovered."""
        return RecoveredReward.load(self.folder / method / "irl" / f"{name}.pt")

    def expert_job(self) -> Job:
        """Make the job that trains the expert and records the demonstrations."""
        return Job(f"{self.name} expert", self.settings.expert.steps, partial(run_expert, self))

    def reward_job(self, method: str) -> Job:
        """Make the job of inverse RL alone."""
        work = partial(run_reward, self, method)
        return Job(f"{self.name} {method} reward", self.settings.irl.steps, work)

    def method_job(self, method: str) -> Job:
        """Make the job of inverse RL and retraining."""
        total = self.settings.irl.steps + self.settings.retraining.steps
        return Job(f"{self.name} {method}", total, partial(run_method, self, method))

    def snapshot_job(self, method: str, n: int) -> Job:
        """Make the job of retraining on the reward after some rounds."""
        work = partial(run_snapshot, self, method, n)
        return Job(f"{self.name} {method} {n}", self.settings.retraining.steps, work)


@dataclass(frozen=True)
class Guide(Run):
    """A policy trained on the true reward in the flipped maze, whose episodes without noise tell
    what a learned reward pays for solving the maze. No reward and no retrained policy ever sees it.

    :param settings: of the maze
    """

    settings: TransferSettings

    @property
    def name(self) -> str:
        """Name of the folder, for example ``C_guide``."""
        return f"{self.settings.maze}_guide"

    def arguments(self) -> dict[str, Any]:
        """See :class:`Run`."""
        settings = self.settings
        forces = {"maze": settings.maze, "test_force_limit": settings.test_force_limit}
        return {**forces, "expert": asdict(settings.guide)}

    def defaults(self) -> dict[str, Any]:
        """See :class:`Run`."""
        return {"test_force_limit": None, **defaults_of(self.settings.guide, "expert.")}

    @property
    def path(self) -> Path:
        """File of the episodes."""
        return self.folder / "episodes.npz"

    def job(self) -> Job:
        """Make the job that trains it."""
        name = f"{self.settings.maze} guide"
        return Job(name, self.settings.guide.steps, partial(run_guide, self))


def run_expert(cell: Cell, report: Report) -> None:
    """Train the expert of a cell and record its demonstrations, unless they are there already."""
    if not cell.is_taught:
        cell.note_versions("expert")
        train_expert(cell.settings, 1000 * cell.seed, cell.folder / "expert", report)


def run_method(cell: Cell, method: str, report: Report) -> None:
    """Do inverse RL and retraining of one method, in its folder of the cell, unless its
    ``result.json`` is there already. A reward on which every retraining is stuck is put aside, as
    ``irl_stuck_<i>`` and ``retraining_stuck_<i>``, and another one learned, as often as the
    settings allow.
    """
    folder, seed = cell.folder / method, 1000 * cell.seed
    if cell.has_finished(method):
        return
    cell.note_versions(method)
    watch = Stopwatch(folder / "seconds.txt")
    report = watch.watch(report)
    settings, demonstrations = cell.settings, cell.demonstrations()
    for i in range(_given_up(folder), settings.max_rewards):
        before = i * (settings.irl.steps + settings.max_retrainings * settings.retraining.steps)
        _learn_reward(cell, method, i, report, before)
        figures = retrain(
            settings,
            cell.reward(method),
            demonstrations,
            seed + 200 + i * settings.max_retrainings,
            folder / "retraining",
            report,
            before + settings.irl.steps,
        )
        if not figures["stuck"]:
            break
        if i + 1 < settings.max_rewards:
            _give_up(folder, i)
    imitation = read_result(folder / "irl")
    rewards = sum(read_number(path) for path in folder.glob("irl*/seconds.txt"))
    counts = {
        "n_rewards": i + 1,
        "n_retrainings": len(list(folder.glob("retraining*/attempt_*"))),
        "imitation_return": imitation["return"],
        "minutes": round((watch.seconds + rewards) / 60, 2),
    }
    write_result(folder, {**_labels(cell, method), **figures, **counts})


def _labels(cell: Cell, method: str) -> dict[str, Any]:
    """Return what a result begins with."""
    return {"maze": cell.settings.maze, "method": method, "seed": cell.seed}


def _learn_reward(cell: Cell, method: str, i: int, report: Report, before: int = 0) -> None:
    """Learn the i-th reward of a method, each with another seed."""
    seed, folder = 1000 * cell.seed + 100 + i, cell.folder / method / "irl"
    learn_reward(method, cell.settings, cell.demonstrations(), seed, folder, report, before)


def run_reward(cell: Cell, method: str, report: Report) -> None:
    """Learn the first reward of a method alone, from which :func:`run_method` goes on. Nothing
    happens where it is learned already, or was put aside.
    """
    folder = cell.folder / method
    if _given_up(folder) or has_result(folder / "irl"):
        return
    cell.note_versions(method)
    watch = Stopwatch(folder / "irl" / "seconds.txt")  # goes with the reward
    _learn_reward(cell, method, 0, watch.watch(report))
    watch.write()


def _give_up(folder: Path, i: int) -> None:
    """Put a reward aside on which every retraining was stuck."""
    for name in ("irl", "retraining"):
        if (folder / name).exists():
            (folder / name).rename(folder / f"{name}_stuck_{i}")


def _given_up(folder: Path) -> int:
    """Count the rewards put aside, one of them perhaps only half when the job was killed."""
    n = len(list(folder.glob("irl_stuck_*")))
    if len(list(folder.glob("retraining_stuck_*"))) < n:
        _give_up(folder, n - 1)
    return n


def run_snapshot(cell: Cell, method: str, round_number: int, report: Report) -> None:
    """Retrain on the reward as it was after some rounds of inverse RL."""
    name = f"reward_{round_number:04d}"
    folder = cell.folder / method / "snapshots" / name
    if has_result(folder):
        return
    cell.note_versions(method)
    reward, seed = cell.reward(method, name), 1000 * cell.seed + 200
    figures = retrain(cell.settings, reward, cell.demonstrations(), seed, folder, report)
    write_result(folder, {**_labels(cell, method), "round": round_number, **figures})


def run_guide(guide: Guide, report: Report) -> None:
    """Train the guide and keep its episodes, unless they are there already."""
    if guide.path.exists():
        return
    guide.note_versions()
    phase, settings = guide.settings.guide, guide.settings
    venv = settings.test_mazes(phase.mazes, GUIDE_SEED)
    model = learn_policy(venv, phase, GUIDE_SEED, guide.folder, PhaseReport(report, "guide"))
    fresh = settings.test_mazes(20, GUIDE_SEED + 500)
    result = evaluate_returns(model, fresh, 20, deterministic=True)
    write_result(guide.folder, {"return": result.mean, "std": result.std})
    result.episodes.save(guide.path)


def result_rows(cell: Cell, methods: Sequence[str]) -> list[dict[str, Any]]:
    """Return rows of the expert, every finished method, and random actions.

    Expert and random actions have learned returns by the reward of the first finished method.
    """
    finished = [each for each in methods if cell.has_finished(each)]
    judge = cell.reward(finished[0]) if finished else None
    judged = {"judge": finished[0]} if finished else {}
    expert = read_result(cell.folder / "expert")
    demonstrations = cell.demonstrations()
    random = evaluate_random(cell.settings, 1000 * cell.seed + 950, judge)
    learned = judge and float(judge(demonstrations.transitions()).sum() / len(demonstrations))
    return [
        {
            "name": "expert (training maze)",
            "mean": expert["return"],
            "std": expert["return_std"],
            "success_rate": expert["success_rate"],
            "learned_return": learned,
            **judged,
        },
        *(_method_row(cell, method) for method in finished),
        {
            "name": "random actions",
            "mean": random.mean,
            "std": random.std,
            "success_rate": random.success_rate,
            "learned_return": random.learned_mean,
            **judged,
        },
    ]


def _method_row(cell: Cell, method: str) -> dict[str, Any]:
    result = read_result(cell.folder / method)
    return {
        "name": method,
        "mean": result["transfer_return"],
        "std": result["transfer_return_std"],
        "success_rate": result["success_rate"],
        "learned_return": result["learned_return"],
        "stuck": result["stuck"],
        "retrainings": result["n_retrainings"],
    }
