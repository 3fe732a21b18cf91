"""What of a preset matters: the same runs with one thing changed at a time."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from sb3_vdb.experiments.framework.job import Job, Workers
from sb3_vdb.experiments.framework.jobs import JobsFailedError, try_jobs
from sb3_vdb.experiments.framework.run import check_all, claimed, read_result, versions_of
from sb3_vdb.experiments.framework.table import (
    show,
    spread,
    summarise,
    with_kept_rows,
    with_kept_versions,
    write_tables,
)
from sb3_vdb.experiments.maze_transfer.presets import preset
from sb3_vdb.experiments.maze_transfer.results import ROW_ORDER
from sb3_vdb.experiments.maze_transfer.runs import Cell
from sb3_vdb.experiments.maze_transfer.settings import SOLVED, MazeName
from sb3_vdb.experiments.maze_transfer.variations import VARIATIONS, Variation


class Line(NamedTuple):
    """One run of the ablation."""

    variation: Variation
    cell: Cell

    @property
    def folder(self) -> Path:
        """Folder of the method."""
        return self.cell.folder / self.variation.method

    @property
    def is_finished(self) -> bool:
        """Whether it has a result."""
        return self.cell.has_finished(self.variation.method)


class Ablation(NamedTuple):
    """Which variations are run, and where.

    :param preset: of :data:`VARIATIONS`
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
        """Return its runs.

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


def run_ablation(ablation: Ablation, workers: Workers, docs: Path | None = None) -> pd.DataFrame:
    """Run what is missing; ``<out>/ablation.csv`` and, in ``docs``, the same. What several
    variations have in common, experts and rewards, is learned once.

    :param ablation: what is run
    :param workers: how many jobs at a time, and where
    :param docs: where the table goes as well
    :return: one row a maze and variation
    :raises ValueError: a folder holds a run with other settings
    :raises JobsFailedError: some jobs failed; the others are kept
    """
    lines = ablation.lines()
    with claimed(ablation.out, [line.cell for line in lines]):
        failures = _run(lines, partial(try_jobs, workers=workers))
    summary = write_results(ablation, docs)
    if failures:
        raise JobsFailedError("; ".join(failures))
    return summary


def _run(lines: Sequence[Line], attempt: Callable[[Sequence[Job]], list[str]]) -> list[str]:
    """Train experts, rewards that several runs have in common, and all runs; return what failed."""
    experts = _grouped(lines, _what_makes_the_expert)
    failures = attempt([_named(line, line.cell.expert_job(), ", expert") for line, *_ in experts])
    for first, *others in experts:
        for other in others:
            _share_expert(first, other)
    taught = [line for line in lines if line.cell.is_taught]
    rewards = [group for group in _grouped(taught, _what_makes_the_reward) if len(group) > 1]
    jobs = [(line, line.cell.reward_job(line.variation.method)) for line, *_ in rewards]
    failures += attempt([_named(line, job, ", reward") for line, job in jobs])
    for first, *others in rewards:
        for other in others:
            _share_reward(first, other)
    jobs = [(line, line.cell.method_job(line.variation.method)) for line in taught]
    return failures + attempt([_named(line, job) for line, job in jobs])


def _named(line: Line, job: Job, what: str = "") -> Job:
    """Put the variation into a job's name: experts differ between variations, too."""
    return job._replace(name=f"{line.cell.name} {line.variation.name}{what}")


def _grouped(lines: Sequence[Line], key: Callable[[Line], Any]) -> list[list[Line]]:
    """Group runs that agree in something, in their order."""
    groups: dict[Any, list[Line]] = {}
    for line in lines:
        groups.setdefault(key(line), []).append(line)
    return list(groups.values())


def _what_makes_the_expert(line: Line) -> tuple[Any, ...]:
    settings = line.cell.settings
    n = settings.demo_policies, settings.demos_per_policy
    return line.cell.seed, settings.maze, settings.force_limit, settings.expert, n


def _what_makes_the_reward(line: Line) -> tuple[Any, ...]:
    """Return all that decides the first reward of a run, as it is paid."""
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


def _share_expert(source: Line, target: Line) -> None:
    """Give a run the expert of another one."""
    if source.cell.is_taught and not target.cell.is_taught:
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


def write_results(ablation: Ablation, docs: Path | None = None) -> pd.DataFrame:
    """Print and write the table of finished runs, and the runs themselves, if there are any.

    :param ablation: what was run
    :param docs: where they go besides the run folder; other runs that are there are kept
    :return: one row a maze and variation
    :raises ValueError: a folder holds a run with other settings
    """
    lines = ablation.lines()
    check_all(line.cell for line in lines)
    finished = [line for line in lines if line.is_finished]
    if not finished:
        return pd.DataFrame()
    table = pd.DataFrame([_row(line) for line in finished]).round(3)
    summary = summarise_variations(table)
    show(summary)
    made_with = versions_of(line.cell for line in finished)
    _write(ablation.out, table, made_with)
    if docs is not None:
        keys = ["maze", "variation", "seed"]
        table = with_kept_rows(docs / "ablation_runs.csv", table, keys, ROW_ORDER)
        _write(docs, table, with_kept_versions(docs / "ablation_versions.json", made_with))
    return summary


def _write(folder: Path, table: pd.DataFrame, made_with: dict[str, str]) -> None:
    tables = {"ablation": summarise_variations(table), "ablation_runs": table}
    write_tables(folder, tables, made_with, "ablation_versions")


def summarise_variations(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row a maze and variation.

    :param table: one row a run
    """
    return summarise(table, ["maze", "variation"], _summary)


def _row(line: Line) -> dict[str, Any]:
    result = read_result(line.folder)
    return {
        "maze": line.cell.settings.maze,
        "variation": line.variation.name,
        "seed": line.cell.seed,
        "return": result["transfer_return"],
        "deterministic": result["transfer_return_deterministic"],
        "rewards": result["n_rewards"],
        "retrainings": result["n_retrainings"],
        "flagged": result["stuck"],
        "minutes": result["minutes"],
    }


def _summary(group: pd.DataFrame) -> dict[str, Any]:
    returns = group["return"]
    return {
        **spread(returns, 2),
        "not solved": int((returns < SOLVED[group["maze"].iloc[0]]).sum()),
        "rewards": int(group["rewards"].sum()),
        "retrainings": int(group["retrainings"].sum()),
        "flagged as stuck": int(group["flagged"].sum()),
        "minutes": round(group["minutes"].median(), 1),
    }
