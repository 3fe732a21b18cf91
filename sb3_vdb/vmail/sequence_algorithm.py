"""How V-MAIL and VDAC learn: act, store episodes, train on sequences of them and of demonstrations.

This is to them what SB3's ``OffPolicyAlgorithm`` is to SAC and TD3.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator
from typing import TypeVar

import gymnasium as gym
import torch as th
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.type_aliases import GymEnv, MaybeCallback
from stable_baselines3.common.utils import configure_logger
from stable_baselines3.common.vec_env import VecEnv

from sb3_vdb.arguments import positive_int, step_count, whole_number
from sb3_vdb.demonstrations import Demonstrations
from sb3_vdb.run_state import get_env_state
from sb3_vdb.schedules import Schedule, value_at
from sb3_vdb.stored_episodes import StoredEpisode, stored_episodes
from sb3_vdb.vdb import ConstraintWatch
from sb3_vdb.vec_env import action_repeat_of
from sb3_vdb.vmail import validation
from sb3_vdb.vmail.episode_store import BEFORE, row_fields
from sb3_vdb.vmail.log import Progress, log_progress
from sb3_vdb.vmail.memory import PlaceName, choose_place, size_of
from sb3_vdb.vmail.policies import VMAILPolicy
from sb3_vdb.vmail.replay_buffer import NO_DEMONSTRATIONS, SequenceReplayBuffer
from sb3_vdb.vmail.run_files import RunFiles

SelfSequenceAlgorithm = TypeVar("SelfSequenceAlgorithm", bound="SequenceAlgorithm")


class SequenceAlgorithm(RunFiles):
    """Collects episodes and trains on sequences of them and of demonstrations.

    A subclass sets the attributes below and says how it trains.
    """

    policy: VMAILPolicy  # type: ignore[assignment]
    buffer_size: int
    learning_starts: int
    sequence_length: int
    train_freq: int | tuple[int, str]
    gradient_steps: int
    pretrain_steps: int
    exploration_noise: float | Schedule
    stored_beliefs: bool
    replay_place: PlaceName
    replay_folder: str | None
    _constraint: ConstraintWatch | None = None

    @abstractmethod
    def train(self, gradient_steps: int) -> None:
        """Carry out updates.

        :param gradient_steps: how many
        """

    @abstractmethod
    def _make_learner(self) -> None:
        """Make what collects and updates with the policy's networks, as they are."""

    @property
    def num_env_frames(self) -> int:
        """Count the environment frames of ended episodes."""
        return self._collector.counts.n_frames

    # ------------------------------------------------------------------ what is stored

    def set_demonstrations(self, demonstrations: Demonstrations) -> None:
        """Imitate other demonstrations from now on; world model, policy and replay buffer stay.

        :param demonstrations: as for the constructor
        :raises ValueError: they do not fit
        """
        self._put_demonstrations(self._stored(demonstrations))

    def add_episodes(self, episodes: Demonstrations) -> None:
        """Put stored episodes of other policies into the replay buffer, for the world model to
        learn from; they are not imitated.

        :param episodes: with actions, as the environment would observe them
        :raises ValueError: they do not fit
        """
        self._ready_buffer().add_episodes(self._stored(episodes))

    def _stored(self, demonstrations: Demonstrations | None) -> list[StoredEpisode]:
        """Check demonstrations and return them as the replay buffer stores them."""
        assert isinstance(self.action_space, gym.spaces.Box)
        if self.env is not None and isinstance(demonstrations, Demonstrations):
            demonstrations = demonstrations.as_stacked_in(self.env)
        episodes = stored_episodes(
            demonstrations, self.observation_space, self.action_space, self.sequence_length
        )
        if self.env is not None and demonstrations is not None:
            demonstrations.check_action_repeat(self.env)
        return episodes

    def _put_demonstrations(self, episodes: list[StoredEpisode]) -> None:
        if self._n_updates == 0:  # a trained model knows vectors by the scale that it began with
            self.policy.world_model.encoder.fit([each.observations for each in episodes])
        if self.replay_buffer is None:
            n_rows = sum(len(each.actions) + 1 for each in episodes)
            self.replay_buffer = self._make_replay_buffer(n_rows)
        self.replay_buffer.set_expert(episodes)

    def _make_replay_buffer(self, n_expert_rows: int) -> SequenceReplayBuffer:
        """Make an empty replay buffer, with the demonstrations in the estimate of its size."""
        action_dim = self.policy.action_dim
        fields = row_fields(self.observation_space, action_dim)
        belief_dim = self.policy.world_model.feat_dim if self.stored_beliefs else 0
        kept = {**fields, BEFORE: ((belief_dim,), th.float32)}
        n_bytes = size_of(kept, self.buffer_size + n_expert_rows)
        place = choose_place(
            self.replay_place, n_bytes, self.device, self.replay_folder, self.verbose
        )
        return SequenceReplayBuffer(
            self.observation_space,
            action_dim,
            self.buffer_size,
            self.n_envs,
            self.sequence_length,
            place,
            self.device,
            self.seed,
            belief_dim,
        )

    def _ready_buffer(self) -> SequenceReplayBuffer:
        """Return the replay buffer, with demonstrations.

        :raises ValueError: there are none, or none is long enough
        """
        if self.replay_buffer is None:
            raise ValueError(NO_DEMONSTRATIONS)
        self.replay_buffer.check_ready()
        return self.replay_buffer

    # ------------------------------------------------------------------ learning

    def _present_noise(self) -> float:
        """Return the standard deviation of the exploration noise."""
        noise = value_at(self.exploration_noise, self._current_progress_remaining)
        if not noise >= 0.0:
            raise ValueError(f"`exploration_noise` must not be negative, its schedule gave {noise}")
        return noise

    def collect_rollouts(self, env: VecEnv, callback: BaseCallback, total_timesteps: int) -> bool:
        """Act until a training phase is due.

        :param env: training environments
        :param callback: called at every step
        :param total_timesteps: where training ends
        :return: False if the callback ended training
        """
        assert self.replay_buffer is not None
        callback.on_rollout_start()
        self.policy.set_training_mode(False)
        while not self._training_is_due() and self.num_timesteps < total_timesteps:
            assert self._last_episode_starts is not None
            at_random = self.num_timesteps < self.learning_starts
            noise = self._present_noise()
            with self._saving_before_errors():
                actions = self._collector.act(
                    self._last_obs, self._last_episode_starts, noise, at_random
                )
                new_obs, rewards, dones, infos = env.step(actions)
                n_ended = self._collector.store(
                    self.replay_buffer, new_obs, rewards, dones, infos, self.action_repeat or 1
                )
            self.num_timesteps += env.num_envs
            self._update_info_buffer(infos, dones)
            self._episode_num += n_ended
            self._last_obs = new_obs  # type: ignore[assignment]
            self._last_episode_starts = dones
            self._update_current_progress_remaining(self.num_timesteps, self._total_timesteps)
            # last, so that a callback that saves or stops finds a whole step
            callback.update_locals(locals())
            if not callback.on_step():
                return False
        callback.on_rollout_end()
        return True

    def _training_is_due(self) -> bool:
        """Say whether enough was collected since the last training phase."""
        return self._collector.training_is_due(*validation.training_frequency(self.train_freq))

    def learn(
        self: SelfSequenceAlgorithm,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int = 1,
        tb_log_name: str = "VMAIL",
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> SelfSequenceAlgorithm:
        """Imitate.

        :param total_timesteps: decisions in the environment
        :param callback: SB3 callbacks
        :param log_interval: training phases between two lines of the log
        :param tb_log_name: of the TensorBoard run
        :param reset_num_timesteps: count from 0, and begin new episodes
        :param progress_bar: show one
        :raises ValueError: there are no demonstrations, or no environment
        :raises NonFiniteError: what comes in, a loss or a weight is not finite; the networks before
            that were saved
        """
        for _ in self.learning_phases(
            total_timesteps, callback, log_interval, tb_log_name, reset_num_timesteps, progress_bar
        ):
            pass
        return self

    def learning_phases(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int = 1,
        tb_log_name: str = "VMAIL",
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> Generator[None, None, None]:
        """Imitate as :meth:`learn` does, a phase of collecting and training at a time.

        :return: gives way after each phase; nothing happens before it is asked for the first one,
            and closing it ends the callbacks
        :raises ValueError: see :meth:`learn`
        :raises NonFiniteError: see :meth:`learn`
        """
        callback, total_timesteps = self._begin_learning(
            total_timesteps, callback, log_interval, tb_log_name, reset_num_timesteps, progress_bar
        )
        assert self.env is not None
        iteration = 0
        while self.num_timesteps < total_timesteps:
            if not self.collect_rollouts(self.env, callback, total_timesteps):
                break
            if self._training_is_due():
                n_decisions = self._collector.begin_training_phase()
                self.train(self.gradient_steps if self.gradient_steps >= 0 else n_decisions)
                iteration += 1
                if log_interval is not None and iteration % log_interval == 0:
                    self.dump_logs()
            try:
                yield
            except GeneratorExit:
                callback.on_training_end()
                raise
        callback.on_training_end()
        self._warn_of_constraint()

    def _begin_learning(
        self,
        total_timesteps: int,
        callback: MaybeCallback,
        log_interval: int | None,
        tb_log_name: str,
        reset_num_timesteps: bool,
        progress_bar: bool,
    ) -> tuple[BaseCallback, int]:
        """Check, set up and train before the first decision.

        :return: the callback, and the time step where training ends
        """
        total_timesteps = step_count("total_timesteps", total_timesteps)
        if log_interval is not None:
            positive_int("log_interval", log_interval)
        replay_buffer = self._ready_buffer()
        if self.env is None:
            raise ValueError("there is no environment; call set_env(env), or learn_offline(...)")
        self._last_finite.keep()
        if not all(replay_buffer.has_begun(i) for i in range(self.n_envs)):
            self._last_obs = None
        before = self._last_obs
        total_timesteps, begun = self._setup_learn(
            total_timesteps, callback, reset_num_timesteps, tb_log_name, progress_bar
        )
        get_env_state(self.env)  # warns of what no file can hold, before any training
        if reset_num_timesteps:
            self._collector.reset_frames()
        if self._last_obs is not before:
            with self._saving_before_errors():
                self._collector.begin_episodes(replay_buffer, self._last_obs)
        begun.on_training_start(locals(), globals())
        if self._n_updates == 0:
            self.train(self.pretrain_steps)
        return begun, total_timesteps

    def learn_offline(
        self: SelfSequenceAlgorithm,
        gradient_steps: int,
        log_interval: int = 200,
        tb_log_name: str = "VMAIL",
    ) -> SelfSequenceAlgorithm:
        """Train world model, discriminator and policy on what is stored, without a step in the
        environment (Algorithm 2).

        :param gradient_steps: number of updates
        :param log_interval: updates between two lines of the log
        :param tb_log_name: of the TensorBoard run
        :raises ValueError: there are no demonstrations, or ``log_interval`` is below 1
        :raises NonFiniteError: a loss or a weight is not finite; the networks before that were
            saved
        """
        self._ready_buffer()
        positive_int("log_interval", log_interval)
        whole_number("gradient_steps", gradient_steps, 0)
        self._last_finite.keep()
        if not self._custom_logger:
            self._logger = configure_logger(
                self.verbose, self.tensorboard_log, tb_log_name, self._n_updates == 0
            )
        for done in range(0, gradient_steps, log_interval):
            self._update_current_progress_remaining(done, gradient_steps)
            self.train(min(log_interval, gradient_steps - done))
            self.logger.dump(self._n_updates)
        self._warn_of_constraint()
        return self

    def _warn_of_constraint(self) -> None:
        """Warn if the run ends far from its information limit."""
        if self._constraint is not None:
            self._constraint.warn()

    def dump_logs(self) -> None:
        """Write a line of the log."""
        progress = Progress(
            self.ep_info_buffer or (),
            self._episode_num,
            self.num_timesteps,
            self.num_timesteps - self._num_timesteps_at_start,
            self._collector.n_frames,
            self.start_time,
        )
        log_progress(self.logger, progress)
        self.logger.dump(step=self.num_timesteps)

    def set_env(self, env: GymEnv, force_reset: bool = True) -> None:
        """Go on in other environments; see SB3.

        :raises ValueError: they are wrapped in VecNormalize, or an action lasts longer or less long
        """
        venv = self._wrap_env(env, self.verbose)
        validation.check_not_normalized(venv)
        self._check_action_repeat(venv)
        super().set_env(venv, force_reset)
        self.action_repeat = self.action_repeat or action_repeat_of(venv)
