"""A policy at work in environments: the one loop that everything goes through that evaluates,
records or demonstrates.

It carries the policy's recurrent state and tells it where episodes begin, asks the environments for
action masks, reads observations and rewards below a VecNormalize, and refuses environments that pay
a learned reward.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from sb3_contrib.common.maskable.utils import get_action_masks, is_masking_supported
from stable_baselines3.common.type_aliases import GymEnv
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper, VecNormalize
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from sb3_vdb.reward_vec_env import RewardVecEnv
from sb3_vdb.transitions import Observations, last_observations, map_parts
from sb3_vdb.vec_env import as_vec_env, lowest_normalize, wrappers

Masks = Callable[[], npt.NDArray[np.bool_]]


class Predictor(Protocol):
    """Any policy or controller that has SB3's ``predict``."""

    def predict(  # noqa: D102
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = False,
    ) -> tuple[npt.NDArray[Any], Any]: ...


class RandomActions:
    """Takes random actions, the same for the same seed.

    :param action_space: of the environments
    :param seed: of the actions
    """

    def __init__(self, action_space: gym.Space[Any], seed: int) -> None:
        self._space = action_space
        self._space.seed(seed)

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = False,
    ) -> tuple[npt.NDArray[Any], Any]:
        """Sample an action for each environment; ``episode_start`` says how many there are."""
        return np.stack([self._space.sample() for _ in episode_start]), state


class ActingPolicy:
    """Carries a policy's recurrent state and the starts of episodes from step to step.

    :param policy: whatever has SB3's ``predict``
    :param n_envs: number of environments it acts in, all at the start of an episode
    :param deterministic: whether it acts without noise
    :param masks: gives the allowed actions, shape (n_envs, n_choices); None if all are allowed
    """

    def __init__(
        self,
        policy: Predictor,
        n_envs: int = 1,
        deterministic: bool = True,
        masks: Masks | None = None,
    ) -> None:
        self._policy, self._deterministic, self._masks = policy, deterministic, masks
        self._state: Any = None
        self._starts = np.ones(n_envs, dtype=bool)

    def act(self, observations: Any) -> npt.NDArray[Any]:
        """Choose actions for the present observations.

        :param observations: as the policy sees them, shape (n_envs, ...), or one such array a part
        """
        allowed = {} if self._masks is None else {"action_masks": self._masks()}
        actions, self._state = self._policy.predict(
            observations,
            state=self._state,
            episode_start=self._starts,
            deterministic=self._deterministic,
            **allowed,
        )
        return actions

    def note_ends(self, dones: npt.NDArray[np.bool_]) -> None:
        """Tell the policy which episodes the step has ended, shape (n_envs,)."""
        self._starts = np.asarray(dones, dtype=bool)


class Step(NamedTuple):
    """One step of all environments; observations, actions and rewards are those below a
    VecNormalize: raw, and what a discriminator sees.

    :param observations: before the step, shape (n_envs, ...), or one such array a part by name
    :param actions: taken, shape (n_envs, ...)
    :param rewards: of the task, shape (n_envs,)
    :param dones: which episodes the step ended, shape (n_envs,)
    :param infos: of each environment
    :param finals: last observations of the episodes that it ended, by environment
    """

    observations: Observations
    actions: npt.NDArray[Any]
    rewards: npt.NDArray[np.float32]
    dones: npt.NDArray[np.bool_]
    infos: list[dict[str, Any]]
    finals: dict[int, Observations]

    def is_terminal(self, i: int) -> bool:
        """Say whether the episode that ended in environment ``i`` ended by itself, and not by a
        time limit.
        """
        return not self.infos[i].get("TimeLimit.truncated", False)


def steps(
    policy: Predictor, venv: GymEnv, deterministic: bool = True
) -> Generator[Step, None, None]:
    """Let a policy act, from the first reset on, for as long as steps are asked for.

    Whoever asks closes the iterator (``contextlib.closing``), which leaves the stack of
    environments as it was. Statistics of a VecNormalize are not updated; one that has seen nothing
    takes those of the environments that the policy was trained in.

    A policy that takes ``action_masks`` (MaskablePPO) gets those that the environments' method
    ``action_masks`` gives, and environments without it are refused, as sb3-contrib does. Policies
    that take none act without them, as they were trained.

    :param policy: whatever has SB3's ``predict``
    :param venv: environments that pay the task's reward, wrapped as in the policy's training
    :param deterministic: whether the policy acts without noise
    :raises ValueError: the environments pay a learned reward, are normalised otherwise than in the
        policy's training, or give no masks or last observations where these are needed
    """
    venv = task_env(venv)
    check_normalised_as_trained(policy, venv)
    actor = ActingPolicy(policy, venv.num_envs, deterministic, _masks_of(policy, venv))
    with _statistics_kept(policy, venv), _tapped(venv) as (outermost, tap):
        observations: Any = outermost.reset()
        while True:
            before, actions = tap.observations, _checked(actor.act(observations), venv)
            observations, _, dones, infos = outermost.step(actions)
            actor.note_ends(dones)
            yield Step(before, tap.actions, tap.rewards, dones, infos, tap.finals)


def _checked(actions: Any, venv: VecEnv) -> npt.NDArray[Any]:
    """Refuse actions of another number or shape than the environments take."""
    actions = np.asarray(actions)
    expected = (venv.num_envs, *(venv.action_space.shape or ()))
    if actions.shape != expected:
        raise ValueError(
            f"the policy's predict() gave actions of shape {actions.shape} for {venv.num_envs} "
            f"environments with {venv.action_space}; it must give {expected}, one row an "
            "environment"
        )
    return actions


# ---------------------------------------------------------------------- what is refused


def task_env(venv: GymEnv) -> VecEnv:
    """Return SB3 environments that pay the task's reward, made of one of Gymnasium's if need be.
    Those that pay a learned reward are refused: it would pass for the task's, and the steps would
    enter the training of the discriminator.

    :param venv: environments
    :raises ValueError: they are none, or there is a :class:`~sb3_vdb.RewardVecEnv` in the stack
    """
    venv = as_vec_env(venv)
    if any(isinstance(layer, RewardVecEnv) for layer in wrappers(venv)):
        raise ValueError(
            "`venv` pays a learned reward (it holds a RewardVecEnv, as a trainer's own `venv` and "
            "`RecoveredReward.wrap` do), which is not the task's; give environments of their own, "
            "made and normalised as for the training, for example sb3_vdb.make_vec_env(id, n_envs)"
        )
    return venv


def _trained(policy: Any) -> Any:
    """Return what acts: an adversarial trainer acts by its generator, a policy with the statistics
    of a VecNormalize by the one inside.
    """
    return getattr(policy, "gen_algo", getattr(policy, "inner_policy", policy))


def _normalizer_of(policy: Any) -> VecNormalize | None:
    """Find what normalises observations in the policy's training environments, if it has any."""
    get = getattr(_trained(policy), "get_vec_normalize_env", None)
    normalizer = None if get is None else get()
    return normalizer if normalizer is not None and normalizer.norm_obs else None


def check_normalised_as_trained(policy: Any, venv: VecEnv) -> None:
    """Refuse raw observations for a policy that learned from normalised ones, and the reverse, as
    far as the policy still has its training environments.

    :raises ValueError: naming the remedy
    """
    if getattr(_trained(policy), "get_env", lambda: None)() is None:
        return
    theirs = lowest_normalize(venv)
    learned, given = _normalizer_of(policy) is not None, theirs is not None and theirs.norm_obs
    if learned and not given:
        raise ValueError(
            "the policy was trained on observations of a VecNormalize and `venv` gives raw ones; "
            "give VecNormalize(venv, training=False), which takes the training's statistics"
        )
    if given and not learned:
        raise ValueError(
            "`venv` gives observations of a VecNormalize and the policy was trained on raw ones; "
            "give the environments without it"
        )


def _masks_of(policy: Any, venv: VecEnv) -> Masks | None:
    """Return what asks the environments for the allowed actions; None for a policy that takes no
    masks.
    """
    if "action_masks" not in inspect.signature(_trained(policy).predict).parameters:
        return None
    if not is_masking_supported(venv):
        raise ValueError(
            "the policy takes action masks and the environments have no method `action_masks`; "
            "wrap them in sb3_contrib.common.wrappers.ActionMasker(env, mask_function)"
        )
    return lambda: get_action_masks(venv)


# ---------------------------------------------------------------------- what is read


class _Tap(VecEnvWrapper):
    """Keeps what passes it."""

    def __init__(self, venv: VecEnv) -> None:
        super().__init__(venv)
        self.observations: Observations = None
        self.actions: npt.NDArray[Any] = np.zeros(0)
        self.rewards: npt.NDArray[np.float32] = np.zeros(0, dtype=np.float32)
        self.finals: dict[int, Observations] = {}

    def reset(self) -> VecEnvObs:
        observations = self.venv.reset()
        self.observations = map_parts(np.array, observations)
        return observations

    def step_async(self, actions: npt.NDArray[Any]) -> None:
        self.actions = np.array(actions)
        self.venv.step_async(actions)

    def step_wait(self) -> VecEnvStepReturn:
        observations, rewards, dones, infos = self.venv.step_wait()
        self.observations = map_parts(np.array, observations)
        self.rewards = np.array(rewards)
        self.finals = last_observations(dones, infos)
        return observations, rewards, dones, infos


@contextmanager
def _tapped(venv: VecEnv) -> Iterator[tuple[VecEnv, _Tap]]:
    """Put a tap below the lowest VecNormalize, or around everything, for the time of the block.

    :return: the outermost environment, and the tap
    """
    parent = lowest_normalize(venv)
    if parent is None:
        tap = _Tap(venv)
        yield tap, tap
        return
    inner = parent.venv
    parent.venv = tap = _Tap(inner)
    try:
        yield venv, tap
    finally:
        parent.venv = inner


@contextmanager
def _statistics_kept(policy: Any, venv: VecEnv) -> Iterator[None]:
    """Hold the statistics of every VecNormalize for the time of the block; one that has seen
    nothing has those of the policy's training meanwhile.
    """
    layers = [each for each in wrappers(venv) if isinstance(each, VecNormalize)]
    before = [(layer, layer.training, vars(layer).get("obs_rms")) for layer in layers]
    trained = _normalizer_of(policy)
    for layer in layers:
        layer.training = False
        if trained is not None and layer.norm_obs and _has_seen_nothing(layer):
            layer.obs_rms = trained.obs_rms
    try:
        yield
    finally:
        for layer, training, statistics in before:
            layer.training = training
            if statistics is not None:
                layer.obs_rms = statistics


def _has_seen_nothing(normalizer: VecNormalize) -> bool:
    moments: Any = normalizer.obs_rms
    counts = [each.count for each in (moments.values() if isinstance(moments, dict) else [moments])]
    return max(counts, default=1.0) < 1.0  # SB3's statistics begin with a count of 1e-4
