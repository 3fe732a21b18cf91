"""The hand-made reward of the VDB paper's video imitation: how near pixels are."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from sb3_vdb.transitions import Transitions
from sb3_vdb.views import PictureDifference

CHUNK = 256  # pictures compared at a time
WHITE = 255.0


class PixelReward:
    """Pays r = 1 - ||M - M*||^2 / (3 * 64^2) for the frame M after each step, with M* the video's
    at the same phase and pixels in [0, 1] (VDB paper, section 5.1, "Video Imitation"): 1 less the
    mean squared difference. A step that ends an episode by itself pays 0.

    Pay it with :class:`~sb3_vdb.reward_vec_env.RewardVecEnv`.

    :param video: the video, and which parts of the observation are compared
    :param observation_space: of the environment
    :raises ValueError: it has no such parts, or pictures of another size
    """

    def __init__(self, video: PictureDifference, observation_space: spaces.Space[Any]) -> None:
        video.probe(observation_space)
        self.video = video

    def __call__(self, transitions: Transitions) -> npt.NDArray[np.float32]:
        """Compute the rewards, shape (batch,)."""
        observations = transitions.next_observations
        seen, wanted = observations[self.video.key], self.video.at(observations)
        rewards = np.empty(len(seen), dtype=np.float32)
        for start in range(0, len(seen), CHUNK):
            chunk = slice(start, start + CHUNK)
            difference = seen[chunk].astype(np.float32) - wanted[chunk]
            difference /= WHITE
            np.square(difference, out=difference)
            rewards[chunk] = 1.0 - difference.reshape(len(difference), -1).mean(axis=1)
        rewards[np.asarray(transitions.terminated)] = 0.0
        return rewards
