"""A set of demonstrated episodes: made from arrays, rollouts or files, checked against an
environment.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from stable_baselines3.common.type_aliases import GymEnv
from stable_baselines3.common.vec_env import VecEnv

from sb3_vdb.acting import Predictor
from sb3_vdb.arguments import positive_int
from sb3_vdb.demonstrations import npz
from sb3_vdb.demonstrations.episode_lists import check_is_list, episode_of
from sb3_vdb.demonstrations.flat_steps import LastStep, read_steps, split_steps
from sb3_vdb.demonstrations.frame_stacks import as_stacked
from sb3_vdb.demonstrations.motion_clips import sample_clip
from sb3_vdb.demonstrations.pictures import plot_demonstrations
from sb3_vdb.demonstrations.plain_arrays import listed
from sb3_vdb.demonstrations.reenactment import load_reenacted
from sb3_vdb.demonstrations.rollouts import collect_episodes
from sb3_vdb.demonstrations.summary import Summary, split_indices, summarize
from sb3_vdb.demonstrations.trajectory import Trajectory
from sb3_vdb.demonstrations.trajectory_lists import consistent
from sb3_vdb.demonstrations.validation import observation_problem, space_problem, warn_of_outside
from sb3_vdb.demonstrations.video_clips import sample_video
from sb3_vdb.transitions import Transitions, map_parts
from sb3_vdb.vec_env import action_repeat_of, as_vec_env
from sb3_vdb.views import View


class Demonstrations(Sequence[Trajectory]):
    """Demonstrated episodes, raw: as the environment gave them.

    :param trajectories: at least one trajectory of at least one step
    :param view: what GAIL and VAIL see of them unless they are told; None for the algorithm's own
        default. Files do not hold it.
    :raises ValueError: there is none, or one is inconsistent or not finite
    """

    def __init__(self, trajectories: Iterable[Trajectory], view: View | None = None) -> None:
        self.view = view
        self._trajectories = consistent(trajectories)

    def __len__(self) -> int:
        """Return the number of trajectories."""
        return len(self._trajectories)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN204
        """Return the trajectory at ``index``; a slice gives demonstrations."""
        chosen = self._trajectories[index]
        return chosen if isinstance(chosen, Trajectory) else Demonstrations(chosen, self.view)

    def __repr__(self) -> str:
        returns = self.returns
        mean = "" if returns is None else f", mean return {returns.mean():.2f}"
        return f"Demonstrations({len(self)} trajectories, {self.n_steps} steps{mean})"

    def __iter__(self) -> Iterator[Trajectory]:
        """Iterate over the trajectories in order."""
        return iter(self._trajectories)

    @property
    def n_steps(self) -> int:
        """Number of steps of all trajectories."""
        return sum(len(trajectory) for trajectory in self)

    @property
    def has_actions(self) -> bool:
        """Whether the actions are known."""
        return self[0].actions is not None

    @property
    def returns(self) -> npt.NDArray[np.float64] | None:
        """Task returns, shape (n_trajectories,); None if the rewards are not known."""
        if self[0].rewards is None:
            return None
        return np.array(
            [np.sum(np.asarray(trajectory.rewards), dtype=np.float64) for trajectory in self]
        )

    def summary(self) -> Summary:
        """Count and measure what there is; ``print(demos.summary())`` is a table."""
        return summarize(self)

    def split(self, share: float | int, seed: int = 0) -> tuple[Demonstrations, Demonstrations]:
        """Split whole episodes at random into two sets, which share the arrays of this one.

        :param share: of the episodes in the first set, between 0 and 1; or a whole number of them
        :param seed: of the choice
        :return: two sets of at least one episode, each in the order of this one
        :raises ValueError: one of them would be empty
        """
        first, second = split_indices(len(self), share, seed)
        return (
            Demonstrations([self[i] for i in first], self.view),
            Demonstrations([self[i] for i in second], self.view),
        )

    def plot(self, path: str | Path) -> Path:
        """Draw lengths and returns of the episodes, and how often each part has which values.

        :param path: of the picture, png by default
        :return: the path written to
        """
        return plot_demonstrations(self, path)

    def transitions(self) -> Transitions:
        """Join the steps of all trajectories in order; observations: an array, or one per part."""
        actions = (
            np.concatenate([trajectory.actions for trajectory in self])
            if self.has_actions
            else None
        )
        terminated = np.zeros(self.n_steps, dtype=bool)
        terminated[np.cumsum([len(trajectory) for trajectory in self]) - 1] = [
            each.terminal for each in self
        ]
        observed = [trajectory.observations for trajectory in self]
        before = map_parts(lambda *episodes: np.concatenate([e[:-1] for e in episodes]), *observed)
        after = map_parts(lambda *episodes: np.concatenate([e[1:] for e in episodes]), *observed)
        return Transitions(before, actions, after, terminated)

    def validate(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        needs_actions: bool = True,
        keys: Sequence[str] | None = None,
    ) -> None:
        """Check that an environment with these spaces could have produced the demonstrations.
        Vectors outside their bounds are taken, with a warning, since some environments give them.

        :param needs_actions: whether a learner needs the actions
        :param keys: the parts of a Dict space that a learner sees; the demonstrations may lack the
            others. None for all.
        :raises ValueError: naming the trajectory, what is wrong and the remedy
        """
        if needs_actions and not self.has_actions:
            raise ValueError(
                "the demonstrations have no actions and this learner needs them; use GAIL or "
                "VAIL with "
                '`discriminator_kwargs=dict(view=View(sees=("observations",)))`, which compare '
                "states only"
            )
        for i, trajectory in enumerate(self):
            if problem := observation_problem(trajectory.observations, observation_space, keys):
                raise ValueError(f"trajectory {i}: {problem}")
            if not needs_actions or trajectory.actions is None:
                continue
            if problem := space_problem(trajectory.actions, action_space, "action"):
                raise ValueError(f"trajectory {i}: {problem}")
        warn_of_outside((each.observations for each in self), observation_space, keys)

    def as_stacked_in(self, venv: VecEnv) -> Demonstrations:
        """Stack the observations as a VecFrameStack of the environments stacks theirs; those that
        are stacked already, or that nothing stacks, stay as they are.

        :param venv: environments of a learner
        """
        return Demonstrations(as_stacked(self, venv), self.view)

    def check_action_repeat(self, venv: VecEnv) -> None:
        """Check that an action lasted as long as in the environments, where both say how long.

        :raises ValueError: naming the trajectory, both and the remedy
        """
        theirs = action_repeat_of(venv)
        for i, trajectory in enumerate(self):
            ours = trajectory.action_repeat
            if None not in (ours, theirs) and ours != theirs:
                raise ValueError(
                    f"trajectory {i}: an action lasted {ours} frames, in the environment it lasts "
                    f"{theirs}; make the environment with action_repeat={ours}, or record the "
                    "demonstrations again"
                )

    @classmethod
    def from_arrays(
        cls,
        observations: Iterable[Any],
        actions: Iterable[npt.ArrayLike] | None = None,
        rewards: Iterable[npt.ArrayLike] | None = None,
        terminals: Iterable[npt.ArrayLike] | None = None,
        action_repeat: int | None = None,
    ) -> Demonstrations:
        """Make demonstrations from one array per episode; see :meth:`from_flat` for steps in one
        row.

        :param observations: one array of shape (length + 1, ...) per episode, or one per part by
            name; episodes of equal length may be one array of shape (n_episodes, length + 1, ...)
        :param actions: one array of shape (length, ...) per episode
        :param rewards: one array of shape (length,) per episode
        :param terminals: whether each episode ended by itself, or one truth value for each of its
            steps; by default none did
        :param action_repeat: environment frames that an action lasted, which learners then compare
            with their environment's
        :raises ValueError: the lists differ in length, or an episode is inconsistent
        """
        check_is_list(observations, actions, rewards)
        fields = {"observations": observations, "actions": actions}
        fields |= {"rewards": rewards, "terminals": terminals}
        lists = {
            name: listed(name, each)
            for name, each in fields.items()
            if each is not None or name == "observations"
        }
        n = len(lists["observations"])
        for name, values in lists.items():
            if len(values) != n:
                raise ValueError(
                    f"`{name}` has {len(values)} entries, `observations` has {n}; give one an "
                    "episode"
                )
        return cls(
            episode_of(i, {name: values[i] for name, values in lists.items()}, action_repeat)
            for i in range(n)
        )

    @classmethod
    def from_flat(
        cls,
        observations: Any,
        actions: npt.ArrayLike | None = None,
        ends: npt.ArrayLike | None = None,
        *,
        lengths: npt.ArrayLike | None = None,
        terminals: npt.ArrayLike | None = None,
        timeouts: npt.ArrayLike | None = None,
        rewards: npt.ArrayLike | None = None,
        next_observations: Any = None,
        last_step: LastStep = "error",
        action_repeat: int | None = None,
    ) -> Demonstrations:
        """Make demonstrations from steps in one row, episode after episode: the form of D4RL and of
        most replay buffers. Where episodes end is said by one or several of ``ends``, ``lengths``,
        ``terminals`` and ``timeouts``.

        :param observations: before each step, shape (n, ...), or one such array per part by name
        :param actions: shape (n, ...)
        :param ends: whether a step is the last one of its episode, shape (n,)
        :param lengths: steps of each episode, shape (n_episodes,), in place of ``ends``
        :param terminals: whether the episode ended by itself after the step, shape (n,)
        :param timeouts: whether a time limit cut it off after the step, shape (n,)
        :param rewards: shape (n,)
        :param next_observations: after each step, like ``observations``
        :param last_step: what becomes of an episode's last step where there are no
            ``next_observations``, so that nobody knows what followed it: ``"drop"`` leaves it out
            with its action, reward and termination; ``"error"`` refuses the data
        :param action_repeat: environment frames that an action lasted
        :raises ValueError: arrays differ in length, no ends are given, an end has been forgotten,
            or what followed the last steps is not known
        """
        marks = {"ends": ends, "terminals": terminals, "timeouts": timeouts}
        arrays = {"observations": observations, "actions": actions, "rewards": rewards}
        arrays["next_observations"] = next_observations
        return cls(split_steps(read_steps(arrays, marks, lengths), last_step, action_repeat))

    @classmethod
    def from_rollouts(
        cls,
        model: Predictor,
        venv: GymEnv,
        n_episodes: int,
        deterministic: bool = False,
    ) -> Demonstrations:
        """Record whole episodes of an SB3 model.

        :param model: any SB3 algorithm (or whatever has its ``predict``)
        :param venv: environments it can act in, wrapped as in its training, without the learned
            reward; or one of Gymnasium's
        :param n_episodes: how many episodes; each environment gives the same number (up to one), so
            that short episodes are not over-represented
        :param deterministic: whether the policy acts without noise
        :raises ValueError: something else than a model or environments that pay the task's reward
        """
        if not hasattr(model, "predict"):
            raise ValueError(f"`model` must have SB3's predict(), {type(model).__name__} has not")
        return cls(
            episode.trajectory
            for episode in collect_episodes(model, as_vec_env(venv), n_episodes, deterministic)
        )

    @classmethod
    def from_mocap(
        cls,
        env_id: str,
        rate: float | None = None,
        env_kwargs: dict[str, Any] | None = None,
        n_starts: int = 16,
    ) -> Demonstrations:
        """Make demonstrations from one cycle of a motion clip: what the environment would observe
        along it, phase included, and no actions, since nobody knows them.

        GAIL and VAIL then see the difference to the clip at the same phase after each step
        (:class:`~sb3_vdb.views.Difference`), unless they are given another view.

        :param env_id: an environment that has a clip, for example ``"sb3_vdb/HumanoidRun-v0"``
        :param rate: samples a second, interpolated between frames; None for the environment's own
            30 a second
        :param env_kwargs: arguments of the environment
        :param n_starts: how many times the cycle is sampled, each time from another moment within
            the first sample's time, so that the samples lie densely
        :raises ValueError: the environment has no clip, or the rate gives no step
        """
        n_starts = positive_int("n_starts", n_starts)
        cycles, view = sample_clip(env_id, env_kwargs, rate, n_starts)
        return cls((Trajectory(cycle, None, None, False, None) for cycle in cycles), view)

    @classmethod
    def from_video(
        cls,
        source: str | Path | npt.ArrayLike,
        env_id: str,
        rate: float | None = None,
        loops: bool | None = None,
        crop: tuple[int, int, int, int] | None = None,
        resample: bool = False,
        env_kwargs: dict[str, Any] | None = None,
    ) -> Demonstrations:
        """Make demonstrations from a video: its frames, scaled to the environment's, and their
        phase. GAIL and VAIL then see the difference to the video's frame at the same phase, on
        coarse grids (:class:`~sb3_vdb.views.PictureDifference`), unless they are given another
        view.

        :param source: an mp4 or gif file, a folder of pictures, an npz file with ``frames``, or an
            array of shape (n_frames, height, width, 3), uint8
        :param env_id: an environment that observes video, such as ``"sb3_vdb/BipedRunVideo-v0"``;
            the video is one cycle of its clip
        :param rate: frames a second of the source; None for what the file says
        :param loops: whether the video repeats; None for what the clip does
        :param crop: top, left, height and width of the part that is seen, pixels; None for all
        :param resample: take the nearest frame in time where the rate is no multiple of the
            environment's
        :param env_kwargs: arguments of the environment
        :raises ValueError: the video cannot be read or does not fit, naming what and the remedy
        """
        seen, view = sample_video(source, env_id, env_kwargs, rate, loops, crop, resample)
        return cls([Trajectory(seen, None, None, False, None)], view)

    @classmethod
    def from_recording(
        cls,
        path: str | Path,
        env_kwargs: dict[str, Any] | None = None,
        progress_bar: bool = True,
        cache: bool = True,
        rerender: bool = False,
    ) -> Demonstrations:
        """Make demonstrations from physics states and actions (``sb3-vdb record-demos``), which are
        reenacted the first time and read from a cache afterwards.

        :param path: the recording, or the name of one that ships: ``"WalkerWalk"``, see
            :func:`~sb3_vdb.demonstrations.recording.shipped`
        :param env_kwargs: arguments of the learner's environment (``{}`` for its id's defaults),
            compared with the recording's; None compares nothing
        :param progress_bar: show the episodes being reenacted
        :param cache: keep the observations on disk (``SB3_VDB_CACHE``, or the user's cache folder)
        :param rerender: render the recorded states as ``env_kwargs`` say (image size, frame
            stack, camera, preset, supersampling) where they differ from the recording's
        :raises ValueError: no recording, other arguments, or the reenactment departs from it
        """
        return cls(load_reenacted(path, env_kwargs, progress_bar, cache, rerender))

    def save(self, path: str | Path) -> Path:
        """Write an ``.npz`` file, losslessly and atomically.

        :return: the path written to, with its suffix
        """
        return npz.write(self._trajectories, path)

    @classmethod
    def load(cls, path: str | Path) -> Demonstrations:
        """Read what :meth:`save` wrote.

        :raises FileNotFoundError: no such file
        :raises ValueError: not a file of ours, truncated, or of a later version
        """
        return cls(npz.read(path))
