"""A look into the world model while it learns, in TensorBoard."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Image

from sb3_vdb.vmail.inspection import Prediction, follow, predict_pictures
from sb3_vdb.vmail.vmail import VMAIL


class InspectionCallback(BaseCallback):
    """Logs, every so many decisions, a strip of pictures (seen, decoded from the belief, predicted
    without looking) of a demonstration and of the policy's last episode, and mean reward and belief
    divergence along both.

    :param every: decisions between two looks
    :param n_context: observations that a prediction may see
    :param n_steps: observations in all
    :param n_shown: pictures of a strip
    :raises ValueError: a number is out of range
    """

    def __init__(
        self, every: int = 10_000, n_context: int = 6, n_steps: int = 50, n_shown: int = 10
    ) -> None:
        super().__init__()
        if every < 1:
            raise ValueError(f"`every` must be at least 1 decision, got {every}")
        if not 0 < n_context < n_steps:
            raise ValueError(
                f"`n_context` must lie between 1 and `n_steps` - 1, got {n_context} of {n_steps}"
            )
        self.every, self.n_context = every, n_context
        self.n_steps, self.n_shown = n_steps, n_shown
        self._next = every

    def _on_training_start(self) -> None:
        self._next = self._after(self.model.num_timesteps)

    def _after(self, timesteps: int) -> int:
        """Return the next multiple, so that a run that goes on looks when an uninterrupted one
        would.
        """
        return (timesteps // self.every + 1) * self.every

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        model = self.model
        if self.num_timesteps < self._next or not isinstance(model, VMAIL):
            return
        self._next = self._after(self.num_timesteps)
        replay = model.replay_buffer
        assert replay is not None
        stores = {"expert": replay.expert, "policy": replay.policy}
        for name, store in stores.items():
            if not store.episodes:
                continue
            rows = store.episode(-1)
            course = follow(model, rows)
            self.logger.record(f"inspection/{name}_reward", float(course.rewards.mean()))
            self.logger.record(f"inspection/{name}_belief_kl", float(course.belief_kl.mean()))
            too_short = len(rows["actions"]) <= self.n_context
            if too_short or not model.policy.world_model.encoder.picture_names:
                continue
            prediction = predict_pictures(model, rows, self.n_context, self.n_steps)
            picture = Image(strip(prediction, self.n_shown), "HWC")
            self.logger.record(f"inspection/{name}", picture, exclude=("stdout", "csv", "json"))


def strip(prediction: Prediction, n_shown: int) -> npt.NDArray[np.uint8]:
    """Arrange three rows of pictures: seen, belief, forward model; the newest of stacked ones.

    :param prediction: of an episode
    :param n_shown: pictures in a row, at even intervals
    :return: shape (3 height, n_shown width, channels)
    """
    chosen = np.linspace(0, len(prediction.seen) - 1, n_shown).astype(int)
    lines = (prediction.seen, prediction.reconstructed, prediction.predicted)
    return np.concatenate([np.concatenate(list(line[chosen][..., -3:]), axis=1) for line in lines])
