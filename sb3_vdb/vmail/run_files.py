"""What V-MAIL writes and reads: the networks, the replay buffer, and how a run goes on."""

from __future__ import annotations

import io
import pickle
import warnings
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch as th
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.save_util import data_to_json
from stable_baselines3.common.type_aliases import GymEnv
from stable_baselines3.common.vec_env import VecEnv

from sb3_vdb.class_paths import warn_of_script
from sb3_vdb.errors import NonFiniteError
from sb3_vdb.files import expanded, replacing, with_default_suffix
from sb3_vdb.finite_weights import LastFiniteWeights
from sb3_vdb.run_state import get_env_state, get_random_state, set_env_state, set_random_state
from sb3_vdb.vec_env import action_repeat_of
from sb3_vdb.vmail.collector import Collector
from sb3_vdb.vmail.policies import NETWORKS
from sb3_vdb.vmail.replay_buffer import SequenceReplayBuffer
from sb3_vdb.vmail.replay_files import ReplayFolder, load_replay, save_replay, stored_expert_rows
from sb3_vdb.zip_files import check_zip, seal

SelfRunFiles = TypeVar("SelfRunFiles", bound="RunFiles")


class RunFiles(BaseAlgorithm):
    """Lets an algorithm's run go on exactly from its files: the belief of its policy, the
    environments' states and the random generators are saved with the networks.
    """

    replay_buffer: SequenceReplayBuffer | None
    action_repeat: int | None  # environment frames of an action; None where nobody knows
    _collector: Collector
    _last_finite: LastFiniteWeights
    _run_state: dict[str, Any] | None = None  # only while a file is written or read
    _random_to_restore: dict[str, Any] | None = None  # once the replay buffer is read

    @abstractmethod
    def _make_replay_buffer(self, n_expert_rows: int) -> SequenceReplayBuffer:
        """Make an empty replay buffer."""

    def _check_action_repeat(self, venv: VecEnv | None) -> None:
        """Refuse environments whose actions last another time than what was learned so far.

        :param venv: environments to go on in
        :raises ValueError: naming both and the remedy
        """
        theirs = None if venv is None else action_repeat_of(venv)
        if None not in (self.action_repeat, theirs) and self.action_repeat != theirs:
            raise ValueError(
                f"an action lasted {self.action_repeat} frames in this model's environments, in "
                f"these it lasts {theirs}; make them with action_repeat={self.action_repeat}"
            )

    def _excluded_save_params(self) -> list[str]:
        return [
            *super()._excluded_save_params(),
            "_collector",
            "_constraint",
            "_last_finite",
            "_learner",
            "_random_to_restore",
        ]

    def _get_torch_save_params(self) -> tuple[list[str], list[str]]:
        return ["policy", *(f"policy.{name}_optimizer" for name in NETWORKS)], []

    def _check_can_be_saved(self) -> None:
        """Build the settings that a file will hold, so that what no file can hold is refused when
        a run is made, not when it is saved.

        :raises ValueError: naming what is wrong
        """
        warn_of_script(type(self))
        warn_of_script(self.policy_class)
        left_out = {*self._excluded_save_params(), "policy"}
        settings = {name: value for name, value in vars(self).items() if name not in left_out}
        try:
            data_to_json(settings)
        except (TypeError, AttributeError, pickle.PicklingError) as error:
            raise ValueError(
                f"an argument holds something that no file can hold ({error}); schedules and "
                "`policy_kwargs` have to be picklable"
            ) from error

    def save(
        self,
        path: str | Path | io.BufferedIOBase,
        exclude: Iterable[str] | None = None,
        include: Iterable[str] | None = None,
    ) -> None:
        """Write the algorithm in SB3's format, all of it or nothing; the replay buffer with the
        demonstrations goes into a file of its own, :meth:`save_replay_buffer`.

        :param path: path or file
        :param exclude: attributes to leave out in addition to the usual ones
        :param include: attributes to write that are usually left out
        """
        self._run_state = {
            "random": get_random_state(),
            "environments": None if self.env is None else get_env_state(self.env),
            "collector": self._collector.get_state(),
        }
        try:
            if isinstance(path, io.IOBase):
                super().save(path, exclude, include)  # type: ignore[arg-type]
                return
            with replacing(with_default_suffix(path, ".zip")) as file:  # type: ignore[arg-type]
                super().save(file, exclude, include)  # type: ignore[arg-type]
                seal(file)
        finally:
            self._run_state = None

    @classmethod
    def load(  # type: ignore[override]
        cls: type[SelfRunFiles],
        path: str | Path | io.BufferedIOBase,
        env: GymEnv | None = None,
        device: th.device | str = "auto",
        custom_objects: dict[str, Any] | None = None,
        print_system_info: bool = False,
        force_reset: bool = False,
        **kwargs: Any,
    ) -> SelfRunFiles:
        """Read what :meth:`save` wrote. SB3 unpickles its settings: load only files you trust. A
        policy alone is read without (``model.policy.save(path)``, ``CnnPolicy.load(path)``).

        With ``env`` and :meth:`load_replay_buffer`, ``learn(...,
        reset_num_timesteps=False)`` goes on exactly where it stopped if the environments can say in
        what state they are; else with new episodes.

        :param path: path or file
        :param env: environments to go on in; None to predict only
        :param device: of the networks
        :param custom_objects: of SB3
        :param print_system_info: of SB3
        :param force_reset: begin new episodes in any case
        :param kwargs: attributes to change
        :raises DamagedFileError: truncated, changed, or a file of another kind
        :raises ValueError: the environments are not like those of the run
        """
        content = _checked(path)
        model = super().load(
            content, env, device, custom_objects, print_system_info, force_reset, **kwargs
        )
        model._check_action_repeat(model.env)
        if model.env is not None:
            model.action_repeat = model.action_repeat or action_repeat_of(model.env)
        model._restore_run(env is not None and not force_reset)
        return model

    def _restore_run(self, goes_on: bool) -> None:
        """Restore what lies outside the networks and decides how a run goes on."""
        state, self._run_state = self._run_state, None
        if state is None:
            return
        self._random_to_restore = state["random"]
        self._collector.set_counts(state["collector"])
        if self.env is None or not goes_on:
            return
        self._random_to_restore = None
        set_random_state(state["random"])
        if not self._restore_environments(state):
            self._last_obs = None

    def _restore_environments(self, state: dict[str, Any]) -> bool:
        """Take environments and belief to where they were; False if they begin new episodes."""
        assert self.env is not None
        if state["environments"] is None or self.n_envs != len(state["collector"]["open_frames"]):
            return False
        try:
            goes_on = set_env_state(self.env, state["environments"])
        except ValueError as error:
            warnings.warn(f"{error}; new episodes are begun", stacklevel=3)
            return False
        self._collector.set_episodes(state["collector"])
        return goes_on

    @contextmanager
    def _saving_before_errors(self) -> Iterator[None]:
        """Open a block in which the networks, as they were when they were last finite, are saved
        before an error of what is not finite.
        """
        try:
            yield
        except NonFiniteError as error:
            weight = self._last_finite.restore_if_needed()
            what = str(error) if weight is None else _with_weight(error, weight)
            raise NonFiniteError(f"{what}; {self._save_before_error()}") from error

    def _save_before_error(self) -> str:
        """Save the networks, and say where they are."""
        # without a log folder of the user's, SB3's logger has a temporary one
        kept = self._custom_logger or self.tensorboard_log is not None
        folder = self.logger.get_dir() if kept else None
        path = Path(folder or ".").resolve() / "vmail_before_error.zip"
        self._last_obs = None  # new episodes: those that go on have a gap
        try:
            self.save(path)
        except Exception as failure:  # whatever it is, the first error matters more
            return f"the networks before that could not be saved ({failure!r})"
        return f"the networks before that are in {path}"

    def save_replay_buffer(self, path: str | Path, parts: bool = False) -> None:
        """Write the replay buffer, demonstrations included, all of it or nothing.

        :param path: file; ``.npz`` is appended where there is no suffix
        :param parts: ``path`` is a folder, which gets a compressed file for each episode; of those
            that it has, only new ones are written. The buffer before is kept with its episodes, so
            that the networks can be saved after it.
        """
        assert self.replay_buffer is not None
        if parts:
            ReplayFolder(path).save(self.replay_buffer, self._progress())
        else:
            save_replay(self.replay_buffer, with_default_suffix(path, ".npz"))

    def _progress(self) -> str:
        """Name how far training is, for what belongs together."""
        return f"{self.num_timesteps}-{self._n_updates}"

    def load_replay_buffer(self, path: str | Path) -> None:
        """Read what :meth:`save_replay_buffer` wrote, the saved run's demonstrations included; for
        others, call :meth:`set_demonstrations` afterwards.

        :param path: file, or folder of parts, where this model's time steps and updates are looked
            for
        :raises ValueError: damaged, of other sizes, or it does not fit
        """
        path = expanded(path)
        folder = path.is_dir()
        path = path if folder else with_default_suffix(path, ".npz")
        if self.replay_buffer is None:
            self.replay_buffer = self._make_replay_buffer(stored_expert_rows(path))
        if folder:
            ReplayFolder(path).load(self.replay_buffer, self._progress())
        else:
            load_replay(self.replay_buffer, path)
        if self._random_to_restore is not None:  # offline training goes on exactly, too
            set_random_state(self._random_to_restore)
            self._random_to_restore = None


def _checked(path: str | Path | io.BufferedIOBase) -> io.BytesIO:
    """Read a file of SB3's format, all of whose members are whole.

    :raises DamagedFileError: truncated, changed, or a file of another kind
    """
    if isinstance(path, io.IOBase):
        source, content = "the file", io.BytesIO(path.read())
    else:
        path = with_default_suffix(path, ".zip")  # type: ignore[arg-type]
        source, content = str(path), io.BytesIO(path.read_bytes())
    check_zip(content, source, "use an earlier one")
    return content


def _with_weight(error: NonFiniteError, weight: str) -> str:
    """Name the weight that is behind an error.

    :param error: what ended training
    :param weight: name of one that is not finite
    """
    own, seen = f"the policy's weight `{weight}` is not finite", str(error).partition(";")[0]
    return f"{own if seen == own else f'{own} ({seen})'}; lower the learning rate"
