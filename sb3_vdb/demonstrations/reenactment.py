"""Recordings reenacted: stepped again, compared step by step, rendered, and kept in a cache."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from tqdm.auto import tqdm

from sb3_vdb.demonstrations import npz
from sb3_vdb.demonstrations.recording import (
    RecordedEpisode,
    Recording,
    find,
    load,
    physics_state,
    resolved_arguments,
)
from sb3_vdb.demonstrations.trajectory import Trajectory
from sb3_vdb.environments import look_arguments, simulator_versions
from sb3_vdb.transitions import map_parts
from sb3_vdb.version import __version__

# How far one step may depart from the recording: machines and versions round differently, and
# contacts make more of it than the last digits
REWARD_TOLERANCE, STATE_TOLERANCE = 1e-3, 1e-2
PICTURES = 2  # raise it when the same recording gives other trajectories; part of the cache's key
CACHE_VARIABLE = "SB3_VDB_CACHE"  # folder of reenacted recordings
LOGGER = logging.getLogger(__name__)


def reenact(
    recording: Recording,
    env_kwargs: dict[str, Any] | None = None,
    progress_bar: bool = False,
    rerender: bool = False,
) -> list[Trajectory]:
    """Carry out a recording's actions again and keep what is observed.

    :param recording: what to reenact
    :param env_kwargs: arguments of the learner's environment, its id's defaults filled in; they
        must be the recording's (image size, action repeat, preset, ...). None compares nothing.
    :param progress_bar: show the episodes
    :param rerender: render other pictures of the same states: those arguments of ``env_kwargs``
        that decide only how they look need not be the recording's
    :raises ValueError: other arguments, or the reenactment departs from the recording
    """
    _check_arguments(recording, env_kwargs, rerender)
    wanted = resolved_arguments(recording.env_id, env_kwargs)
    names = look_arguments(recording.env_id) if rerender else ()
    look = {name: wanted[name] for name in names if name in wanted}
    env = gym.make(recording.env_id, **{**recording.env_kwargs, **look})
    changed = _changed_versions(recording)
    episodes: Iterable[RecordedEpisode] = recording.episodes
    if progress_bar:
        episodes = tqdm(episodes, desc=f"reenacting {recording.env_id}", unit="episode")
    try:
        return [_reenact_episode(env, each, changed, i) for i, each in enumerate(episodes)]
    finally:
        env.close()


def _changed_versions(recording: Recording) -> dict[str, tuple[str, str | None]]:
    """Find simulators with another version here than in the recording, and warn of them; for each,
    give the recorded and the installed version.
    """
    installed = simulator_versions(recording.env_id, recording.env_kwargs)
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
    return changed


def _check_arguments(
    recording: Recording, env_kwargs: dict[str, Any] | None, rerender: bool
) -> None:
    """Compare the learner's environment with the recording's; what is rerendered may differ."""
    if env_kwargs is None:
        return
    wanted = resolved_arguments(recording.env_id, env_kwargs)
    look = look_arguments(recording.env_id)
    for name, recorded in recording.env_kwargs.items():
        if name not in wanted or recorded == wanted[name] or (rerender and name in look):
            continue
        other = "render it again with rerender=True" if name in look else "record it again"
        raise ValueError(
            f"the recording has `{name}` {recorded!r}, the environment {wanted[name]!r}; make the "
            f"environment with {name}={recorded!r}, or {other}"
        )


def _reenact_episode(
    env: gym.Env[Any, Any], episode: RecordedEpisode, changed: dict[str, Any], number: int
) -> Trajectory:
    show = getattr(env.unwrapped, "set_physics", None)
    observation, _ = env.reset(seed=episode.seed)
    observations = [map_parts(np.asarray, observation)]
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
        observations.append(map_parts(np.asarray, observation))
    return Trajectory(
        map_parts(lambda *steps: np.stack(steps), *observations),
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
    """Compare a step, made from the recorded state before it, with the recording.

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
    """Return where reenacted recordings are kept: ``SB3_VDB_CACHE``, or the user's cache folder."""
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "sb3_vdb"


def load_reenacted(
    path: str | Path,
    env_kwargs: dict[str, Any] | None = None,
    progress_bar: bool = True,
    cache: bool = True,
    rerender: bool = False,
) -> list[Trajectory]:
    """Load the trajectories of a recording, reenacted the first time and read from disk afterwards.

    :param path: file of :func:`~sb3_vdb.demonstrations.recording.save`, or the name of a shipped
        recording
    :param env_kwargs: arguments of the learner's environment, compared with the recording's
    :param progress_bar: show the episodes being reenacted
    :param cache: keep the trajectories in :func:`cache_folder`, for the same file, versions of
        this package and the simulators, and ``MUJOCO_GL``
    :param rerender: render pictures as ``env_kwargs`` say, of the same states
    """
    path = find(path)
    recording = load(path)
    _check_arguments(recording, env_kwargs, rerender)
    wanted = resolved_arguments(recording.env_id, env_kwargs) if rerender else None
    if not cache:
        return reenact(recording, wanted, progress_bar, rerender)
    kept = _cache_file(path, recording, wanted)
    if kept.exists():
        try:
            return npz.read(kept)
        except ValueError:
            LOGGER.warning("%s is damaged; reenacting the recording again", kept)
    trajectories = reenact(recording, wanted, progress_bar, rerender)
    try:
        npz.write(trajectories, kept)
    except OSError as error:
        LOGGER.warning("the pictures cannot be kept in %s (%s)", kept.parent, error)
    return trajectories


def _cache_file(path: Path, recording: Recording, wanted: dict[str, Any] | None) -> Path:
    """Return where the trajectories of a recording are kept, by everything that decides them."""
    installed = simulator_versions(recording.env_id, recording.env_kwargs)
    back_end = os.environ.get("MUJOCO_GL", "")
    key = hashlib.sha256(path.read_bytes())
    rendered_by = [back_end, PICTURES, __version__, installed, wanted]
    key.update(json.dumps(rendered_by, sort_keys=True).encode())
    return cache_folder() / f"{path.stem}-{key.hexdigest()[:16]}.npz"
