"""Many copies of a dm_control task as one Gymnasium vector environment, on a few threads."""

from __future__ import annotations

import copy
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from sb3_vdb_envs.batched import BatchStep, BatchVectorEnv, check_num_envs
from sb3_vdb_envs.cores import available_cores
from sb3_vdb_envs.suite.env import IMAGE_SIZE, RENDER_SIZE, SuiteEnv, SuitePixelEnv, SuiteStateEnv
from sb3_vdb_envs.vector import AutoresetMode


class SuiteBatch:
    """n environments, each reset, stepped and rendered by one thread, which may serve several of
    them.

    MuJoCo lets go of Python's lock while it steps and renders, so threads are as fast as
    processes here and need neither copies of pictures nor of the interpreter. OpenGL contexts
    belong to threads, which is why an environment never changes its thread.

    :param make: makes one environment
    :param n: number of environments
    :param threads: None for one per core
    """

    def __init__(self, make: Callable[[], SuiteEnv], n: int, threads: int | None) -> None:
        if threads is not None and threads < 1:
            raise ValueError(f"`threads` must be at least 1 or None, got {threads}")
        count = min(n, available_cores() if threads is None else threads)
        self._workers = [ThreadPoolExecutor(1) for _ in range(count)] if count > 1 else []
        self.envs = [make() for _ in range(n)]
        self._everyone = np.arange(n)
        space: Any = self.envs[0].observation_space
        self.observation_space, self.action_space = space, self.envs[0].action_space
        self._observations: npt.NDArray[Any] = np.zeros((n, *space.shape), space.dtype)
        self._frames = np.zeros(n, dtype=np.int64)
        self._randoms: list[np.random.RandomState | None] = [None] * n

    def _each(self, indices: npt.NDArray[np.intp], work: Callable[[int], None]) -> None:
        """Do something with some environments, each in its own thread."""
        if not self._workers:
            for i in indices:
                work(int(i))
            return

        def several(mine: list[int]) -> None:
            for i in mine:
                work(i)

        count = len(self._workers)
        shares = [[int(i) for i in indices if i % count == k] for k in range(count)]
        futures = [
            worker.submit(several, mine)
            for worker, mine in zip(self._workers, shares, strict=True)
            if mine
        ]
        for future in futures:
            future.result()

    def reset(self, indices: npt.NDArray[np.intp], generators: list[np.random.Generator]) -> None:
        """Start an episode in some copies."""
        for i, generator in zip(indices, generators, strict=True):
            known = self._randoms[i]
            if known is None or known._bit_generator is not generator.bit_generator:
                self._randoms[i] = np.random.RandomState(generator.bit_generator)

        def start(i: int) -> None:
            random = self._randoms[i]
            assert random is not None
            self._observations[i], info = self.envs[i]._start(random)
            self._frames[i] = info["frames"]

        self._each(indices, start)

    def observe(self) -> npt.NDArray[Any]:
        """Return the observations of all copies."""
        return self._observations.copy()

    def info(self) -> dict[str, npt.NDArray[Any]]:
        """Return the environment frames since the start of each episode."""
        return {"frames": self._frames.copy()}

    def step(self, actions: npt.NDArray[np.floating]) -> BatchStep:
        """Apply an action in every copy."""
        n = len(self.envs)
        rewards = np.zeros(n)
        terminated, truncated = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)

        def advance(i: int) -> None:
            if self.envs[i].ended:  # waits for its restart ("NextStep")
                return
            result = self.envs[i].step(actions[i])
            self._observations[i], rewards[i], terminated[i], truncated[i], info = result
            self._frames[i] = info["frames"]

        self._each(self._everyone, advance)
        infos = {"reward/task": rewards.copy(), **self.info()}
        return BatchStep(self.observe(), rewards, infos, terminated, truncated)

    def get_state(self) -> dict[str, Any]:
        """Return everything that the next steps depend on."""
        states = [env.get_state() for env in self.envs]
        arrays = {name: np.stack([state[name] for state in states]) for name in states[0]}
        randoms = [each and each.get_state(legacy=False) for each in self._randoms]
        return {**arrays, "observations": self.observe(), "randoms": randoms}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`get_state` returned."""
        names = self.envs[0].get_state()

        def restore(i: int) -> None:
            self.envs[i].set_state({name: state[name][i] for name in names})

        self._each(self._everyone, restore)
        self._observations = np.array(state["observations"])
        self._frames = np.array(state["frames"], dtype=np.int64)

    def place(self, state: dict[str, Any]) -> None:
        """Put all copies into the state of one.

        :param state: of :meth:`.SuiteEnv.get_state`
        """

        def restore(i: int) -> None:
            self._observations[i] = self.envs[i].set_state(state)
            self._frames[i] = int(state["frames"])

        self._each(self._everyone, restore)

    def render(self) -> tuple[npt.NDArray[np.uint8], ...]:
        """Render one picture of each copy."""
        pictures: list[Any] = [None] * len(self.envs)

        def render(i: int) -> None:
            pictures[i] = self.envs[i].render()

        self._each(self._everyone, render)
        return tuple(pictures)

    def close(self) -> None:
        """Close the environments and stop the threads."""
        if self.envs:
            self._each(self._everyone, lambda i: self.envs[i].close())
        for worker in self._workers:
            worker.shutdown()
        self._workers, self.envs = [], []


class SuiteVectorEnv(BatchVectorEnv):
    """Copies of a :class:`.SuiteStateEnv` or :class:`.SuitePixelEnv`.

    Copy ``i`` reset with ``seed=s`` goes through the same states as a single environment reset with
    ``seed=s + i``.

    :param make: makes one environment
    :param num_envs: number of environments
    :param threads: None for one per core
    :param max_episode_steps: time limit in steps beside the suite's own in frames; None for none
    :param autoreset_mode: ``"SameStep"`` (default), ``"NextStep"`` or ``"Disabled"``
    :param render_mode: ``"rgb_array"`` or None
    :raises ValueError: a bad argument
    """

    def __init__(
        self,
        make: Callable[[], SuiteEnv],
        num_envs: int,
        threads: int | None,
        max_episode_steps: int | None,
        autoreset_mode: str | AutoresetMode,
        render_mode: str | None,
    ) -> None:
        check_num_envs(num_envs)
        self._make, self._threads = make, threads
        self.batch = SuiteBatch(make, num_envs, threads)
        first = self.batch.envs[0]
        self.action_repeat = first.action_repeat
        super().__init__(self.batch, num_envs, max_episode_steps, autoreset_mode, render_mode)
        self.metadata = {**self.metadata, "render_fps": first.metadata["render_fps"]}

    def _make_generator(self, seed: int | None) -> np.random.Generator:
        """Make NumPy's old generator, seeded in its old way: the suite's tasks sample from it."""
        return np.random.Generator(np.random.RandomState(seed)._bit_generator)

    def set_state(self, state: dict[str, Any]) -> npt.NDArray[Any]:
        """Restore what :meth:`get_state` returned.

        :return: observations of all copies
        """
        observations = super().set_state(state)
        for i, random in enumerate(state["randoms"]):
            if random is not None:
                known = np.random.RandomState(self._generators[i].bit_generator)
                known.set_state(random)
                self.batch._randoms[i] = known
        return observations

    def place(self, env: gym.Env[Any, Any]) -> None:
        """See :meth:`.BatchVectorEnv.place`."""
        single = env.unwrapped
        first = self.batch.envs[0]
        if type(single) is not type(first) or single.task_name != first.task_name:
            raise ValueError(
                f"{env} is no single copy of this batch; make it with the same id and arguments"
            )
        self.batch.place(single.get_state())

    def __deepcopy__(self, memo: dict[int, Any]) -> SuiteVectorEnv:
        """Copy the environments where they are, with threads of their own."""
        arguments = (self.max_episode_steps, self.autoreset_mode, self.render_mode)
        copied = SuiteVectorEnv(self._make, self.num_envs, self._threads, *arguments)
        memo[id(self)] = copied
        if self._generators:
            copied.set_state(self.get_state())
        copied.action_space = copy.deepcopy(self.action_space, memo)
        return copied

    def render(self) -> tuple[npt.NDArray[np.uint8], ...] | None:
        """Render one picture of each copy; None without a render mode."""
        return None if self.render_mode is None else self.batch.render()

    def close_extras(self, **kwargs: Any) -> None:
        """Close the environments and stop the threads."""
        self.batch.close()


def pixel_vector_env(
    num_envs: int = 1,
    task: str = "WalkerWalk",
    image_size: int = IMAGE_SIZE,
    action_repeat: int = 2,
    frame_stack: int = 1,
    camera: int | str = 0,
    preset: str = "fast",
    threads: int | None = None,
    max_episode_steps: int | None = None,
    autoreset_mode: str | AutoresetMode = AutoresetMode.SAME_STEP,
    render_mode: str | None = None,
    render_height: int = RENDER_SIZE,
    supersample: int = 1,
    floor: bool = True,
) -> SuiteVectorEnv:
    """Make copies of :class:`.SuitePixelEnv`, with its arguments and those of
    :class:`SuiteVectorEnv`.
    """

    def make() -> SuitePixelEnv:
        return SuitePixelEnv(
            task, image_size, action_repeat, frame_stack, camera, preset, render_mode,
            render_height, supersample, floor,
        )  # fmt: skip

    return SuiteVectorEnv(make, num_envs, threads, max_episode_steps, autoreset_mode, render_mode)


def state_vector_env(
    num_envs: int = 1,
    task: str = "WalkerWalk",
    action_repeat: int = 1,
    preset: str = "default",
    camera: int | str = 0,
    threads: int | None = None,
    max_episode_steps: int | None = None,
    autoreset_mode: str | AutoresetMode = AutoresetMode.SAME_STEP,
    render_mode: str | None = None,
    render_height: int = RENDER_SIZE,
) -> SuiteVectorEnv:
    """Make copies of :class:`.SuiteStateEnv`, with its arguments and those of
    :class:`SuiteVectorEnv`.
    """

    def make() -> SuiteStateEnv:
        return SuiteStateEnv(task, action_repeat, preset, camera, render_mode, render_height)

    return SuiteVectorEnv(make, num_envs, threads, max_episode_steps, autoreset_mode, render_mode)
