"""Speed of the biped's frames against the route over software OpenGL."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sb3_vdb.experiments.speed.timing import Contender, compare_steps, timed
from sb3_vdb_envs.biped.frames import FRAME_SIZE, FrameArtist
from sb3_vdb_envs.biped.projection import project
from sb3_vdb_envs.humanoid.clips import MotionClip
from sb3_vdb_envs.humanoid.kinematics import forward_kinematics
from sb3_vdb_envs.humanoid.picture import MujocoPicture

BATCHES = (1, 16, 128)
N_BATCHES = 20
N_RENDERED = 64  # pictures of the slow route


def bench_frames() -> pd.DataFrame:
    """Measure frames of 64 x 64 pixels a second on one core, kinematics included; the yardstick is
    MuJoCo's renderer, one picture at a time.
    """
    clip = project(MotionClip.load("run"))
    contenders: dict[str, tuple[Contender, int]] = {
        f"capsules, batch of {n}": (_drawn(clip, n), n * N_BATCHES) for n in BATCHES
    }
    contenders["MuJoCo's renderer, software OpenGL"] = _rendered(clip), N_RENDERED
    return compare_steps(contenders)


def _drawn(clip: MotionClip, n: int) -> Contender:
    artist, state, origin = FrameArtist(), clip.state(np.linspace(0.0, 10.0, n)), np.zeros(n)

    def draw() -> None:
        for _ in range(N_BATCHES):
            artist.draw(state, forward_kinematics(state), origin)

    return lambda: timed(draw)


def _rendered(clip: MotionClip) -> Contender:
    picture = MujocoPicture(FRAME_SIZE)
    picture.width = FRAME_SIZE
    states = [clip.state(np.array([i / 30])) for i in range(N_RENDERED)]

    def render() -> None:
        for state in states:
            picture.render(state, None)

    return lambda: timed(render)
