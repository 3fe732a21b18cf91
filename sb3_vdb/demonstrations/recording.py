"""Demonstrations as seeds and actions: a few kB an episode, played again when they are loaded.

Pixels of ten episodes take tens of MB; the actions and the environment's seed make them again, bit
for bit. Rewards and some physics states are stored to verify that they did.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from tqdm.auto import tqdm

from sb3_vdb.demonstrations import npz
from sb3_vdb.demonstrations.demonstrations import Demonstrations
from sb3_vdb.demonstrations.trajectory import Trajectory
from sb3_vdb.files import with_default_suffix, write_bytes

FORMAT, VERSION = "sb3_vdb.recording", 1
SIMULATORS = ("dm_control", "mujoco", "pybullet")  # whose versions may change what is played
CHECK_EVERY = 50  # steps between two physics states that are stored
# A version may round differently; physics of hundreds of steps turn that into about this much
REWARD_TOLERANCE, STATE_TOLERANCE = 1e-4, 1e-3
CACHE_VARIABLE = "SB3_VDB_CACHE"  # folder of played recordings
LOGGER = logging.getLogger(__name__)


class Actor(Protocol):
    """Whatever has SB3's ``predict``."""

    def predict(  # noqa: D102
        self,
        observation: npt.NDArray[Any],
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = False,
    ) -> tuple[npt.NDArray[Any], Any]: ...


class RecordedEpisode(NamedTuple):
    """What makes one episode again."""

    seed: int  # of the environment's reset
    actions: npt.NDArray[np.float32]  # executed, shape (steps, ...)
    rewards: npt.NDArray[np.float64]  # shape (steps,)
    states: npt.NDArray[np.float64]  # physics after every 50th step, shape (steps // 50, size)
    terminal: bool


class Recording(NamedTuple):
    """Episodes of one environment."""

    env_id: str
    env_kwargs: dict[str, Any]
    versions: dict[str, str]  # of simulators
    episodes: tuple[RecordedEpisode, ...]

    @property
    def returns(self) -> npt.NDArray[np.float64]:
        """Task returns, shape (episodes,)."""
        return np.array([episode.rewards.sum() for episode in self.episodes])


def simulator_versions() -> dict[str, str]:
    """Versions of the installed simulators."""
    found = {}
    for name in SIMULATORS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def record(
    actor: Actor,
    env_id: str,
    n_episodes: int,
    seed: int = 0,
    env_kwargs: dict[str, Any] | None = None,
    acting_env: gym.Env[Any, Any] | None = None,
    deterministic: bool = True,
    least_return: float | None = None,
) -> Recording:
    """Play whole episodes and keep what makes them again.

    :param actor: whatever has SB3's ``predict``
    :param env_id: environment that the demonstrations are for
    :param n_episodes: how many to keep
    :param seed: of the first episode; the others take the following ones
    :param env_kwargs: arguments of the environment
    :param acting_env: environment with the same physics that the actor observes, for example the
        state environment of a pixel id; None for the environment itself
    :param deterministic: whether the actor acts without noise
    :param least_return: episodes below it are not kept
    :raises ValueError: ``n_episodes`` is not positive, or most episodes stay below ``least_return``
    """
    if n_episodes < 1:
        raise ValueError(f"`n_episodes` must be at least 1, got {n_episodes}")
    kwargs = dict(env_kwargs or {})
    env = gym.make(env_id, **kwargs) if acting_env is None else acting_env
    episodes: list[RecordedEpisode] = []
    for attempt in range(3 * n_episodes):
        episode = _play(actor, env, seed + attempt, deterministic)
        if least_return is None or episode.rewards.sum() >= least_return:
            episodes.append(episode)
        if len(episodes) == n_episodes:
            env.close()
            return Recording(env_id, kwargs, simulator_versions(), tuple(episodes))
    env.close()
    raise ValueError(
        f"only {len(episodes)} of {3 * n_episodes} episodes reach `least_return` {least_return}; "
        "lower it or record a better policy"
    )


def _play(actor: Actor, env: gym.Env[Any, Any], seed: int, deterministic: bool) -> RecordedEpisode:
    observation, _ = env.reset(seed=seed)
    actions, rewards, states = [], [], []
    terminated = truncated = False
    while not (terminated or truncated):
        action, _ = actor.predict(observation, deterministic=deterministic)
        action = np.asarray(action, dtype=np.float32)
        observation, reward, terminated, truncated, _ = env.step(action)
        actions.append(action)
        rewards.append(float(reward))
        if len(actions) % CHECK_EVERY == 0:
            states.append(_physics(env))
    stored = np.array(states) if states else np.zeros((0, len(_physics(env))))
    return RecordedEpisode(seed, np.stack(actions), np.array(rewards), stored, terminated)


def _physics(env: gym.Env[Any, Any]) -> npt.NDArray[np.float64]:
    """Physics state where an environment shows one."""
    physics = getattr(env.unwrapped, "physics", None)
    if physics is None:
        return np.zeros(0)
    return np.asarray(physics.get_state(), dtype=np.float64)


def save(recording: Recording, path: str | Path) -> Path:
    """Write a recording, without pickle and atomically.

    :return: the path, with its suffix
    """
    path = with_default_suffix(path, ".npz")
    header = {
        "env_id": recording.env_id,
        "env_kwargs": recording.env_kwargs,
        "versions": recording.versions,
        "seeds": [episode.seed for episode in recording.episodes],
        "terminals": [bool(episode.terminal) for episode in recording.episodes],
    }
    fields: dict[str, npt.NDArray[Any]] = {
        "format": np.array(FORMAT),
        "version": np.array(VERSION),
        "header": np.array(json.dumps(header)),
        "lengths": np.array([len(episode.actions) for episode in recording.episodes]),
    }
    for name in ("actions", "rewards", "states"):
        fields[name] = np.concatenate([getattr(each, name) for each in recording.episodes])
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **fields)  # type: ignore[arg-type]
    write_bytes(path, buffer.getvalue())
    return path


def load(path: str | Path) -> Recording:
    """Read what :func:`save` wrote.

    :raises ValueError: truncated, of another format, or of a later version
    """
    path = with_default_suffix(path, ".npz")
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as archive:
            fields = {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise
    except npz.READING_ERRORS as error:
        raise ValueError(f"{path} is truncated or no recording; record or copy it again") from error
    if str(fields.get("format", "")) != FORMAT:
        raise ValueError(
            f"{path} is no recording of sb3_vdb; sb3-vdb record-demos makes one "
            "(Demonstrations.load reads demonstrations)"
        )
    if int(fields["version"]) > VERSION:
        raise ValueError(
            f"{path} has format version {int(fields['version'])}, this sb3_vdb reads {VERSION}; "
            "upgrade it"
        )
    header, lengths = json.loads(str(fields["header"])), fields["lengths"]
    steps, checks = np.cumsum(lengths)[:-1], np.cumsum(lengths // CHECK_EVERY)[:-1]
    parts = zip(
        header["seeds"],
        np.split(fields["actions"], steps),
        np.split(fields["rewards"], steps),
        np.split(fields["states"], checks),
        header["terminals"],
        strict=True,
    )
    return Recording(
        header["env_id"],
        header["env_kwargs"],
        header["versions"],
        tuple(RecordedEpisode(*part) for part in parts),
    )


def replay(
    recording: Recording,
    env_kwargs: dict[str, Any] | None = None,
    progress_bar: bool = False,
) -> Demonstrations:
    """Play a recording again and keep what is observed.

    :param recording: what to play
    :param env_kwargs: arguments that the environment of the learner has; they must be those of the
        recording (image size, action repeat, preset, ...)
    :param progress_bar: show the episodes
    :raises ValueError: other arguments, or the replay departs from the recording
    """
    _check_arguments(recording, env_kwargs)
    installed = simulator_versions()
    changed = {
        name: (recorded, installed.get(name))
        for name, recorded in recording.versions.items()
        if installed.get(name) != recorded
    }
    if changed:
        LOGGER.warning(
            "the recording was made with %s; verifying that it plays the same here",
            ", ".join(f"{name} {old} (here {new})" for name, (old, new) in changed.items()),
        )
    env = gym.make(recording.env_id, **recording.env_kwargs)
    episodes: Iterable[RecordedEpisode] = recording.episodes
    if progress_bar:
        episodes = tqdm(episodes, desc=f"playing {recording.env_id}", unit="episode")
    try:
        return Demonstrations(
            [_replay_episode(env, episode, changed, i) for i, episode in enumerate(episodes)]
        )
    finally:
        env.close()


def _check_arguments(recording: Recording, env_kwargs: dict[str, Any] | None) -> None:
    """Compare the learner's environment with the recording's, defaults filled in."""
    if env_kwargs is None:
        return
    spec = gym.spec(recording.env_id)
    env = gym.make(recording.env_id, **recording.env_kwargs)
    for name, wanted in {**spec.kwargs, **env_kwargs}.items():
        found = recording.env_kwargs.get(name, getattr(env.unwrapped, name, wanted))
        if name in spec.kwargs or found == wanted:
            continue
        env.close()
        raise ValueError(
            f"the recording has `{name}` {found!r}, the environment {wanted!r}; make the "
            f"environment with {name}={found!r} or record demonstrations with {name}={wanted!r}"
        )
    env.close()


def _replay_episode(
    env: gym.Env[Any, Any], episode: RecordedEpisode, changed: dict[str, Any], number: int
) -> Trajectory:
    observation, _ = env.reset(seed=episode.seed)
    observations = [np.asarray(observation)]
    for step, action in enumerate(episode.actions, start=1):
        observation, reward, terminated, truncated, _ = env.step(action)
        observations.append(np.asarray(observation))
        _verify(env, episode, step, float(reward), changed, number)
        if (terminated or truncated) != (step == len(episode.actions)):
            raise ValueError(
                f"episode {number} ends at step {step} here, and after {len(episode.actions)} in "
                f"the recording; {_remedy(changed)}"
            )
    return Trajectory(
        np.stack(observations),
        episode.actions,
        episode.rewards.astype(np.float32),
        episode.terminal,
    )


def _verify(
    env: gym.Env[Any, Any],
    episode: RecordedEpisode,
    step: int,
    reward: float,
    changed: dict[str, Any],
    number: int,
) -> None:
    """Compare a step of the replay with the recording.

    :raises ValueError: they differ; without a change of versions they must not differ at all
    """
    reward_tolerance = REWARD_TOLERANCE if changed else 0.0
    if abs(reward - episode.rewards[step - 1]) > reward_tolerance:
        raise ValueError(
            f"episode {number}, step {step}: the reward is {reward:.6f} here and "
            f"{episode.rewards[step - 1]:.6f} in the recording; {_remedy(changed)}"
        )
    if step % CHECK_EVERY or not episode.states.shape[1]:
        return
    departure = np.abs(_physics(env) - episode.states[step // CHECK_EVERY - 1]).max()
    if departure > (STATE_TOLERANCE if changed else 0.0):
        raise ValueError(
            f"episode {number}, step {step}: the physics state differs by {departure:.2g} from the "
            f"recording; {_remedy(changed)}"
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
) -> Demonstrations:
    """Demonstrations of a recording, played at the first time and read from disk afterwards.

    :param path: file of :func:`save`
    :param env_kwargs: arguments of the learner's environment, compared with the recording's
    :param progress_bar: show the episodes being played
    :param cache: keep what was played in :func:`cache_folder`; the file's content, the versions and
        the OpenGL library decide whether it is the same
    """
    path = with_default_suffix(path, ".npz")
    recording = load(path)
    _check_arguments(recording, env_kwargs)
    if not cache:
        return replay(recording, None, progress_bar)
    key = hashlib.sha256(path.read_bytes())
    key.update(json.dumps([simulator_versions(), os.environ.get("MUJOCO_GL", "")]).encode())
    kept = cache_folder() / f"{path.stem}-{key.hexdigest()[:16]}.npz"
    if kept.exists():
        return Demonstrations.load(kept)
    demonstrations = replay(recording, None, progress_bar)
    demonstrations.save(kept)
    return demonstrations
