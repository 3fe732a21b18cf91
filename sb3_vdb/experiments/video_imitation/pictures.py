"""Figure 5 of the paper: where the discriminators look, in the video and in the policy's frames."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from sb3_vdb.acting import steps
from sb3_vdb.evaluation.saliency import saliency
from sb3_vdb.experiments.framework.plots import new_figure
from sb3_vdb.experiments.motion_imitation.training import POLICY, REWARD, MotionRun
from sb3_vdb.pretrained import load_policy
from sb3_vdb.recovered_reward import RecoveredReward
from sb3_vdb.transitions import Observations, Transitions, map_parts, parts_of

SHOWN = 6  # frames of a cycle
QUANTILE = 0.995  # of a row's saliency: what is drawn brightest
DIM = 0.35  # of a frame under its map


def saliency_figure(runs: Sequence[MotionRun], path: Path) -> Path:
    """Draw maps over frames at the same phases: of each method one row for the video, one for the
    policy from the first pose on.

    :param runs: of one skill, with a learned reward
    :param path: where the figure goes
    """
    with new_figure(path, (1.15 * SHOWN + 1.2, 2.4 * len(runs)), dpi=90) as figure:
        grid = figure.subplots(2 * len(runs), SHOWN, squeeze=False)
        for two_rows, run in zip(grid.reshape(len(runs), 2, SHOWN), runs, strict=True):
            discriminator = RecoveredReward.load(run.folder / REWARD).discriminator
            for row, name, seen in zip(two_rows, ("video", "policy"), _cycles(run), strict=True):
                n = len(next(iter(parts_of(seen).values())))
                batch = Transitions(seen, None, seen, np.zeros(n, dtype=bool))
                maps = saliency(discriminator, batch)
                _draw(row, parts_of(seen)["frame"], maps)
                label = run.label.replace(", ", ",\n")
                row[0].set_ylabel(f"{label}:\n{name}", fontsize=6)
    return path


def _cycles(run: MotionRun) -> tuple[Observations, Observations]:
    """Give observations of one cycle: of the video, and of the policy."""
    video = run.demonstrations()[0].observations
    n = len(parts_of(video)["frame"]) - 1
    venv = run.make(1, 0, monitor=False)
    policy = load_policy(run.folder / POLICY, run.env_id)
    with closing(steps(policy, venv)) as played:
        seen = [step.observations for step in islice(played, n)]
    venv.close()
    agents = {key: np.concatenate([parts_of(each)[key] for each in seen]) for key in seen[0]}
    rows = np.linspace(0, n, SHOWN, endpoint=False).astype(int)
    video = {key: part for key, part in parts_of(video).items() if key in ("frame", "phase")}
    return map_parts(lambda part: part[rows], video), map_parts(lambda part: part[rows], agents)


def _draw(
    row: Sequence[Axes], frames: npt.NDArray[np.uint8], maps: npt.NDArray[np.float32]
) -> None:
    """Draw the map of each frame over the frame, in grey."""
    brightest = max(float(np.quantile(maps, QUANTILE)), 1e-12)
    for axes, frame, each in zip(row, frames, maps, strict=True):
        axes.imshow(frame.mean(axis=-1), cmap="gray", vmin=0, vmax=255 / DIM)
        shown: Any = (each / brightest).clip(0.0, 1.0)
        axes.imshow(shown, cmap="magma", alpha=0.75 * shown, vmin=0.0, vmax=1.0)
        axes.set_xticks([])
        axes.set_yticks([])
