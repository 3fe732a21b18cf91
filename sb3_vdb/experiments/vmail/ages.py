"""Whether the discriminator knows how old a belief is: its logits along the expert's episodes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from sb3_vdb.experiments.framework.plots import GREY, new_figure
from sb3_vdb.experiments.vmail.runs import MODEL, REPLAY, PixelRun
from sb3_vdb.vmail.inspection import logits_by_age


def expert_logits(runs: Sequence[PixelRun]) -> pd.DataFrame:
    """Return the mean logit on the expert's beliefs by their age, of every finished run whose model
    is there; one row an age.

    :param runs: finished or not
    """
    rows = []
    for run in runs:
        if run.result() is None or not run.has_model:
            continue
        model = run.algorithm.load(run.folder / MODEL, device="cpu")
        model.load_replay_buffer(run.folder / REPLAY)
        expert = model.replay_buffer.expert
        episodes = [expert.episode(i) for i in range(len(expert.episodes))]
        names = {"task": run.settings.task, "method": run.method, "seed": run.seed}
        rows += [
            {**names, "age": age, "logit": round(float(logit), 4)}
            for age, logit in enumerate(logits_by_age(model, episodes), start=1)
        ]
    return pd.DataFrame(rows)


def plot_ages(table: pd.DataFrame, path: Path) -> None:
    """Plot the logits over the age, each seed a line.

    :param table: of :func:`expert_logits`, of one task
    :param path: of the figure
    """
    with new_figure(path, (5.6, 3.0), "tight") as figure:
        axes = figure.subplots()
        for i, (method, own) in enumerate(table.groupby("method", sort=False)):
            for k, (_, line) in enumerate(own.groupby("seed")):
                label = str(method) if k == 0 else None
                axes.plot(line["age"], line["logit"], color=f"C{i}", label=label, linewidth=1.2)
        axes.axhline(0.0, color=GREY, linewidth=0.8)
        axes.set_xlabel("age of the expert's belief (observations)")
        axes.set_ylabel("logit of the discriminator")
        axes.legend(frameon=False, fontsize=8)
