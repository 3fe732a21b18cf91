"""Learning curves from SB3's csv logs."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from sb3_vdb.files import expanded


def read_curve(
    folder: str | Path, key: str, step_key: str = "time/total_timesteps"
) -> pd.DataFrame:
    """Read one logged value over environment steps.

    A run that was stopped and went on has several files; where they overlap the later one counts.

    :param folder: run folder with ``progress.csv`` and perhaps ``progress_from_<steps>.csv``
    :param key: log key
    :param step_key: log key of the steps
    :return: columns ``step`` and ``value``, rows where both were logged; empty without any
    """
    curve = pd.DataFrame({"step": [], "value": []}, dtype=float)
    for path in sorted(expanded(folder).glob("progress*.csv"), key=_first_step):
        table = pd.read_csv(path)
        if key not in table or step_key not in table:
            continue
        part = table[[step_key, key]].dropna().set_axis(["step", "value"], axis=1)
        earlier = curve[curve["step"] <= _first_step(path)]
        curve = part if earlier.empty else pd.concat([earlier, part])
    return curve.reset_index(drop=True)


def _first_step(path: Path) -> int:
    """Read how many steps had been made when the file was begun."""
    _, separator, steps = path.stem.partition("_from_")
    return int(steps) if separator else 0
