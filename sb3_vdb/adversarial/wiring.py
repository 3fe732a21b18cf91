"""Putting the learned reward between the environments and the generator."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper, VecFrameStack, VecNormalize

from sb3_vdb.adversarial.generator_spaces import check_generator_spaces
from sb3_vdb.adversarial.training_venv import TrainingRewardVecEnv
from sb3_vdb.demonstrations import Demonstrations
from sb3_vdb.discriminators import Discriminator
from sb3_vdb.reward_vec_env import RewardFunction, TaskRewardVecEnv
from sb3_vdb.vec_env import below_normalize, lowest_normalize, wrappers


def check_compatible(venv: VecEnv, gen_algo: BaseAlgorithm) -> None:
    """Refuse environments the generator was not made for.

    :raises ValueError: naming what differs
    """
    if not isinstance(venv, VecEnv):
        raise ValueError(
            f"`venv` must be an SB3 VecEnv, got {type(venv).__name__}; make it with "
            "sb3_vdb.make_vec_env(id, n_envs) or DummyVecEnv([lambda: env])"
        )
    if not isinstance(gen_algo, BaseAlgorithm):
        raise ValueError(
            f"`gen_algo` must be an SB3 algorithm made with `venv`, got {type(gen_algo).__name__}"
        )
    if not isinstance(gen_algo, (OnPolicyAlgorithm, OffPolicyAlgorithm)):
        raise ValueError(
            f"`gen_algo` is {type(gen_algo).__name__}, which learns without gradients from the "
            "returns of whole episodes, while the learned reward changes all the time; use an "
            "on-policy (PPO, TRPO) or off-policy (SAC) algorithm"
        )
    # SB3's algorithms see pictures with channels first, whatever the environments give
    seen = BaseAlgorithm._wrap_env(venv, verbose=0)
    for name in ("observation_space", "action_space"):
        theirs, ours = getattr(gen_algo, name), getattr(venv, name)
        if theirs not in (ours, getattr(seen, name)):
            raise ValueError(
                f"`gen_algo` has {name} {theirs} and `venv` has {ours}; make `gen_algo` with `venv`"
            )
    if gen_algo.n_envs != venv.num_envs:
        raise ValueError(
            f"`gen_algo` was made for {gen_algo.n_envs} environments and `venv` has "
            f"{venv.num_envs}; "
            "make `gen_algo` with `venv`"
        )
    check_generator_spaces(gen_algo)


def check_demonstrations(
    demonstrations: Demonstrations, discriminator: Discriminator, venv: VecEnv
) -> None:
    """Refuse demonstrations that lack what the discriminator sees, or are of another task.

    :raises ValueError: naming trajectory, part and remedy
    """
    # the policy's density is one of whole observations
    keys = None if discriminator.needs_density else discriminator.transition_encoder.keys
    demonstrations.validate(
        below_normalize(venv).observation_space,
        venv.action_space,
        discriminator.needs_density or "actions" in discriminator.needs,
        keys,
    )
    demonstrations.check_action_repeat(venv)


def check_density_of_raw(venv: VecEnv) -> None:
    """Refuse a stack in which the policy's observation does not follow from the raw one alone, so
    that its density at a demonstrated observation is not known.

    :raises ValueError: observations are stacked or normalised again above a VecNormalize
    """
    normalize = lowest_normalize(venv)
    for layer in wrappers(venv):
        if normalize is None or layer is normalize:
            return
        again = isinstance(layer, VecNormalize) and layer.norm_obs
        if again or isinstance(layer, VecFrameStack):
            raise ValueError(
                f"`venv` has a {type(layer).__name__} above a VecNormalize, and AIRL and VAIRL "
                "need the policy's density at single raw observations; put it below: "
                "VecNormalize(VecFrameStack(venv, n_stack))"
            )


def insert_reward(
    venv: VecEnv, reward: RewardFunction | None, **arguments: Any
) -> tuple[VecEnv, TrainingRewardVecEnv]:
    """Put a :class:`TrainingRewardVecEnv` between environments and the generator.

    :param venv: environments, which may be normalised
    :param reward: reward to pay; None for 0
    :param arguments: the other ones of the wrapper
    :return: the outermost environment and the reward wrapper
    """
    outermost, wrapper = _insert(
        venv, lambda inner: TrainingRewardVecEnv(inner, reward, **arguments)
    )
    assert isinstance(wrapper, TrainingRewardVecEnv)
    return outermost, wrapper


def check_still_inserted(gen_algo: BaseAlgorithm, reward_venv: TrainingRewardVecEnv) -> None:
    """Refuse a generator whose environments were exchanged behind the trainer's back.

    :raises ValueError: it would learn from another reward
    """
    layers = [] if gen_algo.env is None else wrappers(gen_algo.env)
    if not any(layer is reward_venv for layer in layers):
        raise ValueError(
            "the environments of `gen_algo` are not those of this trainer (`gen_algo.set_env` was "
            "called, or another trainer took it), and the learned reward is not paid there; call "
            "trainer.set_env(venv)"
        )


def insert_pass_through(venv: VecEnv) -> VecEnv:
    """Give evaluation environments as many wrappers as :func:`insert_reward` makes."""
    return _insert(venv, TaskRewardVecEnv)[0]


def _insert(
    venv: VecEnv, wrap: Callable[[VecEnv], TaskRewardVecEnv]
) -> tuple[VecEnv, TaskRewardVecEnv]:
    """Wrap what is below the lowest ``VecNormalize`` if there is one, and everything else.

    Below it the discriminator sees raw observations, as the demonstrations have them, and
    ``VecNormalize`` scales the learned reward. The user's own wrappers are left as they are: those
    above the new one are copied and share their statistics. A wrapper of this kind that is there
    already is replaced.
    """
    parent = lowest_normalize(venv)
    inner = venv if parent is None else parent.venv
    if isinstance(inner, TaskRewardVecEnv):
        inner = inner.venv
    wrapper = wrap(inner)
    return (wrapper if parent is None else _copied_onto(venv, parent, wrapper)), wrapper


def _copied_onto(layer: VecEnv, lowest: VecEnv, inner: VecEnv) -> VecEnv:
    """Copy the wrappers from ``layer`` down to ``lowest``, on top of ``inner``."""
    assert isinstance(layer, VecEnvWrapper)
    below = inner if layer is lowest else _copied_onto(layer.venv, lowest, inner)
    if isinstance(layer, VecNormalize):
        clone: VecEnvWrapper = copy.copy(layer)  # leaves its environment behind, shares its moments
        clone.set_venv(below)
        return clone
    # copy.copy would look for attributes in the environment that the copy does not have yet
    clone = object.__new__(type(layer))
    vars(clone).update(vars(layer), venv=below)
    return clone
