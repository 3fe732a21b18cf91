"""What of a preset matters: the same runs with one thing changed at a time."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from rich.console import Console

from sb3_vdb.experiments.run_folder import sole_user
from sb3_vdb.experiments.runner import EngineName, Job, JobsFailedError, try_jobs
from sb3_vdb.experiments.transfer.documented import (
    combined_versions,
    with_kept_rows,
    with_kept_versions,
)
from sb3_vdb.experiments.transfer.runs import Cell
from sb3_vdb.experiments.transfer.settings import SOLVED, MazeName, preset
from sb3_vdb.experiments.transfer.variations import VARIATIONS, Variation
from sb3_vdb.experiments.versions import versions
from sb3_vdb.files import write_text


class Line(NamedTuple):
    """One run of the ablation."""

    variation: Variation
    cell: Cell

    @property
    def folder(self) -> Path:
        """Of the method."""
        return self.cell.folder / self.variation.method

    @property
    def is_finished(self) -> bool:
        """Whether it has a result."""
        return (self.folder / "result.json").exists()


class Ablation(NamedTuple):
    """Which variations are run, and where.

    :param preset: of :data:`~sb3_vdb.experiments.transfer.variations.VARIATIONS`
    :param out: run folder
    :param mazes: which
    :param seeds: random seeds
    :param share: of every phase's iterations
    :param containing: texts; only variations whose names contain one of them, all if there is none
    """

    preset: str
    out: Path
    mazes: Sequence[MazeName]
    seeds: Sequence[int]
    share: float = 1.0
    containing: Sequence[str] = ()

    def lines(self) -> list[Line]:
        """Its runs.

        :raises ValueError: a text is in no name
        """
        chosen = {maze: VARIATIONS[self.preset][maze] for maze in self.mazes}
        names = dict.fromkeys(each.name for several in chosen.values() for each in several)
        for text in self.containing:
            if not any(text in name for name in names):
                raise ValueError(f"no variation is called {text!r}; there are {'; '.join(names)}")
        return [
            Line(variation, Cell(self.out / variation.folder, settings, seed))
            for seed in self.seeds
            for maze in self.mazes
            for variation in chosen[maze]
            if not self.containing or any(text in variation.name for text in self.containing)
            for settings in [
                preset(self.preset, maze).shortened(self.share).changed(variation.changes)
            ]
        ]


def run_ablation(
    experiment: Ablation,
    workers: int,
    engine: EngineName = "local",
    address: str | None = None,
    docs: Path | None = None,
) -> pd.DataFrame:
    """Run what is missing; ``<out>/ablation.csv`` and, in ``docs``, the same. What several
    variations have in common, experts and rewards, is learned once.

    :param experiment: what
    :param workers: jobs at a time, one thread each
    :param engine: ``"local"`` or ``"ray"``
    :param address: of a Ray cluster
    :param docs: where the table goes as well
    :return: one row a maze and variation
    :raises ValueError: a folder holds a run with other settings
    :raises JobsFailedError: some jobs failed; the others are kept
    """
    lines = experiment.lines()
    for line in lines:
        line.cell.claim(versions())
    with sole_user(experiment.out):
        failures = _run(lines, partial(try_jobs, workers=workers, engine=engine, address=address))
    summary = write_tables(experiment, docs)
    if failures:
        raise JobsFailedError("; ".join(failures))
    return summary


def _run(lines: Sequence[Line], attempt: Callable[[Sequence[Job]], list[str]]) -> list[str]:
    """Experts, rewards that several runs have in common, and all runs; what failed."""
    experts = _grouped(lines, _what_makes_the_expert)
    failures = attempt([_named(line, line.cell.expert_job(), ", expert") for line, *_ in experts])
    for first, *others in experts:
        for other in others:
            _share_expert(first, other)
    taught = [line for line in lines if _expert(line).exists()]
    rewards = [group for group in _grouped(taught, _what_makes_the_reward) if len(group) > 1]
    failures += attempt(
        [
            _named(line, line.cell.reward_job(line.variation.method), ", reward")
            for line, *_ in rewards
        ]
    )
    for first, *others in rewards:
        for other in others:
            _share_reward(first, other)
    failures += attempt(
        [_named(line, line.cell.method_job(line.variation.method)) for line in taught]
    )
    return failures


def _named(line: Line, job: Job, what: str = "") -> Job:
    """A job of a run, with its variation in the name: experts differ between variations, too."""
    return job._replace(name=f"{line.cell.name} {line.variation.name}{what}")


def _grouped(lines: Sequence[Line], key: Callable[[Line], Any]) -> list[list[Line]]:
    """Runs that agree in something, in their order."""
    groups: dict[Any, list[Line]] = {}
    for line in lines:
        groups.setdefault(key(line), []).append(line)
    return list(groups.values())


def _what_makes_the_expert(line: Line) -> tuple[Any, ...]:
    settings = line.cell.settings
    n = settings.demo_policies, settings.demos_per_policy
    return line.cell.seed, settings.maze, settings.force_limit, settings.expert, n


def _what_makes_the_reward(line: Line) -> tuple[Any, ...]:
    """All that decides the first reward of a run, as it is paid."""
    settings = line.cell.settings
    same = replace(
        settings,
        retraining=settings.irl,
        max_rewards=1,
        max_retrainings=1,
        stuck_shortfall=0.0,
        test_force_limit=None,
    )
    return line.cell.seed, line.variation.method, same


def _expert(line: Line) -> Path:
    return line.cell.folder / "expert" / "demonstrations.npz"


def _share_expert(source: Line, target: Line) -> None:
    """Give a run the expert of another one."""
    if _expert(source).exists() and not _expert(target).exists():
        _copy(source.cell.folder / "expert", target.cell.folder / "expert")


def _share_reward(source: Line, target: Line) -> None:
    """Give a run the first reward of another one, unless it has one or has put it aside."""
    aside = "irl_stuck_0"
    first = next((path for x in (aside, "irl") if (path := source.folder / x).exists()), None)
    if first is None or not (first / "reward.pt").exists():  # its job failed
        return
    if not any((target.folder / each).exists() for each in ("irl", aside)):
        _copy(first, target.folder / "irl")


def _copy(source: Path, target: Path) -> None:
    """Copy a folder, all of it or nothing, in place of what is there."""
    partly = target.with_name(f".{target.name}_copying")
    for folder in (partly, target):
        shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, partly)
    partly.rename(target)


def write_tables(experiment: Ablation, docs: Path | None = None) -> pd.DataFrame:
    """Print and write the table of finished runs, and the runs themselves, if there are any.

    :param experiment: what was run
    :param docs: where they go besides the run folder; other runs that are there are kept
    :return: one row a maze and variation
    """
    finished = [line for line in experiment.lines() if line.is_finished]
    if not finished:
        return pd.DataFrame()
    table = pd.DataFrame([_row(*line) for line in finished]).round(3)
    summary = summarise(table)
    Console(width=140).print(summary.to_string(index=False))
    made_with = combined_versions(each for line in finished for each in line.cell.versions())
    _write(experiment.out, table, made_with)
    if docs is not None:
        keys = ["maze", "variation", "seed"]
        table = with_kept_rows(docs / "ablation_runs.csv", table, keys)
        _write(docs, table, with_kept_versions(docs / "ablation_versions.json", made_with))
    return summary


def _write(folder: Path, table: pd.DataFrame, made_with: dict[str, str]) -> None:
    write_text(folder / "ablation.csv", summarise(table).to_csv(index=False))
    write_text(folder / "ablation_runs.csv", table.to_csv(index=False))
    write_text(folder / "ablation_versions.json", json.dumps(made_with, indent=1))


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """One row a maze and variation.

    :param table: one row a run
    """
    groups = table.groupby(["maze", "variation"], sort=False)
    return pd.DataFrame([_summary(group) for _, group in groups])


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
