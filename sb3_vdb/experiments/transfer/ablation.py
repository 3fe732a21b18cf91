"""What of a preset matters: the same runs with one thing changed at a time; for ``paper``, what its
text leaves open.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pandas as pd
from rich.console import Console

from sb3_vdb.experiments.runner import EngineName, run_jobs
from sb3_vdb.experiments.transfer.runs import Cell
from sb3_vdb.experiments.transfer.settings import SOLVED, MazeName, preset
from sb3_vdb.experiments.versions import versions
from sb3_vdb.files import write_text

BASELINE = "best"
# settings that decide nothing about a reward as it is paid
AFTER_THE_REWARD = ("retraining", "max_rewards", "max_retrainings", "stuck_shortfall")
TRANSFERRED = ("AIRL", "VAIRL", "VAIRL-GP")  # what the paper is about
RAW = {
    "scaled_inputs": False,
    "irl.scaled_inputs": False,
    "retraining.scaled_inputs": False,
}
CODE_TRPO = {
    f"{phase}.{name}": value
    for phase in ("irl", "retraining")
    for name, value in (("activation", "tanh"), ("gae_lambda", 1.0), ("baseline", "linear"))
}


class Variation(NamedTuple):
    """One line of the table.

    :param name: what is different
    :param method: of :data:`~sb3_vdb.experiments.transfer.settings.METHODS`
    :param changes: settings by name, those of a phase as ``"retraining.std"``
    """

    name: str
    method: str = "VAIRL-GP"
    changes: Mapping[str, Any] = MappingProxyType({})

    @property
    def folder(self) -> str:
        """Name of its folder."""
        return "".join(each if each.isalnum() else "-" for each in self.name)


def _unknowns(changes: Mapping[str, Mapping[str, Any]]) -> tuple[Variation, ...]:
    """Each change, for each method that the paper is about."""
    return tuple(
        Variation(f"{method}, {name}", method, each)
        for name, each in changes.items()
        for method in TRANSFERRED
    )


BEST: Mapping[MazeName, Sequence[Variation]] = MappingProxyType(
    {
        "C": (
            Variation(BASELINE),
            Variation("reward not sharpened", changes={"reward_power": 1.0}),
            Variation("top of the map", changes={"reward_top": "map"}),
            Variation("80 retraining iterations", changes={"retraining.iterations": 80}),
            Variation("50 mazes in retraining", changes={"retraining.mazes": 50}),
            Variation("noise 2 in retraining", changes={"retraining.std": 2.0}),
            Variation("lambda 0.97 in retraining", changes={"retraining.gae_lambda": 0.97}),
            Variation("no gradient penalty", "VAIRL"),
            Variation("no bottleneck", "AIRL-GP"),
        ),
        "S": (
            Variation(BASELINE),
            Variation("reward not sharpened", changes={"reward_power": 1.0}),
            Variation("top of the map", changes={"reward_top": "map"}),
            Variation("60 rounds of inverse RL", changes={"irl.iterations": 60}),
            Variation("80 retraining iterations", changes={"retraining.iterations": 80}),
            Variation("noise 3 in retraining", changes={"retraining.std": 3.0}),
            Variation("lambda 0.97 in retraining", changes={"retraining.gae_lambda": 0.97}),
            Variation("I_c 0.05", changes={"information_limit": 0.05}),
            Variation("no gradient penalty", "VAIRL"),
            Variation("no bottleneck", "AIRL-GP"),
        ),
    }
)
# the baselines are rows of the table, with the same seeds
PAPER: Mapping[MazeName, Sequence[Variation]] = MappingProxyType(
    {
        "C": _unknowns({"positions not scaled": RAW, "TRPO of the code": CODE_TRPO}),
        "S": _unknowns(
            {
                "positions not scaled": RAW,
                "TRPO of the code": CODE_TRPO,
                "50,000 steps a round": {"irl.mazes": 500},
            }
        ),
    }
)
VARIATIONS: Mapping[str, Mapping[MazeName, Sequence[Variation]]] = MappingProxyType(
    {"best": BEST, "paper": PAPER}
)


def run_ablation(
    name: str,
    out: Path,
    mazes: Sequence[MazeName],
    seeds: Sequence[int],
    workers: int,
    engine: EngineName = "local",
    address: str | None = None,
    docs: Path | None = None,
    share: float = 1.0,
) -> pd.DataFrame:
    """Run what is missing; ``<out>/ablation.csv`` and, in ``docs``, the same.

    :param name: preset, of :data:`VARIATIONS`
    :param out: run folder
    :param mazes: which
    :param seeds: random seeds
    :param workers: jobs at a time, one thread each
    :param engine: ``"local"`` or ``"ray"``
    :param address: of a Ray cluster
    :param docs: where the table goes as well
    :param share: of every phase's iterations
    :return: one row a maze and variation
    :raises ValueError: a folder holds a run with other settings
    :raises JobsFailedError: some jobs failed; the others are kept
    """
    planned = [
        (variation, Cell(out / variation.folder, settings, seed))
        for seed in seeds
        for maze in mazes
        for variation in VARIATIONS[name][maze]
        for settings in [preset(name, maze).shortened(share).changed(variation.changes)]
    ]
    for _, cell in planned:
        cell.claim(versions())
    # no variation changes the expert, and some only what comes after the reward
    experts = _grouped(planned, lambda _, cell: (cell.settings.maze, cell.seed))
    rewards = _grouped(planned, _what_teaches)
    run_jobs([group[0][1].expert_job() for group in experts], workers, engine, address)
    for (_, first), *others in experts:
        for _, cell in others:
            _copy(first.folder / "expert", cell.folder / "expert")
    jobs = [
        first.reward_job(variation.method)._replace(name=f"{first.name} {variation.name}, reward")
        for (variation, first), *others in rewards
        if others
    ]
    run_jobs(jobs, workers, engine, address)
    for (_, first), *others in rewards:
        for variation, cell in others:
            _share_reward(first.folder / variation.method, cell.folder / variation.method)
    jobs = [
        cell.method_job(variation.method)._replace(name=f"{cell.name} {variation.name}")
        for variation, cell in planned
    ]
    run_jobs(jobs, workers, engine, address)
    table = pd.DataFrame([_row(*each) for each in planned])
    groups = table.groupby(["maze", "variation"], sort=False)
    summary = pd.DataFrame([_summary(group) for _, group in groups])
    Console(width=140).print(summary.to_string(index=False))
    for folder in (out, *([] if docs is None else [docs])):
        write_text(folder / "ablation.csv", summary.to_csv(index=False))
        write_text(folder / "ablation_runs.csv", table.round(3).to_csv(index=False))
    return summary


def _grouped(
    planned: Sequence[tuple[Variation, Cell]], key: Callable[[Variation, Cell], Any]
) -> list[list[tuple[Variation, Cell]]]:
    """Runs that agree in something, in their order."""
    groups: dict[Any, list[tuple[Variation, Cell]]] = {}
    for variation, cell in planned:
        groups.setdefault(key(variation, cell), []).append((variation, cell))
    return list(groups.values())


def _what_teaches(variation: Variation, cell: Cell) -> tuple[Any, ...]:
    """All that decides the first reward of a run."""
    same = {name: getattr(preset("paper", "C"), name) for name in AFTER_THE_REWARD}
    return cell.seed, variation.method, replace(cell.settings, **same)


def _copy(source: Path, target: Path) -> None:
    """Copy a folder whole, or not at all; one that is there stays."""
    if target.exists():
        return
    partly = target.with_name(f"{target.name}_copying")
    shutil.rmtree(partly, ignore_errors=True)
    shutil.copytree(source, partly)
    partly.rename(target)


def _share_reward(source: Path, target: Path) -> None:
    """Give a run the first reward of another one, unless it has one or has put it aside."""
    put_aside = source / "irl_stuck_0"
    first = put_aside if put_aside.exists() else source / "irl"
    if first.exists() and not list(target.glob("irl*")):
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(source / "seconds.txt", target)
        _copy(first, target / "irl")


def _row(variation: Variation, cell: Cell) -> dict[str, Any]:
    result = json.loads((cell.folder / variation.method / "result.json").read_text())
    return {
        "maze": cell.settings.maze,
        "variation": variation.name,
        "seed": cell.seed,
        "return": result["transfer_return"],
        "deterministic": result["transfer_return_deterministic"],
        "rewards": result["n_rewards"],
        "retrainings": result["n_retrainings"],
        "flagged": result["stuck"],
        "minutes": result["minutes"],
    }


def _summary(group: pd.DataFrame) -> dict[str, Any]:
    maze: MazeName = group["maze"].iloc[0]
    returns = group["return"]
    return {
        "maze": maze,
        "variation": group["variation"].iloc[0],
        "seeds": len(group),
        "return": round(returns.mean(), 2),
        "std": round(returns.std(ddof=0), 2),
        "worst": round(returns.min(), 2),
        "deterministic": round(group["deterministic"].mean(), 2),
        "not solved": int((returns < SOLVED[maze]).sum()),
        "rewards a run": round(group["rewards"].mean(), 1),
        "retrainings a run": round(group["retrainings"].mean(), 1),
        "flagged as stuck": int(group["flagged"].sum()),
        "minutes": round(group["minutes"].mean(), 1),
    }
