"""n copies of a hand's task, observed as states or as pictures."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, NamedTuple

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from sb3_vdb_envs.batched import BatchStep, check_action_shape, check_whole
from sb3_vdb_envs.hands.picture import HandPicture
from sb3_vdb_envs.hands.task import CONTROL_STEP, Array, HandTask
from sb3_vdb_envs.looks import check_look
from sb3_vdb_envs.rollout_pool import RolloutPool
from sb3_vdb_envs.vector import Observations

if TYPE_CHECKING:
    from typing_extensions import Self

IMAGE_SIZE = 64  # pixels
BOUND = 1e3  # no feature comes near it (rad, m and their rates); checkers want finite bounds
CHANNELS = 3  # of one picture


class Look(NamedTuple):
    """What is seen of a task.

    :param image_size: height and width, pixels
    :param frame_stack: pictures in an observation, the newest last; at the start the first one is
        repeated
    :param preset: ``"fast"``, ``"shadow"`` or ``"default"``
    :param supersample: how many times larger pictures are rendered and averaged down
    :param proprioception: whether the hand's joints are observed beside the picture
    """

    image_size: int = IMAGE_SIZE
    frame_stack: int = 1
    preset: str = "fast"
    supersample: int = 1
    proprioception: bool = False

    def check(self) -> None:
        """Refuse what cannot be rendered.

        :raises ValueError: naming the argument
        """
        check_whole("supersample", self.supersample, 1)
        check_look(self.preset, self.image_size, "image_size")
        check_look(self.preset, self.image_size * self.supersample, "image_size x supersample")
        check_whole("frame_stack", self.frame_stack, 1, "pictures")


class HandBatch:
    """See :class:`.EnvBatch`; a picture is rendered once a step, and again of those that begin
    anew.

    :param task: what is to be done
    :param n: number of copies
    :param look: of observations; None for states
    :param threads: worker threads of the physics; None for one per core
    """

    def __init__(
        self, task: HandTask, n: int, look: Look | None, threads: int | None = None
    ) -> None:
        if threads is not None:
            check_whole("threads", threads, 1)
        self.task, self.n, self.look = task, n, look
        self._pool = RolloutPool(
            task.model, n, round(CONTROL_STEP / task.model.opt.timestep), threads
        )
        self._states, self._clocks = np.zeros((n, self._pool.size)), np.zeros(n)
        self._states[:, 1 : 1 + task.model.nq] = task.model.qpos0
        self._camera: HandPicture | None = None
        if look is not None:
            look.check()
            size = look.image_size
            self._camera = HandPicture(task, look.preset, size, look.supersample)
            self._frames = np.zeros((n, size, size, CHANNELS * look.frame_stack), np.uint8)
            # whose latest picture is to be rendered, and who begins anew
            self._stale, self._begins = np.ones(n, dtype=bool), np.ones(n, dtype=bool)

    @property
    def positions(self) -> Array:
        """MuJoCo's ``qpos``, shape (n, nq)."""
        return self._states[:, 1 : 1 + self.task.model.nq]

    @property
    def velocities(self) -> Array:
        """MuJoCo's ``qvel``, shape (n, nv)."""
        first = 1 + self.task.model.nq
        return self._states[:, first : first + self.task.model.nv]

    @property
    def clocks(self) -> Array:
        """Control steps since the start, shape (n,)."""
        return self._clocks

    @property
    def observation_space(self) -> gym.Space[Any]:
        """The space in which the observations of one copy lie."""
        if self.look is None:
            return gym.spaces.Box(-BOUND, BOUND, (self.task.n_features,), np.float32)
        image = gym.spaces.Box(0, 255, self._frames.shape[1:], np.uint8)
        if not self.look.proprioception:
            return image
        joints = gym.spaces.Box(-BOUND, BOUND, (len(self.task.joints),), np.float32)
        return gym.spaces.Dict({"image": image, "joints": joints})

    @property
    def action_space(self) -> gym.spaces.Box:
        """The space in which the actions of one copy lie."""
        return gym.spaces.Box(-1.0, 1.0, (self.task.n_actions,), np.float32)

    def reset(self, indices: npt.NDArray[np.intp], generators: list[np.random.Generator]) -> None:
        """Start an episode in some copies."""
        self._states[indices] = 0.0
        for i, generator in zip(indices, generators, strict=True):
            self.positions[i], self.velocities[i] = self.task.start(generator)
        self._clocks[indices] = 0.0
        if self.look is not None:
            self._stale[indices] = self._begins[indices] = True

    def step(self, actions: npt.NDArray[np.floating]) -> BatchStep:
        """Advance every copy by one control step.

        :raises ValueError: actions of another shape, or not numbers
        """
        actions = np.asarray(actions, dtype=np.float64)
        check_action_shape(actions.shape[1:], self.action_space.shape)
        if np.isnan(actions).any():
            raise ValueError(
                "an action is not a number; check the policy for weights that are not finite"
            )
        bounded = actions.clip(-1.0, 1.0)
        self._pool.step(self._states, self.task.controls(self.positions, bounded))
        self._clocks += 1.0
        if self.look is not None:
            self._frames[..., :-CHANNELS] = self._frames[..., CHANNELS:]
            self._stale[:] = True
        terms, terminated = self.task.outcome(self.positions, self.velocities, self._clocks)
        rewards = np.sum(list(terms.values()), axis=0)
        infos = {f"reward/{name}": term for name, term in terms.items()}
        return BatchStep(self.observe(), rewards, infos, terminated)

    def observe(self) -> Observations:
        """Return the observations of all copies."""
        if self.look is None:
            seen = self.task.features(self.positions, self.velocities, self._clocks)
            return seen.astype(np.float32)
        self._render_what_is_stale()
        frames = self._frames.copy()
        if not self.look.proprioception:
            return frames
        joints = self.positions[:, self.task.joints]
        return {"image": frames, "joints": joints.astype(np.float32)}

    def _render_what_is_stale(self) -> None:
        assert self._camera is not None
        for i in np.flatnonzero(self._stale):
            picture = self._camera.render(self.positions[i], self._clocks[i])
            self._frames[i, ..., -CHANNELS:] = picture
            if self._begins[i]:
                self._frames[i] = np.tile(picture, self._frames.shape[-1] // CHANNELS)
        self._stale[:] = self._begins[:] = False

    def info(self) -> dict[str, npt.NDArray[Any]]:
        """Return measurements of the present moment."""
        return self.task.measurements(self.positions, self.velocities, self._clocks)

    def get_state(self) -> dict[str, Any]:
        """Return everything that the next steps depend on."""
        state = {"physics": self._states.copy(), "clocks": self._clocks.copy()}
        if self.look is not None:
            self._render_what_is_stale()
            state["frames"] = self._frames.copy()
        return state

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`get_state` returned."""
        self._states[:], self._clocks[:] = state["physics"], state["clocks"]
        if self.look is not None:
            self._frames[:] = state["frames"]
            self._stale[:] = self._begins[:] = False

    def show(self, i: int, positions: Array, velocities: Array, clock: float) -> None:
        """Put a copy into another state, in place of the newest picture.

        :param i: which copy
        """
        self.positions[i], self.velocities[i], self._clocks[i] = positions, velocities, clock
        if self.look is not None:
            self._stale[i] = True

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Copy the copies where they are, with threads and OpenGL of their own."""
        task = copy.deepcopy(self.task, memo)
        copied = type(self)(task, self.n, self.look, self._pool.threads or 1)
        memo[id(self)] = copied
        copied.set_state(self.get_state())
        return copied

    def close(self) -> None:
        """Stop the threads and free OpenGL; closing twice is legal."""
        self._pool.close()
        if self._camera is not None:
            self._camera.close()
