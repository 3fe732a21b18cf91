"""What environments give is finite: the one check where steps come in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from sb3_vdb.errors import NonFiniteError
from sb3_vdb.transitions import Observations, parts_of

REMEDY = (
    "let the environment end such an episode before (a simulation that diverges), or mend what "
    "it returns"
)


class FiniteSteps:
    """Counts the steps of vector environments and refuses NaN and infinity in what they give, and
    numbers that are infinite in single precision, in which networks compute.

    A step costs one sum over each part of the observations; only where that is not finite are the
    components looked at.
    """

    def __init__(self) -> None:
        self.n_steps = 0  # of each environment

    def check_reset(self, observations: Observations) -> None:
        """Check the first observations of episodes.

        :param observations: shape (n_envs, ...), or one such array a part by name
        :raises NonFiniteError: naming environment and component
        """
        self._check(observations, "the first observation")

    def check_actions(self, actions: npt.NDArray[Any]) -> None:
        """Check the actions of the next step, for which the policy answers.

        :param actions: shape (n_envs, ...)
        :raises NonFiniteError: naming environment, step and component
        """
        if not is_finite(actions):
            i, where, value = first_not_finite(actions)
            raise NonFiniteError(
                f"the action for environment {i} at step {self.n_steps + 1} is not finite: "
                f"component {where} is {value}; lower the policy's learning rate, or look at what "
                "it is paid"
            )

    def check_step(self, observations: Observations, finals: Mapping[int, Observations]) -> None:
        """Check what a step gave, before anybody stores it.

        :param observations: after the step, the first ones of the next episode where one has ended,
            shape (n_envs, ...), or one such array a part by name
        :param finals: last observations of the episodes that ended, by environment
        :raises NonFiniteError: naming environment, step and component
        """
        self.n_steps += 1
        for i, final in finals.items():
            self._check(final, f"the last observation of an episode at step {self.n_steps}", i)
        self._check(observations, f"the observation at step {self.n_steps}")

    def check_rewards(self, rewards: npt.NDArray[np.floating]) -> None:
        """Check the learned rewards of the latest step.

        :param rewards: shape (n_envs,)
        :raises NonFiniteError: naming environment and step
        """
        if not is_finite(rewards):
            i, _, value = first_not_finite(rewards)
            raise NonFiniteError(
                f"the learned reward is not finite: {value} for environment {i} at step "
                f"{self.n_steps}"
            )

    def _check(self, observations: Observations, what: str, env: int | None = None) -> None:
        """Check observations of all environments, or of one."""
        for name, part in parts_of(observations).items():
            if is_finite(part):
                continue
            rows = np.asarray(part)
            i, where, value = first_not_finite(rows if env is None else rows[None])
            part_name = f" of part `{name}`" if isinstance(observations, Mapping) else ""
            raise NonFiniteError(
                f"{what} of environment {i if env is None else env} is not finite: component "
                f"{where}{part_name} is {value}; {REMEDY}"
            )


def is_finite(values: Any) -> bool:
    """Say whether all numbers are finite in single precision, by their sum where that says it."""
    values = np.asarray(values)
    if values.dtype.kind != "f":
        return True
    with np.errstate(over="ignore", invalid="ignore"):
        single = values.astype(np.float32, copy=False)
        return bool(np.isfinite(single.sum())) or bool(np.isfinite(single).all())


def first_not_finite(values: npt.NDArray[Any]) -> tuple[int, list[int], float]:
    """Find the first number that is not finite in single precision, which has to be there.

    :param values: shape (n_envs, ...)
    :return: environment, index within its values, and the number
    """
    with np.errstate(over="ignore", invalid="ignore"):
        index = np.argwhere(~np.isfinite(values.astype(np.float32)))[0]
    return int(index[0]), index[1:].tolist(), float(values[tuple(index)])
