"""dm_control's tasks as Gymnasium environments, observed as states or as pixels."""

from __future__ import annotations

import copy
import difflib
from collections import deque
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.utils import EzPickle

from sb3_vdb_envs.batched import check_action_shape, check_render_mode, check_whole
from sb3_vdb_envs.dependencies import require
from sb3_vdb_envs.looks import check_look
from sb3_vdb_envs.suite.rendering import SuiteRenderer, hide_floor
from sb3_vdb_envs.suite.tasks import BY_NAME, legacy_random, load_task, without_opengl

if TYPE_CHECKING:
    from typing_extensions import Self

IMAGE_SIZE = 64  # pixels, the V-MAIL paper's
RENDER_SIZE = 240  # pixels of `render()` for people
STATE_BOUND = 1e6  # no feature comes near it; Gymnasium's checker wants finite bounds
WIDEST_ACTION = 1e3  # actions of tasks with wider bounds (lqr) are taken as they are
# what tasks write into the model when an episode starts; a test tries every task
START_FIELDS = (
    "geom_pos", "geom_quat", "geom_size", "geom_rgba", "body_pos", "body_quat", "site_pos",
    "site_size", "site_rgba", "light_pos", "mat_rgba", "dof_damping", "wrap_prm", "hfield_data",
)  # fmt: skip
UNLIMITED_FRAMES = 1000  # time limit of tasks that have none (lqr)


class SuiteEnv(gym.Env[Any, npt.NDArray[np.float32]]):
    """Base of the state and the pixel environments: physics, actions, time limit, seeds.

    :param task: name in the table, for example ``"WalkerWalk"``
    :param action_repeat: environment frames an action lasts; their rewards are summed
    :param preset: of ``render()`` and of pixel observations
    :param camera: number or name
    :param render_mode: ``"rgb_array"`` or None
    :param render_size: pixels of ``render()``
    :raises ValueError: unknown task, preset or camera, or an action repeat below 1
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 30}  # noqa: RUF012

    def __init__(
        self,
        task: str,
        action_repeat: int,
        preset: str,
        camera: int | str,
        render_mode: str | None,
        render_height: int,
    ) -> None:
        if task not in BY_NAME:
            near = difflib.get_close_matches(task, BY_NAME, n=3)
            hint = f"did you mean {' or '.join(near)}? " if near else ""
            raise ValueError(
                f"`task` {task!r} is not known; {hint}known are {', '.join(sorted(BY_NAME))}"
            )
        check_whole("action_repeat", action_repeat, 1, "frames")
        check_render_mode(render_mode)
        check_look(preset, render_height, "render_height")
        self.task_name, self.action_repeat, self.preset = task, action_repeat, preset
        self.camera, self.render_mode, self.render_height = camera, render_mode, render_height
        self._suite = load_task(BY_NAME[task])
        self.metadata = {**type(self).metadata, "render_fps": self._frames_per_second()}
        spec = self._suite.action_spec()
        low = np.asarray(spec.minimum, dtype=np.float64)
        high = np.asarray(spec.maximum, dtype=np.float64)
        wide = (high - low) > WIDEST_ACTION
        self._action_middle = np.where(wide, 0.0, (high + low) / 2)
        self._action_scale = np.where(wide, 1.0, (high - low) / 2)
        self.action_space: Any = gym.spaces.Box(-1.0, 1.0, spec.shape, np.float32)
        limit = self._suite._step_limit
        self.frame_limit = UNLIMITED_FRAMES if np.isinf(limit) else int(limit)
        self._frames, self.ended, self._begun = 0, True, False
        self._random: np.random.RandomState | None = None
        self._shown: SuiteRenderer | None = None

    def _frames_per_second(self) -> int:
        return max(1, round(1.0 / (self._suite.control_timestep() * self.action_repeat)))

    @property
    def physics(self) -> Any:
        """dm_control's physics."""
        return self._suite.physics

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start an episode; a seed gives the same start as shimmy's environment with that seed.
        ``options`` are not used.
        """
        super().reset(seed=seed)
        if seed is not None or self._random is None:
            self._random = legacy_random(seed)
        return self._start(self._random)

    def _start(self, random: np.random.RandomState) -> tuple[Any, dict[str, Any]]:
        """Start an episode; the task samples its start from ``random``."""
        self._suite.task._random = random
        with without_opengl(self.physics):
            state = self._suite.reset()
        self._frames, self.ended, self._begun = 0, False, True
        for renderer in self._renderers():
            renderer.refresh()
        return self._observe(state.observation, first=True), {"frames": 0}

    def _renderers(self) -> list[SuiteRenderer]:
        """List the renderers of this environment."""
        return [] if self._shown is None else [self._shown]

    def step(
        self, action: npt.NDArray[np.float32]
    ) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Apply an action for ``action_repeat`` frames, or until the episode ends."""
        if self.ended:
            raise gym.error.ResetNeeded("the episode has ended or not begun; call reset()")
        bounded = np.clip(np.asarray(action, dtype=np.float64), -1.0, 1.0)
        check_action_shape(bounded.shape, self.action_space.shape)
        if np.isnan(bounded).any():
            raise ValueError(
                f"the action {np.asarray(action).tolist()} is not a number; "
                "check the policy for weights that are not finite"
            )
        control = self._action_middle + self._action_scale * bounded
        reward, terminated, truncated = 0.0, False, False
        for _ in range(self.action_repeat):
            state = self._suite.step(control)
            self._frames += 1
            reward += float(state.reward)
            terminated = state.last() and state.discount == 0.0
            truncated = not terminated and (state.last() or self._frames >= self.frame_limit)
            if terminated or truncated:
                break
        self.ended = terminated or truncated
        info = {"frames": self._frames, "reward/task": reward}
        return self._observe(state.observation, first=False), reward, terminated, truncated, info

    def _observe(self, observation: Any, first: bool) -> Any:
        """Make the environment's observation from the suite's."""
        raise NotImplementedError

    def render(self) -> npt.NDArray[np.uint8] | None:  # type: ignore[override]
        """Render the present state, shape (render_height, render_height, 3); None without a render
        mode.
        """
        if self.render_mode is None:
            return None
        if self._shown is None:
            self._shown = SuiteRenderer(self.physics, self.preset, self.render_height, self.camera)
        return self._shown.render()

    def get_state(self) -> dict[str, Any]:
        """Return everything that the next steps depend on, except the random generator: MuJoCo's
        state with its solver's memory, what tasks sample into the model, and the clock.
        """
        mujoco, model = require("mujoco", "pixels"), self.physics.model.ptr
        kind = mujoco.mjtState.mjSTATE_INTEGRATION.value
        state = np.empty(mujoco.mj_stateSize(model, kind))
        mujoco.mj_getState(model, self.physics.data.ptr, state, kind)
        started = {f"model/{name}": np.array(getattr(model, name)) for name in START_FIELDS}
        clock = {"frames": np.array(self._frames), "ended": np.array(self.ended)}
        return {"integration": state, "sensors": np.array(self.physics.data.sensordata),
                **clock, **started}  # fmt: skip

    def set_state(self, state: dict[str, Any]) -> Any:
        """Restore what :meth:`get_state` returned, within an episode.

        :return: the observation
        """
        mujoco, model, data = (
            require("mujoco", "pixels"),
            self.physics.model.ptr,
            self.physics.data.ptr,
        )
        if not self._begun:  # some tasks work out constants when an episode starts
            self._start(legacy_random(0))
        for name in START_FIELDS:
            getattr(model, name)[:] = state[f"model/{name}"]
        for renderer in self._renderers():
            renderer.refresh()
        kind = mujoco.mjtState.mjSTATE_INTEGRATION.value
        mujoco.mj_setState(model, data, np.asarray(state["integration"]), kind)
        self._frames, self.ended = int(state["frames"]), bool(state["ended"])
        self._suite._step_count, self._suite._reset_next_step = self._frames, self.ended
        mujoco.mj_forward(model, data)
        # forward dynamics wrote the solver's memory anew
        mujoco.mj_setState(model, data, np.asarray(state["integration"]), kind)
        data.sensordata[:] = state["sensors"]
        return self._observe(self._suite.task.get_observation(self.physics), first=True)

    def set_physics(self, state: npt.NDArray[np.float64]) -> Any:
        """Show the episode's model in another physics state; for playing recordings.

        :param state: ``physics.get_state()``, positions, velocities and activations
        :return: the observation
        """
        self.physics.set_state(state)
        self.physics.forward()
        return self._observe(self._suite.task.get_observation(self.physics), first=False)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Copy the environment where it is; the copy opens OpenGL anew."""
        arguments: Any = self  # of EzPickle, which the classes of this base have
        copied = type(self)(*arguments._ezpickle_args, **arguments._ezpickle_kwargs)
        memo[id(self)] = copied
        if self._begun:
            copied.set_state(self.get_state())
        for name in ("_np_random", "_np_random_seed", "_random", "action_space"):
            setattr(copied, name, copy.deepcopy(getattr(self, name, None), memo))
        if copied._random is not None:
            copied._suite.task._random = copied._random
        return copied

    def close(self) -> None:
        """Free OpenGL; closing twice is legal."""
        if self._shown is not None:
            self._shown.close()
            self._shown = None


class SuiteStateEnv(SuiteEnv, EzPickle):
    """A task of the dm_control suite observed as one vector of numbers.

    ## Action Space
    ``Box(-1, 1, (actuators,), float32)``, stretched to the task's own bounds. Values beyond the
    bounds act as the bound.

    ## Observation Space
    ``Box`` of float32: the suite's observations in their order, flattened and joined (numbers
    without a dimension become one entry).

    ## Rewards
    The suite's, in [0, 1] a frame, summed over ``action_repeat`` frames; also
    ``info["reward/task"]``.

    ## Starting State
    The suite's; ``reset(seed=s)`` starts like shimmy's environment with that seed.

    ## Episode End
    Truncated at the suite's limit (1000 frames); terminated where a task says so (lqr).

    ## Information
    ``frames``: environment frames since the start of the episode, whatever the action repeat.

    ## Arguments

    :param task: name in the table, for example ``"WalkerWalk"``
    :param action_repeat: frames an action lasts
    :param preset: of ``render()``: ``"fast"``, ``"shadow"`` or ``"default"``
    :param camera: of ``render()``, number or name
    :param render_mode: ``"rgb_array"`` or None
    :param render_height: height and width of ``render()``, pixels
    :raises ValueError: an argument is not known
    :raises gymnasium.error.DependencyNotInstalled: dm_control is missing, or MuJoCo 4 is installed

    ## Version History
    v0: first version.
    """

    def __init__(
        self,
        task: str = "WalkerWalk",
        action_repeat: int = 1,
        preset: str = "default",
        camera: int | str = 0,
        render_mode: str | None = None,
        render_height: int = RENDER_SIZE,
    ) -> None:
        EzPickle.__init__(self, task, action_repeat, preset, camera, render_mode, render_height)
        super().__init__(task, action_repeat, preset, camera, render_mode, render_height)
        size = sum(
            max(1, int(np.prod(part.shape))) for part in self._suite.observation_spec().values()
        )
        self.observation_space: Any = gym.spaces.Box(-STATE_BOUND, STATE_BOUND, (size,), np.float32)

    def _observe(self, observation: Any, first: bool) -> npt.NDArray[np.float32]:
        parts = [np.ravel(np.asarray(value)) for value in observation.values()]
        return np.concatenate(parts).astype(np.float32)


class SuitePixelEnv(SuiteEnv, EzPickle):
    """A task of the dm_control suite observed as pixels, the V-MAIL paper's environments
    (section 4).

    Actions, rewards, starts and ends are those of :class:`SuiteStateEnv`.

    ## Observation Space
    ``Box(0, 255, (image_size, image_size, 3 * frame_stack), uint8)``: pictures of the task's
    camera, the newest last.

    ## Information
    ``frames``: environment frames since the start of the episode. An action lasts
    ``action_repeat`` of them, so a full episode of 1000 frames has 500 steps by default.

    ## Arguments

    :param task: name in the table, for example ``"WalkerWalk"``
    :param image_size: height and width, pixels
    :param action_repeat: frames an action lasts; the paper uses 2
    :param frame_stack: pictures in an observation; at the start the first one is repeated
    :param camera: number or name
    :param preset: ``"fast"`` (no shadow, no antialiasing, coarse round shapes), ``"shadow"`` (with
        a small shadow map) or ``"default"`` (dm_control's own quality, sixty times slower)
    :param render_mode: ``"rgb_array"`` or None
    :param render_height: height and width of ``render()``, pixels
    :param supersample: render pictures this many times larger and average them down, so that thin
        parts do not vanish in small pictures
    :param floor: render the floor; without it, a moving camera causes fewer changes that carry no
        information
    :raises ValueError: an argument is not known
    :raises gymnasium.error.DependencyNotInstalled: dm_control or OpenGL is missing, or MuJoCo 4 is
        installed

    ## Version History
    v0: first version.
    """

    def __init__(
        self,
        task: str = "WalkerWalk",
        image_size: int = IMAGE_SIZE,
        action_repeat: int = 2,
        frame_stack: int = 1,
        camera: int | str = 0,
        preset: str = "fast",
        render_mode: str | None = None,
        render_height: int = RENDER_SIZE,
        supersample: int = 1,
        floor: bool = True,
    ) -> None:
        EzPickle.__init__(
            self, task, image_size, action_repeat, frame_stack, camera, preset, render_mode,
            render_height, supersample, floor,
        )  # fmt: skip
        check_whole("supersample", supersample, 1)
        check_look(preset, image_size, "image_size")
        check_look(preset, image_size * supersample, "image_size x supersample")
        check_whole("frame_stack", frame_stack, 1, "pictures")
        super().__init__(task, action_repeat, preset, camera, render_mode, render_height)
        self.image_size, self.frame_stack = image_size, frame_stack
        shape = (image_size, image_size, 3 * frame_stack)
        self.observation_space: Any = gym.spaces.Box(0, 255, shape, np.uint8)
        self.supersample, self.floor = supersample, floor
        if not floor:
            hide_floor(self.physics)
        self._renderer = SuiteRenderer(self.physics, preset, image_size, camera, supersample)
        self._pictures: deque[npt.NDArray[np.uint8]] = deque(maxlen=frame_stack)

    def get_state(self) -> dict[str, Any]:
        """Return everything that the next steps depend on, with the pictures of the stack."""
        shape = (self.frame_stack, self.image_size, self.image_size, 3)
        pictures = np.array(self._pictures, dtype=np.uint8) if self._pictures else np.zeros(shape)
        return {**super().get_state(), "pictures": pictures.astype(np.uint8)}

    def set_state(self, state: dict[str, Any]) -> npt.NDArray[np.uint8]:
        """Restore what :meth:`get_state` returned, within an episode."""
        observation = super().set_state(state)
        if self.frame_stack == 1:
            return np.asarray(observation)
        self._pictures.extend(state["pictures"])
        return np.concatenate(list(self._pictures), axis=-1)

    def _observe(self, observation: Any, first: bool) -> npt.NDArray[np.uint8]:
        picture = self._renderer.render()
        if self.frame_stack == 1:
            return picture
        self._pictures.extend([picture] * (self.frame_stack if first else 1))
        return np.concatenate(list(self._pictures), axis=-1)

    def set_physics(self, state: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
        """Show the episode's model in another physics state, in place of the newest picture."""
        if self._pictures:
            self._pictures.pop()
        return np.asarray(super().set_physics(state))

    def _renderers(self) -> list[SuiteRenderer]:
        return [*super()._renderers(), self._renderer]

    def close(self) -> None:
        """Free OpenGL; closing twice is legal."""
        self._renderer.close()
        super().close()
