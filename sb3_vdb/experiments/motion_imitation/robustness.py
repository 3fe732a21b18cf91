"""Which policies bear more: those that learned from a clip, or from DeepMimic's reward?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from sb3_vdb.acting import Predictor
from sb3_vdb.evaluation.robustness import evaluate_plants, evaluate_pushes
from sb3_vdb.experiments.framework.run import versions_of
from sb3_vdb.experiments.framework.table import show, write_tables
from sb3_vdb.experiments.motion_imitation.table import best_runs, finished_runs, simulator_rows
from sb3_vdb.experiments.motion_imitation.training import POLICY
from sb3_vdb.pretrained import available, load_pretrained
from sb3_vdb.saved_models import load_model

SHIPPED = "DeepMimic, 4 M samples"  # the policies that come with the package
SEED = 30_000


def robustness(skills: Sequence[str], out: Path, docs: Path | None) -> list[Path]:
    """Push the best policy of every skill and method, and change its mass and friction.

    :param skills: as in the ids; all that were trained if empty
    :param out: folder of the runs of ``motion-imitation``
    :param docs: also write the tables here
    :return: the tables
    """
    runs = finished_runs(out)
    best = best_runs(simulator_rows(runs), runs)
    chosen = [run for run in best if not skills or run.skill in skills]
    policies: dict[tuple[str, str], Predictor] = {}
    for run in chosen:
        policy = load_model(run.folder / POLICY, env_id=run.env_id)
        policies[run.skill, run.method] = policy
    for skill in dict.fromkeys(run.skill for run in chosen):
        if f"Humanoid{skill}" in available():
            policies[skill, SHIPPED] = load_pretrained(f"sb3_vdb/Humanoid{skill}-v0")
    pushes, plants = [], []
    for (skill, method), policy in policies.items():
        label = {"skill": skill, "method": method}
        pushes += _pushes(policy, label)
        plants += _plants(policy, label)
    tables = {"pushes": pd.DataFrame(pushes), "plants": pd.DataFrame(plants)}
    for table in tables.values():
        show(table)
    folders = [out] if docs is None else [out, docs]
    for folder in folders:
        write_tables(folder, tables, versions_of(runs), "robustness_versions")
    return [folder / f"{name}.csv" for folder in folders for name in tables]


def _pushes(policy: Predictor, label: dict[str, Any]) -> list[dict[str, Any]]:
    env_id = f"sb3_vdb/Humanoid{label['skill']}-v0"
    return [{**label, **each._asdict()} for each in evaluate_pushes(policy, env_id, seed=SEED)]


def _plants(policy: Predictor, label: dict[str, Any]) -> list[dict[str, Any]]:
    env_id = f"sb3_vdb/Humanoid{label['skill']}-v0"
    return [
        {
            **label,
            "plant": name,
            "joint_error": round(result.joint_error, 4),
            "full_share": round(result.full_share, 3),
        }
        for name, result in evaluate_plants(policy, env_id, seed=SEED).items()
    ]
