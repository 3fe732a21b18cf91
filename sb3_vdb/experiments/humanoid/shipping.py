"""Policies of the motion table that come with the package, with their model cards."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pandas as pd
from gymnasium import spaces
from rich.console import Console

from sb3_vdb.experiments.framework.run import read_config
from sb3_vdb.experiments.humanoid.table import best_seed
from sb3_vdb.pretrained import PART, load_policy, save_policy
from sb3_vdb.vec_env import make_vec_env

LEAST_FULL_SHARE = 0.9  # of full episodes, for a policy that ships
CARD = """# {name}

A policy for `{env_id}`: imitates the clip `{clip}` with {target} PD targets.

- Trained with `DeepMimicPPO` on {reward}: seed {seed}, {samples:.1f} M samples,
  {minutes:.0f} minutes on one core. Chosen as the best of {seeds} seed(s) by the error at 1/240 s.
- Networks {widths} (ReLU), half precision; observations are normalised inside.
- Made by `sb3-vdb reproduce {study}` and `sb3-vdb maintain {command}`.

| simulator | error (rad) | steps of 600 | full episodes | speed (m/s) | episodes |
|---|---|---|---|---|---|
{rows}

Deterministic episodes, started anywhere in the clip where nothing else is said. The error is the
mean angle between the rotations of its joints and the clip's, pi for every step after a fall.

Limits: it has seen this clip alone, flat ground and no pushes.
"""


def ship(out: Path, target: Path) -> list[Path]:
    """Copy the best policy of every skill into the package, with a model card.

    :param out: folder of the runs
    :param target: folder of the shipped policies
    :return: the files
    """
    table = pd.read_csv(out / "table.csv")
    paths = []
    for skill in sorted(set(table["skill"])):
        rows = table[(table["skill"] == skill) & (table["seed"] == best_seed(table, skill))]
        if rows["full_share"].iloc[0] < LEAST_FULL_SHARE:
            Console(stderr=True).print(f"{skill}: the best seed falls; nothing ships")
            continue
        n_seeds = table.loc[table["skill"] == skill, "seed"].nunique()
        paths.append(_ship(out, rows, n_seeds, target / f"Humanoid{skill}.pt"))
    return paths


def _ship(out: Path, rows: pd.DataFrame, n_seeds: int, path: Path) -> Path:
    """Copy a policy, given its rows of the table."""
    best = rows.iloc[0]
    source = Source("DeepMimic's hand-made reward", "humanoid", "ship-policies")
    env_id = f"sb3_vdb/Humanoid{best['skill']}-v0"
    folder = out / f"{best['skill']}_{best['seed']}"
    return write_policy(folder, env_id, rows, n_seeds, source, path)


class Source(NamedTuple):
    """Where a policy comes from, for its card.

    :param reward: what it was trained on
    :param study: of the runs
    :param command: that ships them
    """

    reward: str
    study: str
    command: str


def write_policy(
    run_folder: Path, env_id: str, rows: pd.DataFrame, n_seeds: int, source: Source, path: Path
) -> Path:
    """Copy a policy with its card.

    :param run_folder: of its run
    :param env_id: of the environment that it was trained in
    :param rows: of the table, one a simulator
    :param n_seeds: that it was chosen from
    :param source: where it comes from
    :param path: of the shipped file
    """
    best = rows.iloc[0]
    policy = load_policy(run_folder / "policy.pt", env_id)
    if isinstance(policy.observation_space, spaces.Dict):
        policy = policy.of_part(PART)
    widths = policy.net_arch["pi"]  # type: ignore[call-overload]
    card = CARD.format(
        name=path.stem,
        env_id=env_id,
        clip=make_vec_env(env_id, 1).get_attr("clip")[0].name,
        seed=best["seed"],
        target=read_config(run_folder)["settings"]["target"],
        widths="-".join(map(str, widths)),
        samples=best["samples"] / 1e6,
        minutes=best["minutes"],
        seeds=n_seeds,
        rows="\n".join(
            f"| {row.simulator} | {row.joint_error:.3f} | {row.length:.0f} "
            f"| {row.full_share:.2f} | {row.root_speed:.2f} | {row.episodes} |"
            for row in rows.itertuples()
        ),
        **source._asdict(),
    )
    save_policy(policy, path, card)
    return path
