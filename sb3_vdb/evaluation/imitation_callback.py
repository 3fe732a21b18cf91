"""Evaluating the imitation of a clip during training, with a warning of policies that survive and
do not imitate.
"""

from __future__ import annotations

import warnings

from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecEnv

from sb3_vdb.arguments import positive_int, whole_number
from sb3_vdb.evaluation.imitation import ImitationResult, evaluate_imitation

# Above these a policy survives, and does not imitate: run and walk out of phase have errors from
# 0.3 to 0.6 rad, 0.51 at a random phase; a policy that follows its clip is below 0.25
SURVIVES = 0.5  # share of full episodes
OUT_OF_TIME = 0.75  # error at the best phase shift, as a share of that at the own phase
FAR = 0.3  # rad

LOGGED = (
    "joint_error",
    "joint_error_alive",
    "joint_error_shifted",
    "full_share",
    "length",
    "root_speed",
)


class ImitationCallback(BaseCallback):
    """Evaluates now and then and logs under ``imitation/``: errors at the own phase and at the best
    common phase shift, lengths, speed.

    :param eval_venv: humanoid environments, one episode each
        (``make_vec_env(id, n, every_step_infos=True)``)
    :param every: environment steps of the training between two evaluations
    :param seed: of the episodes, the same ones every time
    :param phase_shifts: parts of a cycle by which the clip is shifted
    :raises ValueError: a number is out of range
    """

    def __init__(
        self, eval_venv: VecEnv, every: int = 100_000, seed: int = 0, phase_shifts: int = 16
    ) -> None:
        super().__init__()
        self.eval_venv, self.every = eval_venv, positive_int("every", every)
        self.seed = whole_number("seed", seed, 0)
        self.phase_shifts = positive_int("phase_shifts", phase_shifts)
        self.result: ImitationResult | None = None  # the latest
        self._next = 0
        self._warned = False

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        if self.num_timesteps < self._next:
            return
        self._next = self.num_timesteps + self.every
        self.eval_venv.seed(self.seed)
        result = evaluate_imitation(self.model, self.eval_venv, phase_shifts=self.phase_shifts)
        self.result = result
        for name in LOGGED:
            self.logger.record(f"imitation/{name}", getattr(result, name))
        message = survives_without_imitating(result)
        if message is not None and not self._warned:
            self._warned = True
            warnings.warn(message, stacklevel=2)


def survives_without_imitating(result: ImitationResult) -> str | None:
    """Say in words that a policy stays up and does something else than the clip; None where it
    falls or imitates.

    :param result: of an evaluation with phase shifts
    """
    error, shifted = result.joint_error_alive, result.joint_error_shifted
    if result.full_share < SURVIVES or error < FAR:
        return None
    found = f"the policy survives and does not imitate: its error is {error:.2f} rad while it lives"
    if shifted < OUT_OF_TIME * error:
        found += f", {shifted:.2f} with the clip shifted by {result.phase_shift:.2f} of a cycle"
        remedy = (
            "it has lost the time; let the discriminator see the difference to the clip at the "
            "same phase (the view of Demonstrations.from_mocap)"
        )
    else:
        remedy = (
            "staying up is paid and the motion is not; raise `information_limit` or "
            "`grad_penalty_coef`, or set `terminal_reward=0.0`"
        )
    return f"{found}; {remedy}"
