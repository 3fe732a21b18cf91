"""Demonstrations as seeds, physics states and actions: tens of kB per episode, rendered when
loaded.

Ten pixel episodes take tens of MB. What is stored instead: the seed of the start, which decides
what a task chooses at random, the actions, the physics state after each of them, and the rewards.
A reenactment steps from each stored state, compares, and goes on from the stored state, so that
machines and versions that round differently do not drift apart; pictures are rendered of the
stored states.
"""

from __future__ import annotations

import inspect
import json
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.envs.registration import load_env_creator
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from sb3_vdb import array_files
from sb3_vdb.acting import Predictor, steps
from sb3_vdb.arguments import whole_number
from sb3_vdb.demonstrations import npz
from sb3_vdb.environments import registered_id, simulator_versions
from sb3_vdb.files import check_entries, parse_json, with_default_suffix, write_bytes

FORMAT, VERSION = "sb3_vdb.recording", 1
REMEDY = (
    "record or copy it again (sb3-vdb record-demos makes recordings, Demonstrations.load reads "
    "demonstrations)"
)
HEADER = {"env_id": str, "env_kwargs": dict, "versions": dict, "seeds": list, "terminals": list}
FIELDS = ("actions", "rewards", "states")  # rows of all episodes
SHIPPED = Path(__file__).parent / "recordings"  # one file a task, made by `reproduce experts`


class RecordedEpisode(NamedTuple):
    """What is needed to make one episode again."""

    seed: int  # of the environment's reset
    actions: npt.NDArray[Any]  # executed, shape (steps, ...)
    rewards: npt.NDArray[np.float64]  # shape (steps,)
    states: npt.NDArray[np.float64]  # physics after each step, shape (steps, size); size 0 if none
    terminal: bool


class Recording(NamedTuple):
    """Recorded episodes of one environment."""

    env_id: str
    env_kwargs: dict[str, Any]  # all of them, defaults included
    versions: dict[str, str]  # of the simulators it uses
    episodes: tuple[RecordedEpisode, ...]

    @property
    def returns(self) -> npt.NDArray[np.float64]:
        """Task returns, shape (episodes,)."""
        return np.array([episode.rewards.sum() for episode in self.episodes])


def resolved_arguments(env_id: str, env_kwargs: dict[str, Any] | None) -> dict[str, Any]:
    """Return all arguments that decide what an environment does, defaults included; those of
    pictures for people are left out.

    :param env_id: a registered id
    :param env_kwargs: arguments beside the id's own
    :raises ValueError: the environment has no such argument
    """
    spec = gym.spec(env_id)
    creator = load_env_creator(spec.entry_point) if isinstance(spec.entry_point, str) else None
    known = {} if creator is None else inspect.signature(creator).parameters
    defaults = {
        name: parameter.default
        for name, parameter in known.items()
        if parameter.default is not parameter.empty
    }
    given = {**spec.kwargs, **(env_kwargs or {})}
    unknown = set(given) - set(known) - {"max_episode_steps"}
    if known and unknown:
        raise ValueError(
            f"{env_id} has no argument {', '.join(sorted(unknown))}; it has {', '.join(known)}"
        )
    arguments = {**defaults, **given}
    return {name: value for name, value in arguments.items() if not name.startswith("render_")}


def record(
    actor: Predictor,
    env_id: str,
    n_episodes: int,
    seed: int = 0,
    env_kwargs: dict[str, Any] | None = None,
    acting_env: gym.Env[Any, Any] | None = None,
    deterministic: bool = True,
    least_return: float | None = None,
) -> Recording:
    """Play whole episodes and keep what is needed to make them again.

    :param actor: whatever has SB3's ``predict``
    :param env_id: environment that the demonstrations are for
    :param n_episodes: how many to keep
    :param seed: of the first episode; the others take the following ones
    :param env_kwargs: arguments of the environment
    :param acting_env: environment with the same physics that the actor observes, for example the
        state environment of a pixel id; None for the environment itself
    :param deterministic: whether the actor acts without noise
    :param least_return: episodes below it are not kept
    :raises ValueError: ``n_episodes`` is not positive, ``seed`` is none, actions last longer in one
        environment than in the other, or most episodes stay below ``least_return``
    """
    if n_episodes < 1:
        raise ValueError(f"`n_episodes` must be at least 1, got {n_episodes}")
    seed = whole_number("seed", seed, 0)
    env_id = registered_id(env_id)
    kwargs = resolved_arguments(env_id, env_kwargs)
    acts_for = getattr(getattr(acting_env, "unwrapped", None), "action_repeat", None)
    if acts_for is not None and acts_for != kwargs.get("action_repeat", acts_for):
        raise ValueError(
            f"an action lasts {acts_for} frames in `acting_env` and {kwargs['action_repeat']} in "
            f'{env_id}; give env_kwargs={{"action_repeat": {acts_for}}}, or another `acting_env`'
        )
    env = _StateKeeper(gym.make(env_id, **kwargs) if acting_env is None else acting_env)
    venv = DummyVecEnv([lambda: env])
    episodes: list[RecordedEpisode] = []
    try:
        for attempt in range(3 * n_episodes):
            episode = _play(actor, venv, env, seed + attempt, deterministic)
            if least_return is None or episode.rewards.sum() >= least_return:
                episodes.append(episode)
            if len(episodes) == n_episodes:
                versions = simulator_versions(env_id, kwargs)
                return Recording(env_id, kwargs, versions, tuple(episodes))
    finally:
        if acting_env is None:  # who made the other one closes it
            venv.close()
    raise ValueError(
        f"only {len(episodes)} of {3 * n_episodes} episodes reach `least_return` {least_return}; "
        "lower it or record a better policy"
    )


class _StateKeeper(gym.Wrapper[Any, Any, Any, Any]):
    """Gives the environment the actions that its space holds, and keeps these, the rewards and the
    physics states after them, before a vector environment starts the next episode.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        self.forget()

    def forget(self) -> None:
        """Begin a new episode."""
        self.actions: list[npt.NDArray[Any]] = []
        self.rewards: list[float] = []
        self.states: list[npt.NDArray[np.float64]] = []

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step, and keep what happened."""
        executed = np.asarray(action, dtype=self.env.action_space.dtype)
        if isinstance(self.env.action_space, gym.spaces.Box):
            executed = np.clip(executed, self.env.action_space.low, self.env.action_space.high)
        result = self.env.step(executed)
        self.actions.append(executed)
        self.rewards.append(float(result[1]))
        self.states.append(physics_state(self.env))
        return result


def _play(
    policy: Predictor, venv: VecEnv, env: _StateKeeper, seed: int, deterministic: bool
) -> RecordedEpisode:
    """Play one episode.

    :param venv: ``env`` alone
    """
    env.forget()
    venv.seed(seed)
    with closing(steps(policy, venv, deterministic)) as played:
        last = next(step for step in played if step.dones[0])
    arrays = np.stack(env.actions), np.array(env.rewards), np.stack(env.states)
    return RecordedEpisode(seed, *arrays, last.is_terminal(0))


def physics_state(env: gym.Env[Any, Any]) -> npt.NDArray[np.float64]:
    """Return the physics state of an environment, empty where it shows none."""
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
    for name in FIELDS:
        fields[name] = np.concatenate([getattr(each, name) for each in recording.episodes])
    write_bytes(path, array_files.to_bytes(fields))
    return path


def shipped() -> tuple[str, ...]:
    """List the recordings that come with the package, for example ``WalkerWalk``."""
    return tuple(sorted(path.stem for path in SHIPPED.glob("*.npz")))


def find(path: str | Path) -> Path:
    """Find the file of a path, or of the name of a shipped recording.

    :raises FileNotFoundError: neither
    """
    given = with_default_suffix(path, ".npz")
    if given.exists():
        return given
    if str(path) in shipped():
        return SHIPPED / given.name
    raise FileNotFoundError(
        f"there is no recording {given}; with the package come {', '.join(shipped())}"
    )


def load(path: str | Path) -> Recording:
    """Read what :func:`save` wrote.

    :param path: of the file, or the name of a shipped recording
    :raises FileNotFoundError: there is no such file
    :raises DamagedFileError: truncated, changed, of another format, or of a later version
    """
    path = find(path)
    with npz.open_ours(path.read_bytes(), str(path), (FORMAT, VERSION), REMEDY) as arrays:
        header = parse_json(arrays.text("header"), dict, str(path), REMEDY)
        check_entries(header, HEADER, str(path), REMEDY)
        lengths = arrays.counts("lengths")
        if not len(lengths) == len(header["seeds"]) == len(header["terminals"]):
            raise arrays.damaged("its lists of episodes have several lengths")
        for name in FIELDS:
            arrays.check_rows(name, int(lengths.sum()))
        fields = [np.split(arrays.read(name), np.cumsum(lengths)[:-1]) for name in FIELDS]
    parts = zip(header["seeds"], *fields, header["terminals"], strict=True)
    return Recording(
        header["env_id"],
        header["env_kwargs"],
        header["versions"],
        tuple(RecordedEpisode(*part) for part in parts),
    )
