"""Cloning as a warm start: a policy of SB3 begins near the expert."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch as th
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecNormalize, VecTransposeImage
from torch.nn import functional

from sb3_vdb.arguments import positive_int, positive_number, seed_or_none
from sb3_vdb.box_scaling import has_finite_range
from sb3_vdb.demonstrations import Demonstrations
from sb3_vdb.errors import NonFiniteError
from sb3_vdb.transitions import map_parts, parts_of
from sb3_vdb.vec_env import wrappers


def warm_start(
    gen_algo: BaseAlgorithm,
    demonstrations: Demonstrations,
    n_updates: int = 1_000,
    batch_size: int = 256,
    learning_rate: float = 1e-3,
    seed: int | None = None,
) -> float:
    """Let the policy of an SB3 algorithm clone demonstrations, before it learns by reward:
    ``warm_start(generator, demos)``, then ``GAIL(demos, venv, generator)``.

    On-policy algorithms maximise the likelihood of the demonstrated actions; their critic is not
    touched, but for layers that it shares with the policy. The actors of SAC, TD3 and their
    relatives learn the actions by their mean squared error, in [-1, 1], and their target networks
    are set to the same.

    :param gen_algo: made with its environments; a VecNormalize around these has seen nothing yet,
        and is shown the demonstrations' observations first
    :param demonstrations: with actions
    :param n_updates: of Adam, positive
    :param batch_size: of an update, positive
    :param learning_rate: of Adam, positive
    :param seed: of the batches
    :return: mean loss of the last tenth: -log likelihood in nats, or squared error
    :raises ValueError: demonstrations or algorithm do not fit
    :raises NonFiniteError: the loss is not finite
    """
    n_updates, batch_size = (
        positive_int("n_updates", n_updates),
        positive_int("batch_size", batch_size),
    )
    learning_rate = positive_number("learning_rate", learning_rate)
    rng = np.random.default_rng(seed_or_none("seed", seed))
    policy = _checked_policy(gen_algo)
    observations, actions = _seen(gen_algo, demonstrations)
    trained = policy if _has_likelihood(policy) else policy.actor
    optimizer = th.optim.Adam(trained.parameters(), lr=learning_rate)
    policy.set_training_mode(True)
    losses = []
    for _ in range(n_updates):
        rows = rng.integers(len(actions), size=batch_size)
        batch, _ = policy.obs_to_tensor(map_parts(lambda part, rows=rows: part[rows], observations))
        loss = _loss(policy, batch, actions[rows])
        if not bool(th.isfinite(loss)):
            raise NonFiniteError("the loss of cloning is not finite; lower `learning_rate`")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    policy.set_training_mode(False)
    if getattr(policy, "actor_target", None) is not None:
        policy.actor_target.load_state_dict(policy.actor.state_dict())
    return float(np.mean(losses[-max(1, n_updates // 10) :]))


def _has_likelihood(policy: Any) -> bool:
    """Say whether a policy is one of PPO and its relatives."""
    return hasattr(policy, "evaluate_actions")


def _checked_policy(gen_algo: BaseAlgorithm) -> Any:
    """Give the policy of an algorithm, which can clone.

    :raises ValueError: it cannot
    """
    policy: Any = gen_algo.policy
    if getattr(policy, "lstm_actor", None) is not None:
        raise ValueError("a recurrent policy remembers, which these batches do not; use PPO")
    if not _has_likelihood(policy) and getattr(policy, "actor", None) is None:
        raise ValueError(
            f"{type(gen_algo).__name__} has no policy that can clone: it must be an actor-critic "
            "(PPO, A2C, TRPO) or have an actor (SAC, TD3)"
        )
    return policy


def _seen(gen_algo: BaseAlgorithm, demonstrations: Demonstrations) -> tuple[Any, npt.NDArray[Any]]:
    """Give all demonstrated observations, normalised as the policy will see them, and actions.

    :raises ValueError: they do not fit the algorithm's environments
    """
    assert gen_algo.env is not None
    layers = [each for each in wrappers(gen_algo.env) if not isinstance(each, VecTransposeImage)]
    demonstrations = demonstrations.as_stacked_in(layers[0])
    normalize = gen_algo.get_vec_normalize_env()
    raw = layers[0] if normalize is None else normalize.venv
    demonstrations.validate(raw.observation_space, raw.action_space)
    steps = demonstrations.transitions()
    assert steps.actions is not None
    if normalize is None or not normalize.norm_obs:
        return steps.observations, steps.actions
    parts = parts_of(steps.observations)
    for name, moments in _moments(normalize).items():
        if moments.count < 1.0:  # it has seen nothing yet
            moments.update(parts[name])
    return normalize.normalize_obs(steps.observations), steps.actions


def _moments(normalize: VecNormalize) -> dict[str, Any]:
    """Give the running statistics of every part."""
    moments: Any = normalize.obs_rms
    return dict(moments) if isinstance(moments, dict) else {"observations": moments}


def _loss(policy: Any, observations: Any, actions: npt.NDArray[Any]) -> th.Tensor:
    """Compute what cloning minimises, scalar."""
    if _has_likelihood(policy):
        given = th.as_tensor(actions, device=policy.device)
        return -policy.evaluate_actions(observations, given)[1].mean()
    space = policy.action_space
    assert isinstance(space, spaces.Box)
    assert has_finite_range(space)
    scaled = th.as_tensor(policy.scale_action(actions), device=policy.device).float()
    chosen = policy.actor(observations) if _is_td3(policy) else policy.actor(observations, True)
    return functional.mse_loss(chosen, scaled)


def _is_td3(policy: Any) -> bool:
    return hasattr(policy, "actor_target")
