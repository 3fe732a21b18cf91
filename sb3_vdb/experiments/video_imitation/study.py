"""What the command line runs of the video study."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sb3_vdb.experiments.framework.job import Workers
from sb3_vdb.experiments.humanoid.training import MocapSettings
from sb3_vdb.experiments.motion_imitation.table import run_table, write_table
from sb3_vdb.experiments.video_imitation.training import VideoRun


def video_imitation(
    skills: Sequence[str],
    methods: Sequence[str],
    random_start: bool,
    seeds: range,
    samples: int,
    out: Path,
    docs: Path | None,
    workers: Workers,
    table_only: bool,
) -> list[Path]:
    """Train methods on skills, or only collect what is finished.

    :return: the report
    """
    if table_only:
        return [write_table(out, docs, VideoRun)]
    settings = MocapSettings(samples=samples)
    runs = [
        VideoRun(out, skill, seed, settings, method, random_start=random_start)
        for seed in seeds
        for skill in skills or ("Run",)
        for method in methods or ("VAIL-difference",)
    ]
    return [run_table(runs, workers, docs)]
