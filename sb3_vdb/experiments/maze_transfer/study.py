"""What the command line runs of the transfer between mazes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sb3_vdb.experiments.framework.job import Workers
from sb3_vdb.experiments.framework.run import nothing_finished
from sb3_vdb.experiments.maze_transfer.ablation import Ablation, run_ablation
from sb3_vdb.experiments.maze_transfer.ablation import write_results as write_ablation
from sb3_vdb.experiments.maze_transfer.demo import DEMO_METHODS, run_demo
from sb3_vdb.experiments.maze_transfer.presets import preset as preset_of
from sb3_vdb.experiments.maze_transfer.results import TransferPlan
from sb3_vdb.experiments.maze_transfer.settings import MAZE_METHODS, MAZES, MazeName
from sb3_vdb.experiments.maze_transfer.table import run_table, write_results


def transfer(
    preset: str,
    mazes: Sequence[MazeName],
    methods: Sequence[str],
    seeds: range,
    snapshot_seeds: int,
    share: float,
    out: Path | None,
    docs: Path | None,
    workers: Workers,
    table_only: bool,
) -> list[Path]:
    """Run the paper's table, or only collect what is finished of it.

    :return: the report
    """
    folder = out or Path("runs").resolve() / f"maze-transfer-{preset}"
    plan = TransferPlan(
        folder,
        [preset_of(preset, each).shortened(share) for each in mazes or MAZES],
        methods or tuple(MAZE_METHODS),
        seeds,
        snapshot_seeds,
    )
    if table_only:
        write_results(plan, docs)
    else:
        run_table(plan, workers, docs)
    return [plan.out / "report.html"]


def ablation(
    preset: str,
    mazes: Sequence[MazeName],
    variations: Sequence[str],
    seeds: range,
    share: float,
    out: Path | None,
    docs: Path | None,
    workers: Workers,
    table_only: bool,
) -> None:
    """Run a preset with one thing changed at a time, or only collect what is finished.

    :raises ValueError: nothing is finished
    """
    folder = out or Path("runs").resolve() / f"maze-ablation-{preset}"
    plan = Ablation(preset, folder, mazes or MAZES, seeds, share, variations)
    if not table_only:
        run_ablation(plan, workers, docs)
    elif write_ablation(plan, docs).empty:
        raise nothing_finished(folder)


def demo(
    out: Path, seed: int, mazes: Sequence[MazeName], methods: Sequence[str], share: float
) -> None:
    """Recover rewards in both mazes and solve their flips with them."""
    settings = [preset_of("demo", maze).shortened(share) for maze in mazes or MAZES]
    run_demo(out, seed, settings, methods or DEMO_METHODS)
