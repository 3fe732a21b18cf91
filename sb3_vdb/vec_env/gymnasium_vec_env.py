"""A Gymnasium vector environment as SB3 environments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvObs, VecEnvStepReturn

from sb3_vdb.transitions import Observations, map_parts, parts_of

GYMNASIUM_1 = int(gym.__version__.split(".")[0]) >= 1
SAME_STEP, NEXT_STEP, DISABLED = "SameStep", "NextStep", "Disabled"
MASKS = "action_masks"  # method of environments in which not every action is allowed
FINAL_OBSERVATION_KEYS = ("final_obs", "final_observation")  # Gymnasium 1.x and 0.29


def autoreset_mode_of(env: Any) -> str:
    """Say when a Gymnasium vector environment restarts ended episodes: ``"SameStep"``,
    ``"NextStep"`` or ``"Disabled"``.

    Where its metadata do not say it, the rule of its Gymnasium holds: same step in 0.29, next step
    from 1.0 on.
    """
    mode = (getattr(env, "metadata", None) or {}).get("autoreset_mode")
    if mode is None:
        return NEXT_STEP if GYMNASIUM_1 else SAME_STEP
    return str(getattr(mode, "value", mode))


class GymnasiumVecEnv(VecEnv):
    """A Gymnasium vector environment as an SB3 ``VecEnv``, with Gymnasium 0.29 and 1.x.

    SB3 restarts episodes within the step that ended them. Environments in ``SameStep`` mode do the
    same. In ``NextStep`` and ``Disabled`` mode the ended sub-environments are restarted with
    ``reset(options={"reset_mask": mask})``, or, in ``NextStep`` mode when all ended together, with
    a further step; one that cannot restart single sub-environments is refused when it has to.

    ``infos[i]`` has ``terminal_observation`` and ``TimeLimit.truncated`` at the end of an episode,
    and then also the sub-environment's own infos.

    :param env: a vector environment whose observations are arrays, or a Dict of arrays
    :param every_step_infos: give every sub-environment's infos at every step; slow for large
        batches
    :raises ValueError: observations are a Tuple, or a Dict of spaces that are no arrays themselves
    """

    def __init__(self, env: Any, every_step_infos: bool = False) -> None:
        space = env.single_observation_space
        parts = space.spaces.values() if isinstance(space, gym.spaces.Dict) else [space]
        if any(isinstance(part, (gym.spaces.Dict, gym.spaces.Tuple)) for part in parts):
            raise ValueError(
                f"{env} has observations of {space}; "
                "wrap its sub-environments with gymnasium.wrappers.FlattenObservation"
            )
        self.env = env
        self.every_step_infos = every_step_infos
        self.autoreset_mode = autoreset_mode_of(env)
        self._no_infos: list[dict[str, Any]] = [{} for _ in range(env.num_envs)]
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)

    @property
    def spec(self) -> Any:
        """The environment's spec."""
        return getattr(self.env, "spec", None)

    def reset(self) -> VecEnvObs:
        """Start episodes everywhere."""
        seeds: Any = None if all(seed is None for seed in self._seeds) else list(self._seeds)
        if seeds is not None and seeds == [seeds[0] + i for i in range(self.num_envs)]:
            seeds = seeds[0]  # the same to Gymnasium, and some environments take one number only
        options = self._options[0] or None
        observations, infos = self.env.reset(seed=seeds, options=options)
        self.reset_infos = [self._one(infos, i) for i in range(self.num_envs)]
        self._reset_seeds()
        self._reset_options()
        return self._plain(observations)

    def _plain(self, observations: Observations) -> Observations:
        """Give observations as SB3 wants them: an array, or a dictionary in the space's order."""
        space = self.observation_space
        if not isinstance(space, gym.spaces.Dict):
            return observations
        return {name: observations[name] for name in space.spaces}

    def step_async(self, actions: npt.NDArray[Any]) -> None:
        """Keep the actions for :meth:`step_wait`."""
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        """Step, and restart the sub-environments whose episodes ended."""
        observations, rewards, terminations, truncations, infos = self.env.step(self._actions)
        dones = np.logical_or(terminations, truncations)
        listed = (
            [self._one(infos, i) for i in range(self.num_envs)]
            if self.every_step_infos
            else list(self._no_infos)
        )
        if dones.any():
            ended = np.flatnonzero(dones)
            finals = [self._final(observations, infos, i) for i in map(int, ended)]
            if self.autoreset_mode != SAME_STEP:
                observations, infos = self._restart(map_parts(np.array, observations), dones)
            for i, (last, info) in zip(ended, finals, strict=True):
                truncated = bool(truncations[i]) and not bool(terminations[i])
                listed[i] = {**info, "terminal_observation": last, "TimeLimit.truncated": truncated}
                self.reset_infos[i] = self._one(infos, int(i))
        paid = np.asarray(rewards, dtype=np.float32)
        return self._plain(observations), paid, dones, listed

    def _final(
        self, observations: Any, infos: dict[str, Any], i: int
    ) -> tuple[Any, dict[str, Any]]:
        """Return the last observation and infos of an ended episode."""
        if self.autoreset_mode != SAME_STEP:
            last = map_parts(lambda part: np.array(part[i]), self._plain(observations))
            return last, self._one(infos, i)
        key = next((key for key in FINAL_OBSERVATION_KEYS if key in infos), None)
        if key is None:
            raise RuntimeError(
                f"{self.env} restarts within the step but does not give the last observation; "
                "use gym.vector.SyncVectorEnv"
            )
        finals = infos[key]
        if isinstance(finals, dict):  # one array per part
            last = {name: part[i] for name, part in self._plain(finals).items()}
        else:  # an array of observations
            last = self._plain(finals[i])
        final_info = infos.get("final_info")
        if final_info is None:
            return last, {}
        return last, self._one(final_info, i) if isinstance(final_info, dict) else dict(
            final_info[i]
        )

    def _restart(self, before: Any, dones: npt.NDArray[np.bool_]) -> tuple[Any, dict[str, Any]]:
        """Restart the ended sub-environments, and only them.

        :param before: observations before the restart
        :param dones: which ended, shape (num_envs,)
        """
        if self.autoreset_mode == NEXT_STEP and dones.all():
            observations, _, _, _, infos = self.env.step(self._actions)
            return observations, infos
        observations, infos = self.env.reset(options={"reset_mask": dones.copy()})
        running = ~dones
        unchanged = map_parts(
            lambda now, then: np.array_equal(
                np.asarray(now)[running], then[running], equal_nan=True
            ),
            observations,
            before,
        )
        if not all(parts_of(unchanged).values()):
            raise RuntimeError(
                f"{self.env} ended in {int(dones.sum())} of {self.num_envs} sub-environments and "
                'restarted the others too: it ignores options["reset_mask"]; use its '
                "`autoreset_mode=AutoresetMode.SAME_STEP` if it has one, or a SyncVectorEnv"
            )
        return observations, infos

    def restart(self, mask: npt.NDArray[np.bool_]) -> VecEnvObs:
        """Begin new episodes in some sub-environments.

        :param mask: in which, shape (num_envs,)
        :return: observations of all
        """
        observations, infos = self.env.reset(options={"reset_mask": mask.copy()})
        for i in np.flatnonzero(mask):
            self.reset_infos[i] = self._one(infos, int(i))
        return self._plain(observations)

    @staticmethod
    def _one(infos: dict[str, Any], i: int) -> dict[str, Any]:
        """Take the infos of sub-environment i out of the dictionary of arrays."""
        one: dict[str, Any] = {}
        for key, values in infos.items():
            if key.startswith("_") or key in (*FINAL_OBSERVATION_KEYS, "final_info"):
                continue
            present = infos.get(f"_{key}")
            if present is None or present[i]:
                value = GymnasiumVecEnv._one(values, i) if isinstance(values, dict) else values[i]
                one[key] = value.item() if isinstance(value, np.generic) else value
        return one

    def close(self) -> None:
        """Close the environment."""
        self.env.close()

    def get_images(self) -> Sequence[npt.NDArray[np.uint8] | None]:
        """Render one picture of each sub-environment."""
        images = self.env.render()
        return [None] * self.num_envs if images is None else list(images)

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """Return an attribute of the vector environment, once for each index (a batch has one value
        for all), or of its single environments where only they have it.
        """
        chosen = self._get_indices(indices)
        if attr_name == "render_mode":
            return [getattr(self.env, "render_mode", None) for _ in chosen]
        if not hasattr(self.env, attr_name) and hasattr(self.env, "envs"):
            return [self.env.envs[i].get_wrapper_attr(attr_name) for i in chosen]
        return [getattr(self.env, attr_name) for _ in chosen]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Set an attribute of the vector environment; it holds for all sub-environments.

        :raises ValueError: ``indices`` names only some of them
        """
        if len(list(self._get_indices(indices))) != self.num_envs:
            raise ValueError(
                f"`indices` must be None: {self.env} is one batch and has one `{attr_name}` for all"
            )
        setattr(self.env, attr_name, value)

    def env_method(
        self,
        method_name: str,
        *method_args: Any,
        indices: VecEnvIndices = None,
        **method_kwargs: Any,
    ) -> list[Any]:
        """Call a method of the vector environment once; the result is repeated for each index. Of
        action masks, shape (num_envs, n_choices), each gets its row.
        """
        chosen = self._get_indices(indices)
        if not hasattr(self.env, method_name) and hasattr(self.env, "envs"):
            methods = self.get_attr(method_name, indices)
            return [method(*method_args, **method_kwargs) for method in methods]
        result = getattr(self.env, method_name)(*method_args, **method_kwargs)
        if method_name == MASKS:
            return [result[i] for i in chosen]
        return [result for _ in chosen]

    def env_is_wrapped(
        self, wrapper_class: type[gym.Wrapper], indices: VecEnvIndices = None
    ) -> list[bool]:
        """Return False for each: sub-environments of a batch have no wrappers of their own."""
        return [False for _ in self._get_indices(indices)]
