"""V-MAIL: imitation from pixels inside a learned world model."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, TypeVar

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch as th
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import GymEnv, MaybeCallback, Schedule
from stable_baselines3.common.utils import configure_logger, update_learning_rate
from stable_baselines3.common.vec_env import VecEnv

from sb3_vdb.demonstrations import Demonstrations
from sb3_vdb.errors import NonFiniteError
from sb3_vdb.networks import as_parts, row_of
from sb3_vdb.stored_episodes import StoredEpisode, stored_episodes
from sb3_vdb.vdb import DualVariable
from sb3_vdb.vec_env import action_repeat_of
from sb3_vdb.vmail import validation
from sb3_vdb.vmail.discriminator import GradientPenalty
from sb3_vdb.vmail.engines import EngineName, engines_for
from sb3_vdb.vmail.learner import Learner
from sb3_vdb.vmail.log import log_progress, log_updates
from sb3_vdb.vmail.memory import PlaceName, choose_place, size_of
from sb3_vdb.vmail.policies import CnnPolicy, MlpPolicy, MultiInputPolicy, VMAILPolicy
from sb3_vdb.vmail.replay import SequenceBatch, SequenceReplay, row_fields
from sb3_vdb.vmail.run_files import RunFiles
from sb3_vdb.vmail.update import NETWORKS, Returns, Update, UpdateForm, UpdateMetrics
from sb3_vdb.vmail.whole_update import Steps, WholeUpdate

SelfVMAIL = TypeVar("SelfVMAIL", bound="VMAIL")


class VMAIL(RunFiles):
    """Variational Model-Based Adversarial Imitation Learning.

    *Paper*: Rafailov, Yu, Rajeswaran, Finn, "Visual Adversarial Imitation Learning using
    Variational Models", NeurIPS 2021.

    *Equations*: world model eq. 7, discriminator eq. 6 on (z, a), policy eq. 8 by gradients through
    the forward model, Algorithm 1.

    *Differences from the reference*: the defaults follow the paper's text, but for ``td_lambda``
    and ``learning_starts``, which ``preset("paper")`` sets; what its code does otherwise is an
    argument, and ``preset("authors-code")`` sets them all. An evaluated policy takes the mode of
    its belief and tanh(mean), the code a sample of the belief and the best of 100 actions.

    Time steps are decisions, as everywhere in SB3; ``time/env_frames`` counts the environment's
    own frames where an action lasts several.

    :param policy: ``"CnnPolicy"`` for pictures, ``"MlpPolicy"`` for vectors, ``"MultiInputPolicy"``
        for a Dict of both
    :param env: environment to learn in, or its id
    :param demonstrations: expert episodes with actions, each at least ``sequence_length``
        observations long, as the environment would observe them
    :param learning_rate: of the world model; can be a function of the remaining progress
    :param discriminator_learning_rate: of the discriminator
    :param actor_learning_rate: of the actor
    :param value_learning_rate: of the value
    :param buffer_size: observations of the policy that are kept
    :param learning_starts: decisions at random before the policy decides; Algorithm 1 begins with
        an environment buffer, the authors' code with none
    :param batch_size: sequences of an update, and as many of the expert
    :param sequence_length: observations of a sequence
    :param train_freq: decisions of each environment between training phases, or ``(n, "step")``, or
        ``(n, "episode")`` for ended episodes of all environments
    :param gradient_steps: updates of a training phase; -1 for as many as decisions since the last
    :param pretrain_steps: updates before the first decision, on expert data
    :param expert_fraction: probability that a sequence of the joint buffer is the expert's, or a
        function of the remaining progress; None gives every episode the same probability
    :param burn_in: first states of each sequence, whose belief has just begun from nothing, that
        neither meet the discriminator nor start imagination; the authors' code takes them all
    :param n_reconstructed: observations of an update that the world model draws, at random; None
        for all. Drawing is more than a quarter of a small update.
    :param gamma: discount
    :param horizon: steps of an imagined rollout, H
    :param n_imagined: rollouts of an update; None starts one from every state of the batch
    :param returns: ``"lambda"``: with values beyond the rollout (eq. 8), ``"sum"``: discounted
        rewards of the rollout alone (the authors' code on DMC)
    :param td_lambda: 1 trusts the rollout (eq. 8), 0 the values
    :param drop_last_reward: leave out the rollout's last reward (the authors' code)
    :param values_of_next_states: take V(z_{i+1}) for the value of z_i (the authors' code)
    :param reward_type: ``"log_d"`` (eq. 8), ``"probability"`` (the authors' code), ``"logit"`` or
        ``"gail"``, see :mod:`sb3_vdb.rewards`
    :param ent_coef: weight of the policy's entropy
    :param bc_coef: weight of the squared difference between the policy's actions and the expert's
        in the expert's states, beside eq. 8, as in `TD3+BC <https://arxiv.org/abs/2106.06860>`_;
        the paper has none
    :param exploration_noise: standard deviation of the noise that is added to actions in training,
        or a function of the remaining progress
    :param kl_coef: weight of the divergence in eq. 7
    :param free_nats: mean divergence below which nothing is gained
    :param kl_balance: share of the divergence's gradient that goes to the forward model; None for
        the plain divergence
    :param gradient_penalty: ``"inputs"``, ``"weights"`` (the authors' code: the gradient with
        respect to the discriminator's weights) or None
    :param gradient_penalty_coef: its weight
    :param information_limit: I_c of the discriminator's bottleneck in nats, with
        ``policy_kwargs=dict(code_dim=...)``; None for no bottleneck
    :param beta: initial dual variable of the bottleneck
    :param beta_step_size: alpha_beta
    :param tau: how far the slow target of the value follows at a time
    :param target_update_interval: updates between two steps of the target
    :param actor_decay: share of itself that an average of the actor's weights keeps at an update;
        ``predict`` acts with it, which can help where the policy swings back and forth. 0 for the
        latest weights, the paper's, with which training acts in any case.
    :param max_grad_norm: norm to which each network's gradient is clipped
    :param weight_decay: of all optimisers
    :param engine: ``"eager"``, ``"compile"``, ``"cuda_graph"``, or ``"auto"``: plain PyTorch, on
        a GPU the first that works of a CUDA graph, ``torch.compile`` and plain PyTorch
    :param tf32: let a GPU multiply and convolve in TF32, or forbid it
    :param replay_place: ``"cuda"``, ``"memory"``, ``"disk"``, or ``"auto"``: the first with room
    :param replay_folder: for a replay buffer on disk; None for the system's temporary folder
    :param stats_window_size: episodes that ``rollout/`` figures are averaged over
    :param tensorboard_log: folder of TensorBoard logs
    :param policy_kwargs: sizes of the networks, see :class:`~sb3_vdb.vmail.policies.VMAILPolicy`
    :param verbose: 0 nothing, 1 info, 2 debug
    :param seed: of everything that is drawn
    :param device: of the networks
    :param _init_setup_model: whether to build the networks now
    :raises ValueError: an argument is out of range, or the demonstrations do not fit
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {
        "CnnPolicy": CnnPolicy,
        "MlpPolicy": MlpPolicy,
        "MultiInputPolicy": MultiInputPolicy,
    }
    policy: VMAILPolicy  # type: ignore[assignment]
    update_class: ClassVar[type[Update]] = Update
    min_batch_size: ClassVar[int] = 1

    def __init__(
        self,
        policy: str | type[VMAILPolicy],
        env: GymEnv | str,
        demonstrations: Demonstrations | None = None,
        learning_rate: float | Schedule = 6e-4,
        discriminator_learning_rate: float | Schedule = 8e-5,
        actor_learning_rate: float | Schedule = 8e-5,
        value_learning_rate: float | Schedule = 8e-5,
        buffer_size: int = 250_000,
        learning_starts: int = 0,
        batch_size: int = 128,
        sequence_length: int = 50,
        train_freq: int | tuple[int, str] = 500,
        gradient_steps: int = 200,
        pretrain_steps: int = 100,
        expert_fraction: float | Schedule | None = None,
        burn_in: int = 0,
        n_reconstructed: int | None = None,
        gamma: float = 0.99,
        horizon: int = 15,
        n_imagined: int | None = None,
        returns: Returns = "lambda",
        td_lambda: float = 0.95,
        drop_last_reward: bool = False,
        values_of_next_states: bool = False,
        reward_type: str = "log_d",
        ent_coef: float = 0.0,
        bc_coef: float = 0.0,
        exploration_noise: float | Schedule = 0.3,
        kl_coef: float = 1.0,
        free_nats: float = 3.0,
        kl_balance: float | None = None,
        gradient_penalty: GradientPenalty | None = "inputs",
        gradient_penalty_coef: float = 1.0,
        information_limit: float | None = None,
        beta: float = 0.1,
        beta_step_size: float = 1e-5,
        tau: float = 1.0,
        target_update_interval: int = 1,
        actor_decay: float = 0.0,
        max_grad_norm: float = 100.0,
        weight_decay: float = 0.0,
        engine: EngineName = "auto",
        tf32: bool = True,
        replay_place: PlaceName = "auto",
        replay_folder: str | None = None,
        stats_window_size: int = 100,
        tensorboard_log: str | None = None,
        policy_kwargs: dict[str, Any] | None = None,
        verbose: int = 0,
        seed: int | None = None,
        device: th.device | str = "auto",
        _init_setup_model: bool = True,
    ) -> None:
        super().__init__(
            policy,  # type: ignore[arg-type]
            env,
            learning_rate,
            policy_kwargs=policy_kwargs,
            stats_window_size=stats_window_size,
            tensorboard_log=tensorboard_log,
            verbose=verbose,
            device=device,
            support_multi_env=True,
            seed=seed,
        )
        self.discriminator_learning_rate = discriminator_learning_rate
        self.actor_learning_rate = actor_learning_rate
        self.value_learning_rate = value_learning_rate
        self.buffer_size, self.learning_starts = buffer_size, learning_starts
        self.batch_size, self.sequence_length = batch_size, sequence_length
        self.train_freq, self.gradient_steps = train_freq, gradient_steps
        self.pretrain_steps, self.expert_fraction = pretrain_steps, expert_fraction
        self.burn_in, self.n_reconstructed, self.gamma = burn_in, n_reconstructed, gamma
        self.horizon, self.n_imagined = horizon, n_imagined
        self.returns, self.td_lambda = returns, td_lambda
        self.drop_last_reward, self.values_of_next_states = drop_last_reward, values_of_next_states
        self.reward_type, self.ent_coef, self.bc_coef = reward_type, ent_coef, bc_coef
        self.exploration_noise = exploration_noise
        self.kl_coef, self.free_nats, self.kl_balance = kl_coef, free_nats, kl_balance
        self.gradient_penalty, self.gradient_penalty_coef = gradient_penalty, gradient_penalty_coef
        self.information_limit = information_limit
        self.beta, self.beta_step_size = beta, beta_step_size
        self.tau, self.target_update_interval = tau, target_update_interval
        self.actor_decay = actor_decay
        self.max_grad_norm, self.weight_decay = max_grad_norm, weight_decay
        self.engine, self.tf32 = engine, tf32
        self.replay_place, self.replay_folder = replay_place, replay_folder
        self.replay_buffer: SequenceReplay | None = None
        self.num_env_frames = 0
        self.dual: DualVariable | None = None
        self._steps_since_training = self._episodes_since_training = 0
        self._run_state: dict[str, Any] | None = None
        # environment frames that an action lasts; None where the environments do not say
        self.action_repeat = None if self.env is None else action_repeat_of(self.env)
        self._random_to_restore: dict[str, Any] | None = None
        if _init_setup_model:
            if env is None:
                raise ValueError("`env` is None; give an environment or its id, for its spaces")
            engines_for(engine, self.device)
            validation.check_settings(self)  # and in _setup_model, for settings changed in loading
            episodes = self._episodes(demonstrations)
            self._setup_model()
            self._put_demonstrations(episodes)

    # ------------------------------------------------------------------ set-up

    def _setup_model(self) -> None:
        validation.check_settings(self)
        self._setup_lr_schedule()
        self.set_random_seed(self.seed)
        sizes = {**self.policy_kwargs, "average_actor": self.actor_decay > 0.0}
        self.policy = self.policy_class(  # type: ignore[assignment]
            self.observation_space, self.action_space, self.lr_schedule, **sizes
        ).to(self.device)
        rates = {name: self.learning_rate_of(name) for name in NETWORKS}
        self.policy.make_optimizers(rates, self.weight_decay)
        if self.dual is None and self.information_limit is not None:
            self.dual = DualVariable(self.information_limit, self.beta, self.beta_step_size)
        self._memory = self.policy.initial_memory(self.n_envs)
        self._open_frames = np.zeros(self.n_envs, dtype=np.int64)
        update = self.update_class(self.policy, self._form())
        steps = Steps(self.max_grad_norm, self.tau, self.target_update_interval, self.actor_decay)
        self._learner = Learner(WholeUpdate(update, steps), self.dual, self.engine, self.tf32)

    def _form(self) -> UpdateForm:
        """What an update depends on."""
        penalty = self.gradient_penalty if self.gradient_penalty_coef > 0.0 else None
        values = {name: getattr(self, name) for name in UpdateForm._fields}
        return UpdateForm(**{**values, "gradient_penalty": penalty})

    def learning_rate_of(self, network: str) -> float:
        """Present learning rate of a network, by its name in
        :data:`~sb3_vdb.vmail.update.NETWORKS`.
        """
        if network == "model":
            return float(self.lr_schedule(self._current_progress_remaining))
        rate = getattr(self, f"{network}_learning_rate")
        return float(rate(self._current_progress_remaining) if callable(rate) else rate)

    def _episodes(self, demonstrations: Demonstrations | None) -> list[StoredEpisode]:
        assert isinstance(self.action_space, gym.spaces.Box)
        episodes = stored_episodes(
            demonstrations, self.observation_space, self.action_space, self.sequence_length
        )
        assert demonstrations is not None
        if self.env is not None:
            demonstrations.check_action_repeat(self.env)
        return episodes

    def set_demonstrations(self, demonstrations: Demonstrations) -> None:
        """Imitate other demonstrations from now on; world model, policy and replay stay.

        :param demonstrations: as for the constructor
        :raises ValueError: they do not fit
        """
        self._put_demonstrations(self._episodes(demonstrations))

    def add_episodes(self, episodes: Demonstrations) -> None:
        """Put stored episodes of other policies into the replay buffer, for the world model to
        learn from; they are not imitated.

        :param episodes: with actions, as the environment would observe them
        :raises ValueError: they do not fit
        """
        replay, found = self._ready(), self._episodes(episodes)
        longest = max(len(each.actions) + 1 for each in found)
        if longest > self.buffer_size:
            raise ValueError(
                f"an episode has {longest} observations, `buffer_size` is {self.buffer_size}; "
                "leave it out, or make the model with a larger buffer"
            )
        for episode in found:
            replay.add_episode(episode)

    def _put_demonstrations(self, episodes: list[StoredEpisode]) -> None:
        n_rows = sum(len(each.actions) + 1 for each in episodes)
        if self._n_updates == 0:  # a trained model knows vectors by the scale that it began with
            self.policy.world_model.encoder.fit([each.observations for each in episodes])
        if self.replay_buffer is None:
            self.replay_buffer = self._make_replay(n_rows)
        self.replay_buffer.set_expert(episodes)

    def _make_replay(self, n_expert_rows: int) -> SequenceReplay:
        """An empty replay buffer, with the demonstrations in the estimate of its size."""
        n_bytes = size_of(
            row_fields(self.observation_space, self.policy.action_dim),
            self.buffer_size + n_expert_rows,
        )
        place = choose_place(
            self.replay_place, n_bytes, self.device, self.replay_folder, self.verbose
        )
        return SequenceReplay(
            self.observation_space,
            self.policy.action_dim,
            self.buffer_size,
            self.n_envs,
            self.sequence_length,
            place,
            self.device,
            self.seed,
        )

    # ------------------------------------------------------------------ acting

    def _act(self) -> npt.NDArray[Any]:
        """Actions of the training policy for the last observations, remembered."""
        assert isinstance(self._last_obs, (np.ndarray, dict))
        tensors, _ = self.policy.obs_to_tensor(self._last_obs)
        starts = th.as_tensor(self._last_episode_starts, device=self.device)
        memory = self.policy.act(
            as_parts(tensors), self._memory, starts, noise_std=self._present_noise()
        )
        if self.num_timesteps < self.learning_starts:
            memory = memory._replace(action=2.0 * th.rand_like(memory.action) - 1.0)
        self._memory = memory
        return self.policy.env_actions(memory.action)

    def _present_noise(self) -> float:
        """Standard deviation of the exploration noise."""
        if not callable(self.exploration_noise):
            return self.exploration_noise
        noise = self.exploration_noise(self._current_progress_remaining)
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
        callback.on_rollout_start()
        self.policy.set_training_mode(False)
        while not self._training_is_due() and self.num_timesteps < total_timesteps:
            actions = self._act()
            new_obs, rewards, dones, infos = env.step(actions)
            self.num_timesteps += env.num_envs
            self._steps_since_training += 1
            self._update_info_buffer(infos, dones)
            self._store(new_obs, rewards, dones, infos)
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
        """Whether enough was collected since the last training phase."""
        n, unit = validation.training_frequency(self.train_freq)
        if unit == "episode":
            return self._episodes_since_training >= n
        return self._steps_since_training >= n

    def _store(
        self, new_obs: Any, rewards: npt.NDArray[Any], dones: npt.NDArray[Any], infos: list[Any]
    ) -> None:
        """Put a step of every environment into the replay buffer, and count frames."""
        assert self.replay_buffer is not None
        executed, repeat = self._memory.action.cpu().numpy(), self.action_repeat or 1
        for i, done in enumerate(dones):
            self._open_frames[i] = infos[i].get("frames", self._open_frames[i] + repeat)
            last = infos[i].get("terminal_observation")
            after = as_parts(last) if done else row_of(new_obs, i)
            self.replay_buffer.step(i, executed[i], after, float(rewards[i]), bool(done))
            if done:
                self.num_env_frames += int(self._open_frames[i])
                self._open_frames[i] = 0
                self._episode_num += 1
                self._episodes_since_training += 1
                self.replay_buffer.begin(i, row_of(new_obs, i))

    # ------------------------------------------------------------------ learning

    def train(self, gradient_steps: int) -> None:
        """Carry out updates.

        :param gradient_steps: how many
        :raises NonFiniteError: a loss is not finite; the networks before it were saved
        """
        assert self.replay_buffer is not None
        self.policy.set_training_mode(True)
        for name, optimizer in self._learner.whole.optimizers().items():
            update_learning_rate(optimizer, self.learning_rate_of(name))
        found = []
        for _ in range(gradient_steps):
            try:
                found.append(self._learner.step(*self.draw(), self._n_updates))
            except NonFiniteError as error:
                raise NonFiniteError(f"{error}; {self._save_before_error()}") from error
            self._n_updates += 1
        if found:
            log_updates(self, UpdateMetrics(*th.stack(found).mean(dim=0).tolist()))

    def draw(self) -> tuple[SequenceBatch, SequenceBatch]:
        """What an update learns from: sequences of the joint buffer, and of the expert."""
        assert self.replay_buffer is not None
        joint = self.replay_buffer.sample(self.batch_size, self.present_expert_fraction())
        return joint, self.replay_buffer.sample_expert(self.batch_size)

    def present_expert_fraction(self) -> float | None:
        """Probability that a sequence of the joint buffer is the expert's; None for the share of
        its episodes.
        """
        if not callable(self.expert_fraction):
            return self.expert_fraction
        fraction = self.expert_fraction(self._current_progress_remaining)
        if not 0.0 <= fraction <= 1.0:
            raise ValueError(
                f"`expert_fraction` must be between 0 and 1, its schedule gave {fraction}"
            )
        return fraction

    def _save_before_error(self) -> str:
        """Save the networks as they were before an update that failed; says where."""
        # without a log folder of the user's, SB3's logger has a temporary one
        kept = self._custom_logger or self.tensorboard_log is not None
        folder = self.logger.get_dir() if kept else None
        path = Path(folder or ".").resolve() / "vmail_before_error.zip"
        self.save(path)
        return (
            f"the networks before that update are in {path}; load them, lower the learning rates "
            "or look at the demonstrations"
        )

    def learn(
        self: SelfVMAIL,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int = 1,
        tb_log_name: str = "VMAIL",
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> SelfVMAIL:
        """Imitate.

        :param total_timesteps: decisions in the environment
        :param callback: SB3 callbacks
        :param log_interval: training phases between two lines of the log
        :param tb_log_name: of the TensorBoard run
        :param reset_num_timesteps: count from 0, and begin new episodes
        :param progress_bar: show one
        :raises ValueError: there are no demonstrations, or no environment
        :raises NonFiniteError: a loss is not finite; the networks before it were saved
        """
        replay = self._ready()
        if self.env is None:
            raise ValueError("there is no environment; call set_env(env), or learn_offline(...)")
        if not all(replay.has_begun(i) for i in range(self.n_envs)):
            self._last_obs = None
        before = self._last_obs
        total_timesteps, callback = self._setup_learn(
            total_timesteps, callback, reset_num_timesteps, tb_log_name, progress_bar
        )
        if reset_num_timesteps:
            self.num_env_frames = 0
            self._open_frames[:] = 0
        if self._last_obs is not before:
            self._begin_episodes()
        callback.on_training_start(locals(), globals())
        if self._n_updates == 0:
            self.train(self.pretrain_steps)
        iteration = 0
        while self.num_timesteps < total_timesteps:
            if not self.collect_rollouts(self.env, callback, total_timesteps):
                break
            if self._training_is_due():
                decisions = self._steps_since_training * self.n_envs
                self._steps_since_training = self._episodes_since_training = 0
                self.train(self.gradient_steps if self.gradient_steps >= 0 else decisions)
                iteration += 1
                if log_interval is not None and iteration % log_interval == 0:
                    self.dump_logs()
        callback.on_training_end()
        return self

    def learn_offline(
        self: SelfVMAIL,
        gradient_steps: int,
        log_interval: int = 200,
        tb_log_name: str = "VMAIL",
    ) -> SelfVMAIL:
        """Train world model, discriminator and policy on what is stored, without a step in the
        environment (Algorithm 2).

        :param gradient_steps: number of updates
        :param log_interval: updates between two lines of the log
        :param tb_log_name: of the TensorBoard run
        :raises ValueError: there are no demonstrations, or ``log_interval`` is below 1
        :raises NonFiniteError: a loss is not finite; the networks before it were saved
        """
        self._ready()
        if log_interval < 1:
            raise ValueError(f"`log_interval` must be at least 1 update, got {log_interval}")
        if not self._custom_logger:
            self._logger = configure_logger(
                self.verbose, self.tensorboard_log, tb_log_name, self._n_updates == 0
            )
        for done in range(0, gradient_steps, log_interval):
            self._update_current_progress_remaining(done, gradient_steps)
            self.train(min(log_interval, gradient_steps - done))
            self.logger.dump(self._n_updates)
        return self

    def _ready(self) -> SequenceReplay:
        """The replay buffer, with demonstrations.

        :raises ValueError: there are none, or none is long enough
        """
        if self.replay_buffer is None or not self.replay_buffer.expert.episodes:
            raise ValueError(
                "there are no demonstrations to learn from; a loaded model needs "
                "load_replay_buffer(path) to go on, or set_demonstrations(demonstrations)"
            )
        if not self.replay_buffer.expert.n_drawable:
            raise ValueError(
                f"no demonstration is as long as `sequence_length` {self.sequence_length} "
                "observations; lower it"
            )
        return self.replay_buffer

    def _begin_episodes(self) -> None:
        """Take note of a reset of all environments."""
        assert self.replay_buffer is not None
        for i in range(self.n_envs):
            self.replay_buffer.begin(i, row_of(self._last_obs, i))
        self._memory = self.policy.initial_memory(self.n_envs)
        self.num_env_frames += int(self._open_frames.sum())
        self._open_frames[:] = 0

    def dump_logs(self) -> None:
        """Write a line of the log."""
        log_progress(self)
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
