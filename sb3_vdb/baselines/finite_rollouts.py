"""What a rollout gives is finite, and what acts in it: checked before SB3 stores or learns it."""

from __future__ import annotations

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback

from sb3_vdb.errors import NonFiniteError
from sb3_vdb.finite_steps import FiniteSteps, first_not_finite, is_finite
from sb3_vdb.finite_weights import check_weights


class FiniteRollouts(BaseCallback):
    """Stops a training with a :class:`~sb3_vdb.errors.NonFiniteError` that names environment, step
    and component, where environments give NaN or infinity, and before the policy learns by a weight
    that is not finite.
    """

    def _on_training_start(self) -> None:
        self._steps = FiniteSteps()
        self._steps.check_reset(vars(self.model)["_last_obs"])

    def _on_step(self) -> bool:
        infos, dones = self.locals["infos"], self.locals["dones"]
        finals = {
            int(i): infos[i]["terminal_observation"]
            for i in np.flatnonzero(dones)
            if "terminal_observation" in infos[i]
        }
        self._steps.check_step(self.locals["new_obs"], finals)
        rewards = np.asarray(self.locals["rewards"])
        if not is_finite(rewards):
            i, _, value = first_not_finite(rewards)
            raise NonFiniteError(
                f"the reward of environment {i} at step {self._steps.n_steps} is not finite: "
                f"{value}; mend what the environment returns"
            )
        return True

    def _on_rollout_end(self) -> None:
        check_weights(self.model.policy)
