"""The world model alone: learned without a policy, and asked what of the true state its beliefs
hold, now and some decisions ahead.

Whether a policy can be learned inside a world model is seen in minutes, not in hours: what a linear
map cannot read out of the belief, or out of what the model predicts, no actor can act on.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch as th
from torch import nn

from sb3_vdb.arguments import positive_number, whole_number
from sb3_vdb.vmail.inspection import filtered
from sb3_vdb.vmail.losses import world_model_loss
from sb3_vdb.vmail.vmail import VMAIL

Array = npt.NDArray[np.float64]
RIDGE = 1e-3  # of the linear map, in units of the features' variance
WARM_UP = 10  # observations of an episode after which beliefs count


class Readout(NamedTuple):
    """What a linear map cannot explain of the true state, as shares of its variance (0 is all, 1 is
    no better than the mean).

    :param now: of the belief, shape (numbers,)
    :param ahead: of what the model predicts ``n_ahead`` decisions later, shape (numbers,)
    """

    now: Array
    ahead: Array


def learn_model(model: VMAIL, seconds: float, n_updates: int | None = None) -> int:
    """Learn the world model alone on what is stored (eq. 7), for so many seconds of the processor.

    :param model: with demonstrations, and other episodes in its replay buffer
    :param seconds: of this process's processor time
    :param n_updates: at most so many updates; None for no limit
    :return: updates that were carried out
    :raises ValueError: there are no demonstrations, or ``seconds`` is not positive
    """
    positive_number("seconds", seconds)
    if n_updates is not None:
        whole_number("n_updates", n_updates, 0)
    replay, world = model._ready_buffer(), model.policy.world_model
    settings, optimizer = model.loss_settings(), model._learner.update.optimizers()["model"]
    model.policy.set_training_mode(True)
    done, begun = 0, time.process_time()
    while time.process_time() - begun < seconds and done != n_updates:
        batch = replay.sample(model.batch_size, model.present_expert_fraction())
        normalized = world.encoder.normalize(batch.observations)
        belief = world.rssm.observe(world.encoder(normalized), batch.actions)
        loss = world_model_loss(world, belief, normalized, settings).total()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(world.parameters(), model.max_grad_norm)
        optimizer.step()
        done += 1
    optimizer.zero_grad()
    return done


@th.no_grad()
def read_out(
    model: VMAIL,
    learned_from: Sequence[tuple[Mapping[str, th.Tensor], Array]],
    tested_on: Sequence[tuple[Mapping[str, th.Tensor], Array]],
    n_ahead: int = 5,
) -> Readout:
    """Read the true state out of beliefs by a linear map, and out of predictions by the same map;
    of both their modes.

    :param model: whose world model is asked
    :param learned_from: episodes, each as rows of the replay buffer
        (:func:`~sb3_vdb.vmail.inspection.rows_of`) and true states, shape (observations, numbers)
    :param tested_on: other episodes
    :param n_ahead: decisions that the model predicts
    :raises ValueError: there are no episodes, one is too short or has not a state for each
        observation, or ``n_ahead`` is below 1
    """
    whole_number("n_ahead", n_ahead, 1)
    for name, given in (("learned_from", learned_from), ("tested_on", tested_on)):
        if not given:
            raise ValueError(f"`{name}` is empty; give at least one episode")
    for rows, states in (*learned_from, *tested_on):
        if len(states) != len(rows["actions"]):
            raise ValueError(
                f"an episode has {len(rows['actions'])} observations and {len(states)} states; "
                "give one for each"
            )
        if len(states) <= WARM_UP + n_ahead:
            raise ValueError(
                f"an episode has {len(states)} observations, {WARM_UP} are left out and `n_ahead` "
                f"is {n_ahead}; give longer ones"
            )
    known = [(_features(model, rows, n_ahead)[0], states) for rows, states in learned_from]
    features = np.concatenate([each[WARM_UP:] for each, _ in known])
    states = np.concatenate([each[WARM_UP:] for _, each in known])
    linear_map = _fit(features, states)
    now, ahead = [], []
    for rows, true in tested_on:
        beliefs, predicted = _features(model, rows, n_ahead)
        now.append((linear_map(beliefs[WARM_UP:]), true[WARM_UP:]))
        ahead.append((linear_map(predicted[WARM_UP:]), true[WARM_UP + n_ahead :]))
    return Readout(_unexplained(now), _unexplained(ahead))


def _features(model: VMAIL, rows: Mapping[str, th.Tensor], n_ahead: int) -> tuple[Array, Array]:
    """Return features of the beliefs along an episode, shape (observations, feat_dim), and of what
    is predicted from each of them but the last, shape (observations - n_ahead, feat_dim).
    """
    belief, actions = filtered(model, rows)
    states = belief.state.map(lambda part: part[:, 0])
    n = len(actions) - n_ahead
    start = states.map(lambda part: part[:n])
    after = th.stack([actions[1 + k : 1 + k + n, 0] for k in range(n_ahead)])
    predicted = model.policy.world_model.rssm.open_loop(start, after, sample=False)
    return states.feat.double().cpu().numpy(), predicted.feat[-1].double().cpu().numpy()


def _fit(features: Array, states: Array) -> _LinearMap:
    """Fit a linear map by ridge regression."""
    mean, std = features.mean(axis=0), features.std(axis=0) + 1e-6
    scaled = (features - mean) / std
    gram = scaled.T @ scaled / len(scaled) + RIDGE * np.eye(scaled.shape[1])
    offset = states.mean(axis=0)
    weights = np.linalg.solve(gram, scaled.T @ (states - offset) / len(scaled))
    return _LinearMap(mean, std, weights, offset)


class _LinearMap(NamedTuple):
    mean: Array
    std: Array
    weights: Array
    offset: Array

    def __call__(self, features: Array) -> Array:
        return (features - self.mean) / self.std @ self.weights + self.offset


def _unexplained(pairs: Sequence[tuple[Array, Array]]) -> Array:
    """Return the mean squared error as a share of the true numbers' variance; 0 where they do not
    vary.
    """
    read, true = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    variance = true.var(axis=0)
    error = np.square(read - true).mean(axis=0)
    return np.divide(error, variance, out=np.zeros_like(error), where=variance > 0.0)
