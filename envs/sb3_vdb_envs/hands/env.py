"""The claw and the hand with two balls as single Gymnasium environments."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium.utils import EzPickle

from sb3_vdb_envs.hands.baoding import BaodingTask
from sb3_vdb_envs.hands.batch import IMAGE_SIZE, HandBatch, Look
from sb3_vdb_envs.hands.claw import ClawTask
from sb3_vdb_envs.hands.picture import HandPicture
from sb3_vdb_envs.hands.task import CONTROL_STEP, HandTask
from sb3_vdb_envs.looks import check_look
from sb3_vdb_envs.single import BatchOfOneEnv
from sb3_vdb_envs.vector import row_of

RENDER_SIZE = 240  # pixels of `render()` for people
METADATA: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": round(1 / CONTROL_STEP)}


class HandPhysics:
    """The physics of a single environment, as recordings keep it.

    :param hands: the only copy
    """

    def __init__(self, hands: HandBatch) -> None:
        self._hands = hands

    def get_state(self) -> npt.NDArray[np.float64]:
        """Return positions, velocities and the clock in one vector."""
        hands = self._hands
        return np.concatenate([hands.positions[0], hands.velocities[0], hands.clocks])


class HandEnv(BatchOfOneEnv):
    """One copy of a task; its physics state can be read and shown.

    :param task: what is to be done
    :param look: of observations; None for states
    :param render_mode: ``"rgb_array"`` or None
    :param render_height: height and width of ``render()``, pixels
    :param preset: of ``render()``
    """

    metadata: dict[str, Any] = METADATA

    def __init__(
        self,
        task: HandTask,
        look: Look | None,
        render_mode: str | None,
        render_height: int,
        preset: str,
    ) -> None:
        check_look(preset, render_height, "render_height")
        self.task, self.preset, self.render_height = task, preset, render_height
        self._hands = HandBatch(task, 1, look)
        self._picture: HandPicture | None = None
        super().__init__(self._hands, render_mode)

    @property
    def physics(self) -> HandPhysics:
        """What gives the physics state."""
        return HandPhysics(self._hands)

    def set_physics(self, state: npt.NDArray[np.float64]) -> Any:
        """Show another physics state; for playing recordings.

        :param state: as :meth:`HandPhysics.get_state` gives it
        :return: the observation
        """
        nq = self.task.model.nq
        self._hands.show(0, state[:nq], state[nq:-1], float(state[-1]))
        return row_of(self._hands.observe(), 0)

    def render(self) -> npt.NDArray[np.uint8] | None:  # type: ignore[override]
        """Render the present state, shape (render_height, render_height, 3); None without a render
        mode.
        """
        if self.render_mode is None:
            return None
        if self._picture is None:
            self._picture = HandPicture(self.task, self.preset, self.render_height)
        return self._picture.render(self._hands.positions[0], self._hands.clocks[0])

    def close(self) -> None:
        """Stop the threads and free OpenGL; closing twice is legal."""
        self._hands.close()
        if self._picture is not None:
            self._picture.close()
            self._picture = None


class ClawStateEnv(HandEnv, EzPickle):
    """The D'Claw, three fingers of three joints, turns a valve: the screw tasks of the V-MAIL
    paper (section 4), observed as a state.

    ## Action Space
    ``Box(-1, 1, (9,), float32)``: position targets of the joints at 10 Hz, finger by finger, in
    units of 0.48, pi/3 and pi/2 rad; a target is at most 2 pi/30 rad from where the joint is.
    Values beyond the bounds act as the bound.

    ## Observation Space
    ``Box(21,)``: 9 joints (rad), cosine and sine of the valve's angle, 9 rates and the valve's
    (rad/s).

    ## Rewards
    5 d v - norm(q - q_reset) - norm(rates of joints above 0.5 rad/s), with d the direction and v
    the valve's velocity in rad/s: the V-MAIL authors' reward. The terms are
    ``info["reward/valve"]``, ``"reward/pose"`` and ``"reward/rates"``. Holding the start's pose
    earns about 0 a step.

    ## Starting State
    The claw open above the valve, which stands at 0, or within ``start_noise`` of it.

    ## Episode End
    Truncated after 200 steps, 20 s (``max_episode_steps`` of the id); never terminated.

    ## Information
    ``valve_angle`` (rad, counter-clockwise seen from above) and ``valve_velocity`` (rad/s).

    ## Arguments

    :param n_prongs: of the valve, 3 or 4
    :param direction: 1 counter-clockwise seen from above, -1 clockwise
    :param start_noise: rad
    :param preset: of ``render()``: ``"fast"``, ``"shadow"`` or ``"default"``
    :param render_mode: ``"rgb_array"`` or None
    :param render_height: height and width of ``render()``, pixels
    :raises ValueError: a bad argument
    :raises gymnasium.error.DependencyNotInstalled: MuJoCo is missing

    ## Version History
    v0: first version.
    """

    def __init__(
        self,
        n_prongs: int = 3,
        direction: int = 1,
        start_noise: float = 0.0,
        preset: str = "default",
        render_mode: str | None = None,
        render_height: int = RENDER_SIZE,
    ) -> None:
        EzPickle.__init__(
            self, n_prongs, direction, start_noise, preset, render_mode, render_height
        )
        task = ClawTask(n_prongs, direction, start_noise)
        super().__init__(task, None, render_mode, render_height, preset)


class ClawPixelEnv(HandEnv, EzPickle):
    """The D'Claw turns a valve, observed as pixels by the V-MAIL authors' camera. Actions, rewards,
    starts and ends are those of :class:`ClawStateEnv`.

    ## Observation Space
    ``Box(0, 255, (image_size, image_size, 3 * frame_stack), uint8)``, the newest picture last; with
    ``proprioception`` a Dict of that as ``image`` and ``joints``, 9 angles in rad.

    ## Arguments

    :param n_prongs: of the valve, 3 or 4
    :param direction: 1 counter-clockwise seen from above, -1 clockwise
    :param start_noise: rad
    :param image_size: height and width, pixels; the authors have 128
    :param frame_stack: pictures in an observation; at the start the first one is repeated
    :param preset: ``"fast"``, ``"shadow"`` or ``"default"``
    :param supersample: render pictures this many times larger and average them down
    :param proprioception: also observe the joints
    :param render_mode: ``"rgb_array"`` or None
    :param render_height: height and width of ``render()``, pixels
    :raises ValueError: a bad argument
    :raises gymnasium.error.DependencyNotInstalled: MuJoCo or OpenGL is missing

    ## Version History
    v0: first version.
    """

    def __init__(
        self,
        n_prongs: int = 3,
        direction: int = 1,
        start_noise: float = 0.0,
        image_size: int = IMAGE_SIZE,
        frame_stack: int = 1,
        preset: str = "fast",
        supersample: int = 1,
        proprioception: bool = False,
        render_mode: str | None = None,
        render_height: int = RENDER_SIZE,
    ) -> None:
        EzPickle.__init__(
            self, n_prongs, direction, start_noise, image_size, frame_stack, preset, supersample,
            proprioception, render_mode, render_height,
        )  # fmt: skip
        task = ClawTask(n_prongs, direction, start_noise)
        look = Look(image_size, frame_stack, preset, supersample, proprioception)
        super().__init__(task, look, render_mode, render_height, preset)


class BaodingStateEnv(HandEnv, EzPickle):
    """A hand lets two balls go round each other on its palm: PDDM's Baoding task (Nagabandi et al.
    2019), as in the V-MAIL paper (section 4), observed as a state.

    ## Action Space
    ``Box(-1, 1, (n_controls,), float32)``: position targets of the joints at 10 Hz. 0 asks for the
    start's pose, 1 and -1 for nine tenths of the way to the joint's limits; a target is at most 0.3
    rad from where the joint is. 26 controls: two of the forearm, two of the wrist, 22 of the
    fingers; 24 without the forearm, as in PDDM.

    ## Observation Space
    ``Box(n_controls + 16,)``: joints (rad); position (m) and velocity (m/s) of each ball; place of
    each ball's target over ground (m).

    ## Rewards
    -5 times the distance of each ball from its target over ground, in m; -510 when a ball falls
    (500, and 10 with them as in PDDM's code); -10 while the wrist is bent beyond 0.15 rad. The
    terms are ``info["reward/ball_1"]``, ``"reward/ball_2"``, ``"reward/drop"`` and
    ``"reward/wrist"``. The targets go round an ellipse once in 6 s.

    ## Starting State
    PDDM's pose, the balls on the fingers; joints within ``start_noise`` of it.

    ## Episode End
    Terminated when a ball falls below 6 cm. Truncated after 100 steps, 10 s
    (``max_episode_steps`` of the id), as PDDM plays them.

    ## Information
    ``ball_1_distance`` and ``ball_2_distance`` in m.

    ## Arguments

    :param n_controls: 26 or 24
    :param start_noise: rad
    :param preset: of ``render()``: ``"fast"``, ``"shadow"`` or ``"default"``
    :param render_mode: ``"rgb_array"`` or None
    :param render_height: height and width of ``render()``, pixels
    :raises ValueError: a bad argument
    :raises gymnasium.error.DependencyNotInstalled: MuJoCo or gymnasium-robotics is missing

    ## Version History
    v0: first version.
    """

    def __init__(
        self,
        n_controls: int = 26,
        start_noise: float = 0.0,
        preset: str = "default",
        render_mode: str | None = None,
        render_height: int = RENDER_SIZE,
    ) -> None:
        EzPickle.__init__(self, n_controls, start_noise, preset, render_mode, render_height)
        task = BaodingTask(n_controls, start_noise)
        super().__init__(task, None, render_mode, render_height, preset)


class BaodingPixelEnv(HandEnv, EzPickle):
    """A hand lets two balls go round each other, observed as pixels by the V-MAIL authors' camera.
    Actions, rewards, starts and ends are those of :class:`BaodingStateEnv`.

    ## Observation Space
    ``Box(0, 255, (image_size, image_size, 3 * frame_stack), uint8)``, the newest picture last; with
    ``proprioception`` a Dict of that as ``image`` and ``joints``, one angle in rad a control. Small
    spheres show where the balls should be.

    ## Arguments

    :param n_controls: 26 or 24
    :param start_noise: rad
    :param image_size: height and width, pixels; the authors have 128
    :param frame_stack: pictures in an observation; at the start the first one is repeated
    :param preset: ``"fast"``, ``"shadow"`` or ``"default"``
    :param supersample: render pictures this many times larger and average them down
    :param proprioception: also observe the joints
    :param render_mode: ``"rgb_array"`` or None
    :param render_height: height and width of ``render()``, pixels
    :raises ValueError: a bad argument
    :raises gymnasium.error.DependencyNotInstalled: MuJoCo, gymnasium-robotics or OpenGL is missing

    ## Version History
    v0: first version.
    """

    def __init__(
        self,
        n_controls: int = 26,
        start_noise: float = 0.0,
        image_size: int = IMAGE_SIZE,
        frame_stack: int = 1,
        preset: str = "fast",
        supersample: int = 1,
        proprioception: bool = False,
        render_mode: str | None = None,
        render_height: int = RENDER_SIZE,
    ) -> None:
        EzPickle.__init__(
            self, n_controls, start_noise, image_size, frame_stack, preset, supersample,
            proprioception, render_mode, render_height,
        )  # fmt: skip
        task = BaodingTask(n_controls, start_noise)
        look = Look(image_size, frame_stack, preset, supersample, proprioception)
        super().__init__(task, look, render_mode, render_height, preset)
