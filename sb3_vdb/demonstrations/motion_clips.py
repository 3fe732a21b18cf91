"""A motion clip as demonstrations: states at many moments, and what a discriminator sees."""

from __future__ import annotations

from typing import Any

from gymnasium import spaces

from sb3_vdb.demonstrations.video_clips import differences_to
from sb3_vdb.transitions import Observations
from sb3_vdb.views import Difference, Join, ObservationView, Vector, View

N_PHASES = 1024  # of the table that differences are taken to


def sample_clip(env: Any, rate: float | None, n_starts: int) -> tuple[list[Observations], View]:
    """Sample one cycle of an environment's clip several times.

    :param env: has ``clip_observations`` and ``motion``, as the humanoid has
    :param rate: samples a second; None for the environment's own
    :param n_starts: how many times, from moments that lie between two samples
    :return: observations of each time, shape (steps + 1, ...), and the view of differences
    """
    rates = {} if rate is None else {"rate": rate}
    first = env.clip_observations(**rates)
    spacing = 1.0 / (env.metadata["render_fps"] if rate is None else rate)  # s
    starts = [spacing * i / n_starts for i in range(1, n_starts)]
    cycles = [first, *(env.clip_observations(**rates, start=start) for start in starts)]
    return cycles, View(_differences(env), sees=("next_observations",))


def _differences(env: Any) -> ObservationView:
    """See differences of the picture; or of the state, and the environment's own of the root where
    it observes them.
    """
    if env.observes_video:
        n_frames = round(env.clip.duration * env.metadata["render_fps"])
        video = env.motion(n_frames if env.clip.loops else n_frames + 1)
        return differences_to(video["frames"], video["loops"])
    state = Difference(**env.motion(N_PHASES))
    if not isinstance(env.observation_space, spaces.Dict):
        return state
    others = [name for name in env.observation_space.spaces if name != state.key]
    return Join((state, *(Vector(name, centred=True) for name in others)))
