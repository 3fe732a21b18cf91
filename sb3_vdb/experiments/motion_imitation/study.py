"""What the command line runs of the motion table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import pandas as pd

from sb3_vdb.evaluation import ImitationResult
from sb3_vdb.evaluation.videos import record_video
from sb3_vdb.experiments.framework.job import Job, Report, Workers
from sb3_vdb.experiments.framework.jobs import run_jobs
from sb3_vdb.experiments.framework.run import claimed
from sb3_vdb.experiments.humanoid.training import MocapSettings
from sb3_vdb.experiments.motion_imitation.table import run_table, write_table
from sb3_vdb.experiments.motion_imitation.training import EVALUATIONS, MotionRun, train_motion
from sb3_vdb.pretrained import load_policy

# of the command `train`
ALGORITHMS: Mapping[str, str] = {
    "vail": "VAIL-difference",
    "gail": "GAIL-difference",
    "deepmimic": "DeepMimic",
}
VIDEO, VIDEO_SECONDS = "video.gif", 6.0


def motion_imitation(
    skills: Sequence[str],
    methods: Sequence[str],
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
        return [write_table(out, docs)]
    settings = MocapSettings(samples=samples)
    runs = [
        MotionRun(out, skill, seed, settings, method)
        for seed in seeds
        for skill in skills or ("Run", "Walk")
        for method in methods or ("VAIL-difference",)
    ]
    return [run_table(runs, workers, docs)]


def train_one(
    algorithm: str, skill: str, clip: str | None, seed: int, samples: int, out: Path
) -> str:
    """Train a policy of one clip, and film it; a training that was stopped goes on.

    :param algorithm: of :data:`ALGORITHMS`
    :param skill: as in the id, for example ``"Run"``; ``"Mocap"`` with a clip
    :param clip: a name or the path of a file; None for the skill's own
    :param seed: random seed
    :param samples: environment steps
    :param out: folder of the run
    :return: what came out, in words
    :raises ValueError: the clip is not sound, or the folder holds another run
    """
    run = MotionRun(out, skill, seed, MocapSettings(samples=samples), ALGORITHMS[algorithm], clip)
    run.make(1, seed).close()  # refuses a clip that is not sound
    with claimed(out, [run]):
        run_jobs([Job(run.name, samples, partial(_train, run))], Workers(1))
    policy = train_motion(run)
    film = run.folder / VIDEO
    env_kwargs = {} if clip is None else {"clip": clip}
    if not film.exists():
        record_video(
            run.env_id, load_policy(policy, run.env_id), film, VIDEO_SECONDS, env_kwargs=env_kwargs
        )
    last = pd.read_csv(run.folder / EVALUATIONS).iloc[-1]
    return (
        f"error {last['joint_error']:.3f} rad, {100 * last['full_share']:.0f} % of episodes full, "
        f"{last['root_speed']:.2f} m/s\n{policy}\n{film}"
    )


def _train(run: MotionRun, report: Report) -> None:
    def progress(samples: int, result: ImitationResult | None) -> None:
        report(samples, "" if result is None else f"error {result.joint_error:.3f} rad")

    train_motion(run, progress)
