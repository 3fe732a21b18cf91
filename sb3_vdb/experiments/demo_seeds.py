"""The demonstration job over many seeds, as independent jobs on local processes; finished jobs are
kept.
"""

from __future__ import annotations

import json
import multiprocessing as mp
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import torch as th
from matplotlib.figure import Figure
from rich.console import Console
from tqdm.rich import tqdm

from sb3_vdb.experiments import maze_transfer as transfer
from sb3_vdb.experiments.demo import METHODS, run_method
from sb3_vdb.experiments.pictures import COLOURS, STYLE, transfer_pictures
from sb3_vdb.experiments.versions import versions
from sb3_vdb.files import write_text

THRESHOLD = -12.0  # true return that counts as a solved flipped maze
PAPER = {"VAIRL-GP": -9.18, "VAIRL": -10.0, "AIRL-GP": -9.14, "AIRL": -15.3}  # Figure 7, C-maze
STUCK, BEST = -26.5, -4.2


def run_seeds(folder: Path, seeds: Sequence[int], workers: int, docs: Path | None) -> pd.DataFrame:
    """Run what is missing, print the table, and write ``table.csv`` and ``seeds.png``; into
    ``docs`` also the pictures of the first seed.

    :param folder: one run folder a seed goes here
    :param seeds: random seeds
    :param workers: processes at a time, each with one torch thread
    :param docs: where table and figure go as well; None for nowhere else
    :return: one row a method and seed
    """
    pool = ProcessPoolExecutor(
        workers, mp.get_context("spawn"), initializer=th.set_num_threads, initargs=(1,)
    )
    with pool:
        jobs: list[Future[int]] = [
            pool.submit(run_seed, folder / f"seed_{seed}", seed) for seed in seeds
        ]
        for job in tqdm(as_completed(jobs), total=len(jobs), desc="seeds"):
            job.result()
    table = collect(folder, seeds)
    Console().print(summary(table).to_string(index=False))
    for target in {folder, docs or folder}:
        target.mkdir(parents=True, exist_ok=True)
        write_text(target / "table.csv", table.round(3).to_csv(index=False))
        write_text(target / "summary.csv", summary(table).to_csv(index=False))
        write_text(target / "versions.json", json.dumps(versions(), indent=1))
        plot_seeds(table, target / "seeds.png")
    if docs is not None:
        settings = transfer.TransferSettings()
        first = folder / f"seed_{seeds[0]}"
        transfer_pictures(first, METHODS, settings.train_env, settings.test_env, docs)
    return table


def run_seed(folder: Path, seed: int) -> int:
    """One seed: expert, then every method, skipping what is there."""
    settings = transfer.TransferSettings()
    transfer.claim_folder(folder, settings, seed, versions())
    if not (folder / "expert" / "demonstrations.npz").exists():
        transfer.train_expert(settings, 1000 * seed, folder / "expert", _quiet)
    for method in METHODS:
        run_method(method, folder, seed, settings, _quiet)
    return seed


def _quiet(phase: str, done: int, total: int, note: str) -> None:
    """Progress that nobody watches."""


def collect(folder: Path, seeds: Sequence[int]) -> pd.DataFrame:
    """Results of all methods and seeds, one row each."""
    rows = []
    for seed in seeds:
        for method in METHODS:
            result = json.loads((folder / f"seed_{seed}" / method / "result.json").read_text())
            rows.append({**result, "retrainings": len(result["retrainings"])})
    return pd.DataFrame(rows)


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Mean and spread over seeds, and how many solved the flipped maze."""
    groups = table.groupby("method", sort=False)
    return pd.DataFrame(
        {
            "method": list(groups.groups),
            "seeds": groups.size().to_numpy(),
            "mean return": groups["transfer_return"].mean().round(2).to_numpy(),
            "std": groups["transfer_return"].std(ddof=0).round(2).to_numpy(),
            "worst": groups["transfer_return"].min().round(2).to_numpy(),
            "best": groups["transfer_return"].max().round(2).to_numpy(),
            f"at least {THRESHOLD:.0f}": groups["transfer_return"]
            .apply(lambda x: int((x >= THRESHOLD).sum()))
            .to_numpy(),
            "success rate": groups["success_rate"].mean().round(3).to_numpy(),
            "judged stuck": groups["stuck"].sum().to_numpy(),
            "paper": [PAPER[str(method)] for method in groups.groups],
        }
    )


def plot_seeds(table: pd.DataFrame, path: Path) -> None:
    """Every seed's transfer return, by method, beside the paper's mean."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5.4, 3.2), layout="constrained")
        axes = figure.subplots()
        methods = list(dict.fromkeys(table["method"]))
        for i, method in enumerate(methods):
            returns = table.loc[table["method"] == method, "transfer_return"].to_numpy()
            spread = np.linspace(-0.16, 0.16, len(returns))
            axes.plot(i + spread, returns, "o", color=COLOURS[method], ms=6, alpha=0.85)
            axes.plot(
                [i - 0.3, i + 0.3],
                [PAPER[method]] * 2,
                "--",
                color="0.3",
                label="paper's mean" if i == 0 else None,
            )
        axes.axhline(STUCK, color="tab:red", lw=0.8, label="stuck under the wall")
        axes.axhline(BEST, color="tab:green", lw=0.8, label="best possible")
        axes.set_xticks(range(len(methods)), methods)
        axes.set_xlim(-0.6, len(methods) - 0.4)
        axes.set_ylabel("true return, flipped maze")
        axes.legend(frameon=False, fontsize=8)
        figure.savefig(path)
