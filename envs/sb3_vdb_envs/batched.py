"""Many copies of an environment as one Gymnasium vector environment, over any batch of them."""

from __future__ import annotations

import numbers
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.utils import seeding
from gymnasium.vector.utils import batch_space

from sb3_vdb_envs.copying import deep_copy
from sb3_vdb_envs.vector import AutoresetMode, Observations, VectorEnv, same_step_infos

if TYPE_CHECKING:
    from typing_extensions import Self

Infos = dict[str, Any]
Mask = npt.NDArray[np.bool_]


class BatchStep(NamedTuple):
    """The result of one control step of n copies."""

    observations: Observations  # shape (n, ...)
    rewards: npt.NDArray[np.float64]  # shape (n,)
    infos: dict[str, npt.NDArray[Any]]  # of this step alone, each of shape (n,)
    terminated: Mask | None = None  # None for nobody
    truncated: Mask | None = None  # ends that are no failure, time limits apart; None for nobody


class EnvBatch(Protocol):
    """n copies of an environment, which keep neither clocks nor seeds. Observations are an array of
    shape (n, ...), or one such array per part where the space is a Dict.
    """

    @property
    def observation_space(self) -> gym.Space[Any]:
        """The space in which the observations of one copy lie."""

    @property
    def action_space(self) -> gym.Space[Any]:
        """The space in which the actions of one copy lie."""

    def reset(self, indices: npt.NDArray[np.intp], generators: list[np.random.Generator]) -> None:
        """Start an episode in some copies, each with its own random generator."""

    def observe(self) -> Observations:
        """Return the observations of all copies."""

    def info(self) -> dict[str, npt.NDArray[Any]]:
        """Return measurements of the present moment."""

    def step(self, actions: npt.NDArray[np.floating]) -> BatchStep:
        """Advance every copy by one control step."""

    def get_state(self) -> dict[str, Any]:
        """Return everything that the next steps depend on."""

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`get_state` returned."""


def check_render_mode(render_mode: str | None) -> None:
    """Refuse what cannot be rendered.

    :raises ValueError: neither None nor ``"rgb_array"``
    """
    if render_mode not in (None, "rgb_array"):
        raise ValueError(f'`render_mode` must be "rgb_array" or None, got {render_mode!r}')


def check_whole(name: str, value: Any, least: int, unit: str = "") -> None:
    """Refuse what is no whole number, or too small.

    :param name: of the argument, for the message
    :param value: what was passed
    :param least: the smallest one that is possible
    :param unit: what it counts
    :raises ValueError: naming argument, value and what is possible
    """
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < least:
        of = f" of {unit}" if unit else ""
        raise ValueError(f"`{name}` must be a whole number{of}, at least {least}, got {value!r}")


def check_num_envs(num_envs: int) -> None:
    """Refuse a batch without copies, before it is made.

    :raises ValueError: ``num_envs`` is not positive
    """
    if num_envs < 1:
        raise ValueError(f"`num_envs` must be at least 1, got {num_envs}")


def check_action_shape(shape: tuple[int, ...], expected: tuple[int, ...] | None) -> None:
    """Refuse actions of another shape than the action space has.

    :raises ValueError: naming both
    """
    if shape != expected:
        raise ValueError(f"the actions have shape {shape}, the action space has {expected}")


def repeated(state: dict[str, Any], n: int) -> dict[str, Any]:
    """Give the state of n copies that are all where one is.

    :param state: of a batch of one: arrays of shape (1, ...), or (length, ...) where rows of all
        copies follow each other
    :param n: how many
    """
    return {name: np.concatenate([value] * n) for name, value in state.items()}


def _same_task(env: gym.Env[Any, Any], batch: VectorEnv) -> bool:
    """Say whether a single environment is of the id of a batch, as far as they know their ids."""
    specs = env.unwrapped.spec, batch.spec
    return None in specs or specs[0].id == specs[1].id  # type: ignore[union-attr]


class BatchVectorEnv(VectorEnv):  # type: ignore[misc]
    """A batch with time limit, autoreset, seeds and a state that can be saved.

    Copy ``i`` of a batch reset with ``seed=s`` goes through the same states, bit for bit, as a
    single environment reset with ``seed=s + i``.

    :param batch: the copies
    :param num_envs: how many they are
    :param max_episode_steps: time limit, which truncates; None for no limit
    :param autoreset_mode: ``"SameStep"`` (no step is lost, and the only mode Gymnasium 0.29 knows),
        ``"NextStep"`` or ``"Disabled"``, with the meaning Gymnasium gives them
    :param render_mode: ``"rgb_array"`` or None
    :raises ValueError: a bad argument
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"]}  # noqa: RUF012
    closed = True  # there is nothing to close of what was never made

    def __init__(
        self,
        batch: EnvBatch,
        num_envs: int,
        max_episode_steps: int | None,
        autoreset_mode: str | AutoresetMode,
        render_mode: str | None,
    ) -> None:
        if max_episode_steps is not None and max_episode_steps < 1:
            raise ValueError(
                f"`max_episode_steps` must be at least 1 or None, got {max_episode_steps}"
            )
        check_render_mode(render_mode)
        self.num_envs, self._batch = num_envs, batch
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.metadata = {**type(self).metadata, "autoreset_mode": self.autoreset_mode}
        self.render_mode = render_mode
        self.single_observation_space = batch.observation_space
        self.single_action_space = batch.action_space
        self.observation_space = batch_space(batch.observation_space, num_envs)
        self.action_space = batch_space(batch.action_space, num_envs)
        self.max_episode_steps = max_episode_steps
        self._generators: list[np.random.Generator] = []
        self._steps = np.zeros(num_envs, dtype=np.int64)
        self._ended, self._any_ended = np.zeros(num_envs, dtype=bool), False
        self._never = np.zeros(num_envs, dtype=bool)
        self._everyone = np.ones(num_envs, dtype=bool)
        self.closed = False

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observations, Infos]:
        """Start an episode in every copy, or in those that ``options["reset_mask"]`` (bool, shape
        (num_envs,)) marks.

        :param seed: one seed (copy i takes ``seed + i``), a list of seeds, or None to go on with
            the generators
        """
        self._seed(seed)
        mask = (options or {}).get("reset_mask", self._everyone)
        observations = self._restart(np.flatnonzero(mask))
        self._after_step(observations)
        return observations, self._infos(self._batch.info())

    def _seed(self, seed: int | list[int | None] | None) -> None:
        if seed is None and self._generators:
            return
        if seed is None:
            seeds: list[int | None] = [None] * self.num_envs
        elif isinstance(seed, numbers.Integral):
            seeds = [int(seed) + i for i in range(self.num_envs)]
        else:
            seeds = [None if one is None else int(one) for one in seed]  # type: ignore[union-attr]
        if len(seeds) != self.num_envs:
            raise ValueError(
                f"`seed` must be one number or a list of {self.num_envs}, got {len(seeds)} of them"
            )
        old = self._generators or [None] * self.num_envs  # type: ignore[list-item]
        self._generators = [
            generator if one is None and generator is not None else self._make_generator(one)
            for one, generator in zip(seeds, old, strict=True)
        ]

    def _make_generator(self, seed: int | None) -> np.random.Generator:
        """Make the random generator of one copy, as a single environment makes it from a seed."""
        return seeding.np_random(seed)[0]

    def step(
        self, actions: npt.NDArray[np.floating]
    ) -> tuple[Observations, npt.NDArray[np.float64], Mask, Mask, Infos]:
        """Advance every copy by one control step; ``actions`` of shape (num_envs, ...).

        :raises ValueError: they have another shape, or a copy waits for its reset
        """
        if self._any_ended and self.autoreset_mode is AutoresetMode.DISABLED:
            raise ValueError(
                "episodes have ended and `autoreset_mode` is Disabled; "
                'reset them with options={"reset_mask": mask} before the next step'
            )
        actions = np.asarray(actions)
        check_action_shape(actions.shape, self.action_space.shape)
        observations, rewards, step_infos, terminated, truncated = self._batch.step(actions)
        self._steps += 1
        terminated = self._never.copy() if terminated is None else terminated
        truncated = self._never.copy() if truncated is None else truncated
        if self._any_ended:  # "NextStep": for copies that had ended, this step is the restart
            for values in (rewards, terminated, truncated):
                values[self._ended] = 0
            observations = self._restart(np.flatnonzero(self._ended))
        if self.max_episode_steps is not None and self._steps.max() >= self.max_episode_steps:
            truncated |= self._steps >= self.max_episode_steps
        infos = self._infos({**step_infos, **self._batch.info()})
        ended = terminated | truncated
        if ended.any():
            observations, infos = self._end_episodes(ended, observations, infos, step_infos)
        self._after_step(observations)
        return observations, rewards, terminated, truncated, infos

    def _restart(self, indices: npt.NDArray[np.intp]) -> Observations:
        """Start new episodes in some copies.

        :return: observations of all copies
        """
        self._batch.reset(indices, [self._generators[i] for i in indices])
        self._steps[indices] = 0
        self._ended[indices] = False
        self._any_ended = bool(self._ended.any())
        return self._batch.observe()

    def _end_episodes(
        self,
        ended: Mask,
        observations: Observations,
        infos: Infos,
        step_infos: dict[str, npt.NDArray[Any]],
    ) -> tuple[Observations, Infos]:
        """Restart the ended copies at once ("SameStep") or note that they have to be restarted."""
        if self.autoreset_mode is not AutoresetMode.SAME_STEP:
            self._ended, self._any_ended = ended.copy(), True
            return observations, infos
        restarted = self._restart(np.flatnonzero(ended))
        fresh = self._infos({**step_infos, **self._batch.info()})
        return restarted, same_step_infos(fresh, ended, observations, infos)

    def _infos(self, values: dict[str, npt.NDArray[Any]]) -> Infos:
        return values | {f"_{name}": self._everyone for name in values}

    def _after_step(self, observations: Observations) -> None:
        """Do what a subclass needs with the observations that reset and step return."""

    def place(self, env: gym.Env[Any, Any]) -> None:
        """Put every copy where a single environment is, for planners; clocks, seeds and time limits
        in steps take no part.

        :param env: of the same id and arguments, within an episode
        :raises ValueError: it is no environment of this batch's kind
        """
        single = getattr(env.unwrapped, "_batch", None)
        if type(single) is not type(self._batch) or not _same_task(env, self):
            raise ValueError(
                f"{env} is no single copy of this batch; make it with the same id and arguments"
            )
        self._batch.set_state(repeated(single.get_state(), self.num_envs))

    def advance(self, actions: npt.NDArray[np.floating]) -> BatchStep:
        """Advance every copy by one control step, also those that have ended, and restart none.

        :param actions: shape (num_envs, ...)
        """
        return self._batch.step(actions)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Copy the environments where they are; the copy opens a picture of its own."""
        return deep_copy(self, memo, _picture=None)

    def get_state(self) -> dict[str, Any]:
        """Return everything that the next steps depend on: physics, clocks and random generators,
        as arrays and JSON-able values.
        """
        generators = [generator.bit_generator.state for generator in self._generators]
        clocks = {"steps": self._steps.copy(), "ended": self._ended.copy()}
        return {**self._batch.get_state(), **clocks, "generators": generators}

    def set_state(self, state: dict[str, Any]) -> Observations:
        """Restore what :meth:`get_state` returned.

        :return: observations of all copies
        """
        self._batch.set_state(state)
        self._steps, self._ended = state["steps"].copy(), state["ended"].copy()
        self._any_ended = bool(self._ended.any())
        self._generators = []
        if state["generators"]:  # empty before the first reset
            self._seed([0] * self.num_envs)
        for generator, one in zip(self._generators, state["generators"], strict=True):
            generator.bit_generator.state = one
        return self._batch.observe()
