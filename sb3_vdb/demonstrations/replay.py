"""Recordings played again: compared step by step, drawn, and kept in a cache."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
import os
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from tqdm.auto import tqdm

from sb3_vdb.demonstrations.demonstrations import Demonstrations
from sb3_vdb.demonstrations.recording import (
    SIMULATORS,
    RecordedEpisode,
    Recording,
    find,
    load,
    physics_state,
    resolved_arguments,
    simulator_versions,
)
from sb3_vdb.demonstrations.trajectory import Trajectory
from sb3_vdb.version import __version__

# How far one step may depart from the recording: machines and versions round differently, and
# contacts make more of it than the last digits
REWARD_TOLERANCE, STATE_TOLERANCE = 1e-3, 1e-2
PICTURES = 2  # to be raised when the same recording is played differently; part of the cache's key
CACHE_VARIABLE = "SB3_VDB_CACHE"  # folder of played recordings
# arguments of pixel environments that change pictures and nothing else
LOOK = ("image_size", "frame_stack", "camera", "preset", "supersample", "floor")
LOGGER = logging.getLogger(__name__)


def replay(
    recording: Recording,
    env_kwargs: dict[str, Any] | None = None,
    progress_bar: bool = False,
    redraw: bool = False,
) -> Demonstrations:
    """Play a recording again and keep what is observed.

    :param recording: what to play
    :param env_kwargs: arguments of the learner's environment, its id's defaults filled in; they
        must be the recording's (image size, action repeat, preset, ...). None compares nothing.
    :param progress_bar: show the episodes
    :param redraw: draw other pictures of the same states: those arguments of ``env_kwargs`` that
        decide only how they look (:data:`LOOK`) need not be the recording's
    :raises ValueError: other arguments, or the replay departs from the recording
    """
    _check_arguments(recording, env_kwargs, LOOK if redraw else ())
    wanted = resolved_arguments(recording.env_id, env_kwargs)
    look = {name: wanted[name] for name in LOOK if redraw and name in wanted}
    env = gym.make(recording.env_id, **{**recording.env_kwargs, **look})
    installed = simulator_versions(env)
    changed = {
        name: (recorded, installed.get(name))
        for name, recorded in recording.versions.items()
        if installed.get(name) != recorded
    }
    if changed:
        LOGGER.warning(
            "the recording was made with %s; comparing every step",
            ", ".join(f"{name} {old} (here {new})" for name, (old, new) in changed.items()),
        )
    episodes: Iterable[RecordedEpisode] = recording.episodes
    if progress_bar:
        episodes = tqdm(episodes, desc=f"playing {recording.env_id}", unit="episode")
    try:
        return Demonstrations(
            [_replay_episode(env, episode, changed, i) for i, episode in enumerate(episodes)]
        )
    finally:
        env.close()


def _check_arguments(
    recording: Recording, env_kwargs: dict[str, Any] | None, free: Iterable[str] = ()
) -> None:
    """Compare the learner's environment with the recording's, but for the arguments in ``free``."""
    if env_kwargs is None:
        return
    wanted = resolved_arguments(recording.env_id, env_kwargs)
    for name, found in recording.env_kwargs.items():
        if name in wanted and found != wanted[name] and name not in free:
            other = "draw it again with redraw=True" if name in LOOK else "record it again"
            raise ValueError(
                f"the recording has `{name}` {found!r}, the environment {wanted[name]!r}; make the "
                f"environment with {name}={found!r}, or {other}"
            )


def _replay_episode(
    env: gym.Env[Any, Any], episode: RecordedEpisode, changed: dict[str, Any], number: int
) -> Trajectory:
    show = getattr(env.unwrapped, "set_physics", None)
    observation, _ = env.reset(seed=episode.seed)
    observations = [np.asarray(observation)]
    for step, action in enumerate(episode.actions):
        observation, reward, terminated, truncated, _ = env.step(action)
        _verify(env, episode, step, float(reward), f"episode {number}, step {step + 1}", changed)
        if (terminated or truncated) != (step + 1 == len(episode.actions)):
            raise ValueError(
                f"episode {number} ends at step {step + 1} here, and after "
                f"{len(episode.actions)} in the recording; {_remedy(changed)}"
            )
        if show is not None and (physics_state(env) != episode.states[step]).any():
            observation = show(episode.states[step])
        observations.append(np.asarray(observation))
    return Trajectory(
        np.stack(observations),
        episode.actions,
        episode.rewards.astype(np.float32),
        episode.terminal,
        getattr(env.unwrapped, "action_repeat", None),
    )


def _verify(
    env: gym.Env[Any, Any],
    episode: RecordedEpisode,
    step: int,
    reward: float,
    where: str,
    changed: dict[str, Any],
) -> None:
    """Compare a step of the replay, made from the recorded state before it, with the recording.

    :raises ValueError: they differ by more than machines round
    """
    if abs(reward - episode.rewards[step]) > REWARD_TOLERANCE:
        raise ValueError(
            f"{where}: the reward is {reward:.6f} here and {episode.rewards[step]:.6f} in the "
            f"recording; {_remedy(changed)}"
        )
    if not episode.states.shape[1]:
        return
    departure = np.abs(physics_state(env) - episode.states[step]).max()
    if departure > STATE_TOLERANCE:
        raise ValueError(
            f"{where}: the physics state differs by {departure:.2g} from the recording; "
            f"{_remedy(changed)}"
        )


def _remedy(changed: dict[str, Any]) -> str:
    if not changed:
        return "the environment has changed since; record it again"
    wanted = " ".join(f"{name}=={old}" for name, (old, _) in changed.items())
    return f"install the versions it was made with ({wanted}), or record it again"


def cache_folder() -> Path:
    """Where played recordings are kept: ``SB3_VDB_CACHE``, or the user's cache folder."""
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "sb3_vdb"


def load_played(
    path: str | Path,
    env_kwargs: dict[str, Any] | None = None,
    progress_bar: bool = True,
    cache: bool = True,
    redraw: bool = False,
) -> Demonstrations:
    """Demonstrations of a recording, played at the first time and read from disk afterwards.

    :param path: file of :func:`save`, or the name of a shipped recording
    :param env_kwargs: arguments of the learner's environment, compared with the recording's
    :param progress_bar: show the episodes being played
    :param cache: keep what was played in :func:`cache_folder`, for the same file, versions of this
        package and the simulators, and ``MUJOCO_GL``
    :param redraw: draw pictures as ``env_kwargs`` say, of the same states
    """
    path = find(path)
    recording = load(path)
    _check_arguments(recording, env_kwargs, LOOK if redraw else ())
    played = resolved_arguments(recording.env_id, env_kwargs) if redraw else None
    if not cache:
        return replay(recording, played, progress_bar, redraw)
    key = hashlib.sha256(path.read_bytes())
    names = sorted({name for names in SIMULATORS.values() for name in names})
    installed = {name: version(name) for name in names if importlib.util.find_spec(name)}
    drawn_by = [os.environ.get("MUJOCO_GL", ""), PICTURES, __version__, installed, played]
    key.update(json.dumps(drawn_by, sort_keys=True).encode())
    kept = cache_folder() / f"{path.stem}-{key.hexdigest()[:16]}.npz"
    if kept.exists():
        try:
            return Demonstrations.load(kept)
        except ValueError:
            LOGGER.warning("%s is damaged; playing the recording again", kept)
    demonstrations = replay(recording, played, progress_bar, redraw)
    try:
        demonstrations.save(kept)
    except OSError as error:
        LOGGER.warning("the pictures cannot be kept in %s (%s)", kept.parent, error)
    return demonstrations
