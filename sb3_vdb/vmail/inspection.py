"""What a trained V-MAIL sees, expects and rewards along an episode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch as th

from sb3_vdb.demonstrations import Demonstrations, Trajectory
from sb3_vdb.networks.observation_scales import PictureNormalizer
from sb3_vdb.rewards import LOGIT_REWARDS
from sb3_vdb.run_state import random_state_kept
from sb3_vdb.stored_episodes import stored_episodes
from sb3_vdb.vmail.episode_store import PREFIX
from sb3_vdb.vmail.rssm import Belief, State
from sb3_vdb.vmail.vmail import VMAIL


class Prediction(NamedTuple):
    """Pictures of an episode, channels last.

    :param seen: what was observed, shape (time, height, width, channels)
    :param reconstructed: decoded from the belief, which saw all of it, same shape
    :param predicted: decoded from the belief for the context, and from there on from the
        forward model alone under the episode's actions, same shape
    :param n_context: observations that the prediction saw
    """

    seen: npt.NDArray[np.uint8]
    reconstructed: npt.NDArray[np.uint8]
    predicted: npt.NDArray[np.uint8]
    n_context: int


class Course(NamedTuple):
    """Figures along an episode.

    :param rewards: of the discriminator for each state and the action taken in it, shape (length,)
    :param belief_kl: nats by which each observation corrected the forward model, shape (length +
        1,)
    """

    rewards: npt.NDArray[np.float32]
    belief_kl: npt.NDArray[np.float32]


def rows_of(model: VMAIL, episode: Trajectory) -> dict[str, th.Tensor]:
    """Return the rows of an episode as the replay buffer has them, for the functions below.

    :param model: who knows the spaces
    :param episode: with actions, as the environment observes it
    :raises ValueError: it does not fit the environment
    """
    assert isinstance(model.action_space, gym.spaces.Box)
    (stored,) = stored_episodes(
        Demonstrations([episode]), model.observation_space, model.action_space, sequence_length=1
    )
    actions = np.concatenate([np.zeros_like(stored.actions[:1]), stored.actions])
    parts = {PREFIX + name: th.as_tensor(part) for name, part in stored.observations.items()}
    return {**parts, "actions": th.as_tensor(actions)}


def filtered(model: VMAIL, rows: Mapping[str, th.Tensor]) -> tuple[Belief, th.Tensor]:
    """Infer beliefs along rows of the replay buffer, modes throughout; returns them with the
    actions, a batch of one.
    """
    observations = {
        name.removeprefix(PREFIX): part.to(model.device)[:, None]
        for name, part in rows.items()
        if name.startswith(PREFIX)
    }
    actions = rows["actions"].to(model.device)[:, None]
    return model.policy.world_model.observe(observations, actions, sample=False), actions


@th.no_grad()
def predict_pictures(
    model: VMAIL,
    rows: Mapping[str, th.Tensor],
    n_context: int = 5,
    n_steps: int = 50,
    start: int = 0,
) -> Prediction:
    """Predict a video by the forward model, and return it with what was seen.

    :param model: what predicts
    :param rows: an episode, ``model.replay_buffer.expert.episode(i)`` or ``.policy.episode(i)``
    :param n_context: observations that it may see
    :param n_steps: observations in all
    :param start: first row
    :raises ValueError: there are no pictures in the observations, or too few
    """
    pictures = sorted(model.policy.world_model.encoder.picture_names)
    if not pictures:
        raise ValueError("the observations have no pictures to decode; look at `follow(...)`")
    name = pictures[0]
    part = {key: values[start : start + n_steps] for key, values in rows.items()}
    if len(part["actions"]) <= n_context:
        raise ValueError(
            f"the episode has {len(part['actions'])} observations from `start` {start}, and "
            f"`n_context` is {n_context}; lower it"
        )
    belief, actions = filtered(model, part)
    known = State(*(each[n_context - 1] for each in belief.state))
    with random_state_kept(model.device):
        imagined = model.policy.world_model.rssm.open_loop(known, actions[n_context:])
    decode = model.policy.world_model.decode
    reconstructed = decode(belief.state)[name][:, 0]
    predicted = th.cat([reconstructed[:n_context], decode(imagined)[name][:, 0]])
    normalizer = model.policy.world_model.encoder.normalizer(name)
    assert isinstance(normalizer, PictureNormalizer)
    return Prediction(
        _channels_last(part[PREFIX + name]),
        _channels_last(normalizer.pixels(reconstructed)),
        _channels_last(normalizer.pixels(predicted)),
        n_context,
    )


def _channels_last(pictures: th.Tensor) -> npt.NDArray[np.uint8]:
    return np.moveaxis(pictures.cpu().numpy(), 1, -1)


@th.no_grad()
def follow(model: VMAIL, rows: Mapping[str, th.Tensor]) -> Course:
    """Compute the discriminator's reward and the corrections of the belief along an episode.

    :param model: what judges
    :param rows: as for :func:`predict_pictures`
    """
    belief, actions = filtered(model, rows)
    rewards = LOGIT_REWARDS[model.reward_type](_logits(model, belief, actions))
    latent = model.policy.world_model.rssm.latent
    kl = latent.kl(belief.posterior, belief.prior)[:, 0]
    return Course(rewards.cpu().numpy(), kl.cpu().numpy())


@th.no_grad()
def expert_likeness(model: VMAIL, rows: Mapping[str, th.Tensor]) -> float:
    """Compute the mean of D(z, a) along an episode, in [0, 1]; 0.5 where the discriminator cannot
    tell.

    :param model: what judges
    :param rows: as for :func:`predict_pictures`
    """
    return float(_logits(model, *filtered(model, rows)).sigmoid().mean())


@th.no_grad()
def logits_by_age(
    model: VMAIL, episodes: Sequence[Mapping[str, th.Tensor]]
) -> npt.NDArray[np.float32]:
    """Compute the discriminator's logits along whole episodes, the belief's age being the number of
    observations that it has seen. Along the expert's they should not fall.

    :param model: what judges
    :param episodes: as for :func:`predict_pictures`
    :return: means over the episodes that are so long, shape (longest,)
    :raises ValueError: there are no episodes
    """
    if not episodes:
        raise ValueError("`episodes` is empty; give at least one")
    along = [_logits(model, *filtered(model, rows)).cpu().numpy() for rows in episodes]
    longest = max(len(each) for each in along)
    return np.array(
        [np.mean([each[age] for each in along if age < len(each)]) for age in range(longest)],
        dtype=np.float32,
    )


def _logits(model: VMAIL, belief: Belief, actions: th.Tensor) -> th.Tensor:
    """Compute the discriminator's logits for states and the actions in them, shape (length,)."""
    return model.policy.discriminator.logits(belief.state.feat[:-1], actions[1:])[:, 0]
