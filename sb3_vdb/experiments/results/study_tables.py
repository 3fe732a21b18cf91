"""The tables of the study pages, each made of committed csv files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from sb3_vdb.experiments.maze_transfer.settings import PAPER_RETURNS
from sb3_vdb.experiments.results.claims import METHOD_NAMES
from sb3_vdb.experiments.results.learned_tables import (
    control_tasks,
    learned_motions,
    learned_motions_elsewhere,
    learned_videos,
    plants,
    pushes,
    vmail_probe,
)
from sb3_vdb.experiments.results.markdown import MINUS, estimate, mean_and_std, number
from sb3_vdb.experiments.results.seed_rows import by_seed

Table = Callable[[Path], pd.DataFrame]
SHOWN_AGES = (5, 10, 20, 40, 70, 100)  # observations that a belief has seen


def _paper_return(group: pd.DataFrame) -> dict[str, str]:
    mean, std = PAPER_RETURNS[group["method"].iloc[0]][group["maze"].iloc[0]]
    return {"paper": mean_and_std(mean, std)}


def _verdicts(group: pd.DataFrame) -> dict[str, Any]:
    counts = group["verdict"].value_counts()
    return {
        "solved": f"{counts.get('solved', 0)} of {len(group)}",
        "why not": ", ".join(
            f"{name} {counts[name]}" for name in ("optimiser", "reward") if name in counts
        ),
    }


def maze_returns(folder: str, maze: str, benchmarks: Path, paper: bool = True) -> pd.DataFrame:
    """Return the methods of a maze: the new policies' true returns in its flip.

    :param folder: of the study
    :param maze: which
    :param benchmarks: folder of all studies
    :param paper: whether the paper's column is there
    """
    path = benchmarks / folder / "table.csv"
    if not path.exists():
        return pd.DataFrame({"method": ["not run yet"]})
    runs = pd.read_csv(path).query("maze == @maze")
    runs = runs.assign(shown=runs["method"].replace(METHOD_NAMES))
    before = _paper_return if paper else (lambda group: {})
    return by_seed(runs, {"shown": "method"}, "transfer_return", _verdicts, before)


def demo(benchmarks: Path) -> pd.DataFrame:
    """Return what a reader sees first: how rewards transfer in both mazes, one row each."""
    runs = pd.read_csv(benchmarks / "demo" / "table.csv")
    rows = by_seed(runs, {"method": "method", "maze": "maze"}, "transfer_return")
    names = dict(zip(runs["maze"], "flipped " + runs["maze"] + "-maze", strict=True))
    return rows.assign(maze=rows["maze"].map(names)).sort_values(
        ["maze", "method"], ascending=[True, False], kind="stable"
    )


def maze_ablation(folder: str, maze: str, benchmarks: Path) -> pd.DataFrame:
    """Return the variations of a preset in a maze."""
    runs = pd.read_csv(benchmarks / folder / "ablation_runs.csv")

    def tries(group: pd.DataFrame) -> dict[str, Any]:
        return {
            "rewards": int(group["rewards"].sum()),
            "retrainings": int(group["retrainings"].sum()),
            "stuck": int(group["flagged"].sum()),
        }

    runs = runs[runs["maze"] == maze]
    return by_seed(runs, {"variation": "variation"}, "return", tries)


def snapshots(benchmarks: Path) -> pd.DataFrame:
    """Return the transfer return of every kept reward, one column a method."""
    rows = pd.read_csv(benchmarks / "maze-transfer-snapshots" / "snapshots.csv")
    wide = rows.pivot_table(index="round", columns="method", values="transfer_return", sort=False)
    return wide.sort_index()[["AIRL", "VAIRL", "VAIRL-GP"]].rename_axis("rounds").reset_index()


def motions(benchmarks: Path) -> pd.DataFrame:
    """Return the joint rotation errors where the policies were trained."""
    runs = pd.read_csv(benchmarks / "humanoid" / "table.csv")
    summary = pd.read_csv(benchmarks / "humanoid" / "summary.csv").set_index(["skill", "simulator"])

    def paper(group: pd.DataFrame) -> dict[str, Any]:
        first = group.iloc[0]
        return {"paper": number(summary.loc[(first.skill, first.simulator)]["paper's error"], 2)}

    def others(group: pd.DataFrame) -> dict[str, Any]:
        return {
            "before a fall": estimate(group["joint_error_alive"], 3),
            "full episodes": f"{group['full_share'].mean():.0%}",
            "minutes": number(group["minutes"].median(), 0),
        }

    runs = runs[runs["simulator"] == "MuJoCo 1/240 s"]
    return by_seed(runs, {"skill": "skill"}, "joint_error", others, paper, digits=3)


def motions_elsewhere(benchmarks: Path) -> pd.DataFrame:
    """Return the same policies' errors in every simulator, one column each."""
    rows = pd.read_csv(benchmarks / "humanoid" / "summary.csv")
    wide = rows.pivot_table(index="skill", columns="simulator", values="IQM", sort=False)
    return wide.map(partial(number, digits=3)).rename_axis("skill").reset_index()


FOREIGN_VIDEOS = {
    "video": "video",
    "difference": "difference, in frames one late",
    "right": "nearest frames that are right, or next to it",
    "off": "frames off on average",
}
PIXEL_KEYS = {"method": "method", "demonstrations": "demonstrations"}


def pixels(folders: Sequence[str], benchmarks: Path) -> pd.DataFrame:
    """Return runs of V-MAIL and of cloning from pictures."""
    runs = pd.concat([pd.read_csv(benchmarks / each / "runs.csv") for each in folders])

    def others(group: pd.DataFrame) -> dict[str, Any]:
        return {
            "share of the expert": estimate(group["share"], 2),
            "minutes": number(group["minutes"].median(), 0),
        }

    return by_seed(runs, PIXEL_KEYS, "return", others)


def belief_logits(benchmarks: Path) -> pd.DataFrame:
    """Return the discriminator's logits on the expert's beliefs at some ages, one row a run."""
    ages = pd.read_csv(benchmarks / "vmail-belief-ages" / "ages.csv")
    logits = ages.pivot(index=["method", "seed"], columns="age", values="logit")[list(SHOWN_AGES)]
    rows = [
        {
            "method": method,
            "seed": str(seed),
            **{str(age): number(logit, 2) for age, logit in row.items()},
        }
        for (method, seed), row in logits.iterrows()  # type: ignore[misc]
    ]
    return pd.DataFrame(rows)


def plain(file: str, names: Mapping[str, str], benchmarks: Path) -> pd.DataFrame:
    """Return columns of a csv file as they are.

    :param file: below the folder of all studies
    :param names: of the columns, and what the page calls them
    :param benchmarks: folder of all studies
    """
    rows = pd.read_csv(benchmarks / file, keep_default_na=False)
    return rows[list(names)].astype(str).map(_with_minus).rename(columns=dict(names))


def _with_minus(text: str) -> str:
    return text.replace("-", MINUS) if _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


SPEED = {
    "what": "what",
    "steps_per_s": "steps a second",
    "times_faster": "times",
    "against": "against",
}
RATIOS = {
    "seconds": "seconds",
    "ratio": "ratio",
    "ratio_min": "smallest",
    "ratio_max": "largest",
    "against": "against",
}
RATES = {
    "what": "what",
    "per_second": "a second",
    "unit": "unit",
    "times_faster": "times",
    "against": "against",
}
EXPERTS = {
    "task": "task",
    "aim": "aim",
    "return": "return",
    "std": "std of ten episodes",
    "frames": "frames",
    "minutes": "minutes",
    "demonstrations": "its demonstrations",
}

STUDY_TABLES: Mapping[str, Table] = {
    "demo": demo,
    "demo-C": partial(maze_returns, "demo", "C", paper=False),
    "demo-S": partial(maze_returns, "demo", "S", paper=False),
    "best-C": partial(maze_returns, "maze-transfer-best", "C"),
    "best-S": partial(maze_returns, "maze-transfer-best", "S"),
    "best-ablation-C": partial(maze_ablation, "maze-transfer-best", "C"),
    "best-ablation-S": partial(maze_ablation, "maze-transfer-best", "S"),
    "paper-C": partial(maze_returns, "maze-transfer", "C"),
    "paper-S": partial(maze_returns, "maze-transfer", "S"),
    "open-C": partial(maze_ablation, "maze-transfer", "C"),
    "open-S": partial(maze_ablation, "maze-transfer", "S"),
    "spread-S": partial(maze_returns, "maze-transfer/spread-10N", "S"),
    "snapshots": snapshots,
    "code-C": partial(maze_returns, "maze-transfer/authors-code", "C"),
    "code-S": partial(maze_returns, "maze-transfer/authors-code", "S"),
    "code-ablation-S": partial(maze_ablation, "maze-transfer/authors-code", "S"),
    "motions": motions,
    "motions-elsewhere": motions_elsewhere,
    "learned-motions": learned_motions,
    "motion-methods": partial(learned_motions, folder="motion-methods"),
    "vmail-probe": vmail_probe,
    "pushes": pushes,
    "plants": plants,
    "learned-motions-elsewhere": learned_motions_elsewhere,
    "learned-videos": learned_videos,
    "control-tasks": control_tasks,
    "foreign-videos": partial(plain, "video-imitation/foreign_videos.csv", FOREIGN_VIDEOS),
    "pixel-maze": partial(pixels, ["vmail-maze", "vmail-maze-fewer"]),
    "pixel-maze-ablation": partial(pixels, ["vmail-maze-ablation"]),
    "belief-ages": partial(pixels, ["vmail-belief-ages"]),
    "belief-logits": belief_logits,
    "cartpole": partial(pixels, ["vmail"]),
    "cartpole-cloning": partial(pixels, ["vmail-cloning"]),
    "cartpole-fewer": partial(pixels, ["vmail-fewer"]),
    "experts": partial(plain, "experts/experts.csv", EXPERTS),
    "tuning": partial(
        plain,
        "tuning/steps.csv",
        {
            "task": "task",
            "step size": "step",
            "seed": "seed",
            "limit held after": "held after",
            "KL at the end": "KL",
        },
    ),
    "two-gaussians": partial(
        plain,
        "two-gaussians/two_gaussians.csv",
        {
            "information_limit": "limit (nats)",
            "kl": "information (nats)",
            "beta": "β",
            "flat_share": "share of the plane without a gradient",
        },
    ),
    "killed-workers": partial(
        plain,
        "killed-workers/killed_workers.csv",
        {
            "trial": "trial",
            "jobs": "jobs",
            "kills": "kills",
            "policies equal bit for bit": "policies equal bit for bit",
            "run twice": "iterations run twice",
            "seconds": "seconds",
        },
    ),
    "speed-mazes": partial(plain, "speed_mazes.csv", SPEED),
    "speed-humanoid": partial(plain, "speed_humanoid.csv", SPEED),
    "speed-humanoid-split": partial(
        plain,
        "speed_humanoid-split.csv",
        {"torch threads": "torch threads", "part": "part", "share": "share"},
    ),
    "speed-motions": partial(plain, "speed_motions.csv", {"what": "what", **RATIOS}),
    "speed-frames": partial(plain, "speed_frames.csv", SPEED),
    "speed-transfer": partial(plain, "speed_transfer.csv", RATES),
    "speed-transfer-split": partial(
        plain, "speed_transfer-split.csv", {"part of a round": "part", "share": "share", "ms": "ms"}
    ),
    "speed-pixels": partial(plain, "speed_pixels.csv", SPEED),
    "speed-racing": partial(plain, "speed_racing.csv", SPEED),
    "speed-trainers": partial(plain, "speed_trainers.csv", {"what": "what", **RATIOS}),
    "speed-imitation": partial(
        plain, "speed_imitation.csv", {"generator": "generator", "what": "what", **RATIOS}
    ),
    "speed-vmail": partial(plain, "speed_vmail.csv", RATES),
    "speed-vmail-gpu": partial(plain, "speed_vmail-gpu.csv", RATES),
}
