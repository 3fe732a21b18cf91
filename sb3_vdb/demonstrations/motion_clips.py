"""A motion clip as demonstrations: states at many moments, and what a discriminator sees."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import Any

import gymnasium as gym
from gymnasium import spaces

from sb3_vdb.demonstrations.video_clips import differences_to
from sb3_vdb.transitions import Observations
from sb3_vdb.views import Difference, Join, ObservationView, Vector, View

N_PHASES = 1024  # of the table that differences are taken to


def sample_clip(
    env_id: str, env_kwargs: Mapping[str, Any] | None, rate: float | None, n_starts: int
) -> tuple[list[Observations], View]:
    """Sample one cycle of an environment's clip several times.

    :param env_id: has ``clip_observations`` and ``motion``, as the humanoids have
    :param env_kwargs: arguments of the environment
    :param rate: samples a second; None for the environment's own
    :param n_starts: how many times, from moments that lie between two samples
    :return: observations of each time, shape (steps + 1, ...), and the view of differences
    :raises ValueError: the environment has no clip, or the rate gives no step
    """
    with closing(gym.make(env_id, **(env_kwargs or {}))) as wrapped:
        env: Any = wrapped.unwrapped
        if not hasattr(env, "clip_observations"):
            raise ValueError(
                f"{env_id} has no motion clip; the humanoids have, for example "
                "sb3_vdb/HumanoidRun-v0"
            )
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
