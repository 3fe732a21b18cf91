"""Learning curves out of SB3's csv logs."""

from __future__ import annotations

from pathlib import Path

import pandas as pd


def read_curve(
    folder: str | Path, key: str, step_key: str = "time/total_timesteps"
) -> pd.DataFrame:
    """One logged value over environment steps.

    :param folder: run folder with a ``progress.csv``
    :param key: log key
    :param step_key: log key of the steps
    :return: columns ``step`` and ``value``, rows where both were logged; empty if the key was
        never logged
    """
    table = pd.read_csv(Path(folder) / "progress.csv")
    if key not in table or step_key not in table:
        return pd.DataFrame({"step": [], "value": []})
    return (
        table[[step_key, key]].dropna().set_axis(["step", "value"], axis=1).reset_index(drop=True)
    )
