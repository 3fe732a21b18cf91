"""What lies outside the networks and still decides how a run goes on: environments and random
generators.

States are nested dictionaries and lists of arrays and plain values; :func:`to_tensors` and
:func:`to_arrays` take them to and from the form that ``torch.load(weights_only=True)`` reads. The
layout of arrays in memory is kept: the last bit of a sum depends on it.
"""

from __future__ import annotations

import copy
import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch as th
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import (
    VecEnv,
    VecEnvWrapper,
    VecFrameStack,
    VecMonitor,
    VecNormalize,
)

from sb3_vdb.reward_vec_env import RewardVecEnv
from sb3_vdb.vec_env import wrappers


def to_tensors(state: Any) -> Any:
    """Give the same state with arrays as tensors and numpy scalars as Python numbers."""
    if isinstance(state, dict):
        return {key: to_tensors(value) for key, value in state.items()}
    if isinstance(state, (list, tuple)):
        return [to_tensors(value) for value in state]
    if isinstance(state, np.ndarray):
        return th.from_numpy(state.copy(order="K"))
    return state.item() if isinstance(state, np.generic) else state


def to_arrays(state: Any) -> Any:
    """Undo :func:`to_tensors`."""
    if isinstance(state, dict):
        return {key: to_arrays(value) for key, value in state.items()}
    if isinstance(state, list):
        return [to_arrays(value) for value in state]
    return state.numpy().copy(order="K") if isinstance(state, th.Tensor) else state


# ---------------------------------------------------------------------- random generators


def get_random_state() -> dict[str, Any]:
    """Give the states of the global generators of torch, numpy and Python."""
    legacy: Any = np.random.get_state()
    state: dict[str, Any] = {
        "torch": th.get_rng_state().numpy(),
        "numpy": [legacy[0], np.asarray(legacy[1]).astype(np.int64), *legacy[2:]],
        "python": [random.getstate()[0], list(random.getstate()[1]), random.getstate()[2]],
    }
    if th.cuda.is_available():
        state["cuda"] = [each.numpy() for each in th.cuda.get_rng_state_all()]
    return state


def set_random_state(state: dict[str, Any]) -> None:
    """Restore what :func:`get_random_state` returned."""
    th.set_rng_state(th.from_numpy(state["torch"]))
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, keys.astype(np.uint32), *rest))
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    if "cuda" in state and th.cuda.is_available():
        th.cuda.set_rng_state_all([th.from_numpy(each) for each in state["cuda"]])


@contextmanager
def random_state_kept(device: th.device) -> Iterator[None]:
    """Open a block after which torch's random numbers go on as if it had used none.

    :param device: whose generator it uses, beside the CPU's
    """
    with th.random.fork_rng([device] if device.type == "cuda" else []):
        yield


# ---------------------------------------------------------------------- environments


def get_env_state(venv: VecEnv) -> list[dict[str, Any] | None]:
    """Give the state of every layer of a stack of environments, outermost first.

    A layer that cannot say in what state it is gives None, with a warning where that is unexpected:
    the innermost one, if it is not a vector environment with ``get_state`` and ``set_state``, or
    one whose state no file can hold. A run then goes on with new episodes.
    """
    return [_state_or_none(layer) for layer in wrappers(venv)]


def _state_or_none(layer: Any) -> dict[str, Any] | None:
    """Return the state of a layer, or None where it has none or one that no file can hold, so that
    the rest of a run can be saved in any case.
    """
    try:
        state = _get_layer_state(layer)
        _check_is_plain(state)
    except Exception as error:  # other people's environments may fail in any way
        warnings.warn(
            f"the state of {type(layer).__name__} cannot be saved ({type(error).__name__}: "
            f"{error}); a run that is loaded begins new episodes",
            stacklevel=4,
        )
        return None
    return state


def _check_is_plain(state: Any) -> None:
    """Refuse what :func:`to_tensors` leaves as it is and no file can hold.

    :raises TypeError: naming its type
    """
    if isinstance(state, dict):
        for key, value in state.items():
            _check_is_plain(key)
            _check_is_plain(value)
    elif isinstance(state, (list, tuple)):
        for value in state:
            _check_is_plain(value)
    elif isinstance(state, np.ndarray):
        if state.dtype.kind not in "biufc":
            raise TypeError(f"an array of {state.dtype}")
    elif not isinstance(state, (bool, int, float, str, bytes, type(None), np.generic, th.Tensor)):
        raise TypeError(f"a {type(state).__name__}")


def _get_layer_state(layer: Any) -> dict[str, Any] | None:
    if isinstance(layer, RewardVecEnv):
        return layer.get_state()
    if isinstance(layer, VecMonitor):
        return {
            name: getattr(layer, name)
            for name in ("episode_returns", "episode_lengths", "episode_count")
        }
    if isinstance(layer, VecNormalize):
        moments = {
            name: _get_moments(getattr(layer, name))
            for name in ("obs_rms", "ret_rms")
            if hasattr(layer, name)
        }
        return {
            **moments,
            "returns": layer.returns,
            "old_obs": layer.old_obs,
            "old_reward": layer.old_reward,
            "settings": _settings(layer, REWARD_SETTINGS),
        }
    if isinstance(layer, VecFrameStack):
        return {"stacked": _get_stacks(layer.stacked_obs)}
    if isinstance(layer, VecEnvWrapper):
        return {}
    base = _stateful(layer)
    return None if base is None else base.get_state()


def _get_moments(moments: Any) -> dict[str, Any]:
    """Give the numbers of running statistics, or of one for each part."""
    if isinstance(moments, dict):
        return {name: _get_moments(part) for name, part in moments.items()}
    return vars(moments)


def _set_moments(moments: Any, state: dict[str, Any]) -> None:
    if not isinstance(moments, dict):
        vars(moments).update(state)
        return
    for name, part in moments.items():
        _set_moments(part, state[name])


def _get_stacks(stacks: Any) -> Any:
    """Give the observations that a frame stack holds, or one such array per part."""
    parts = getattr(stacks, "sub_stacked_observations", None)
    if parts is None:
        return stacks.stacked_obs
    return {name: _get_stacks(part) for name, part in parts.items()}


def _set_stacks(stacks: Any, state: Any) -> None:
    if not isinstance(state, dict):
        stacks.stacked_obs = state
        return
    for name, part in state.items():
        _set_stacks(stacks.sub_stacked_observations[name], part)


def _stateful(layer: Any) -> Any:
    """Find the vector environment behind an innermost layer, if it can say in what state it is."""
    env = getattr(layer, "env", None)
    env = getattr(env, "unwrapped", env)
    return env if hasattr(env, "get_state") else None


def set_env_state(
    venv: VecEnv, states: list[dict[str, Any] | None], same_number: bool = True
) -> bool:
    """Restore what :func:`get_env_state` returned, in a stack that does the same to observations
    and rewards. Monitors and other layers that leave these alone may differ.

    :param venv: environments to go on in
    :param states: the run's
    :param same_number: whether they are as many as the run's; else only the moments of a
        ``VecNormalize`` are restored
    :return: whether episodes go on; else the environments have to be reset
    :raises ValueError: the stack normalises or stacks otherwise
    """
    stack = wrappers(venv)
    _check_layers(stack, states)
    for kind, mark in LAYERS.items():
        layers = [layer for layer in stack if isinstance(layer, kind)]
        saved = [state for state in states[:-1] if state is not None and mark in state]
        for layer, state in zip(layers, saved, strict=False):
            _set_layer_state(layer, state, same_number)
    base = _stateful(stack[-1])
    if not same_number or None in states or base is None:
        return False
    base.set_state(states[-1])
    # seeds that wait for the next reset belong to a new run
    vars(stack[-1])["_seeds"] = [None] * venv.num_envs
    return True


def _set_layer_state(layer: Any, state: dict[str, Any], same_number: bool) -> None:
    if isinstance(layer, VecNormalize):
        for name in MOMENTS:
            if name in state:
                _set_moments(getattr(layer, name), state[name])
    if not same_number:
        return
    if isinstance(layer, RewardVecEnv):
        layer.set_state(state)
    elif isinstance(layer, VecMonitor):
        vars(layer).update(state)
    elif isinstance(layer, VecNormalize):
        for name in ("returns", "old_obs", "old_reward"):
            setattr(layer, name, state[name])
    elif isinstance(layer, VecFrameStack):
        _set_stacks(layer.stacked_obs, state["stacked"])


# ---------------------------------------------------------------------- what a stack does

# kinds of layers that have a state, and an entry that only the state of this kind has
LAYERS: dict[type, str] = {
    RewardVecEnv: "learned_returns",
    VecMonitor: "episode_returns",
    VecNormalize: "old_obs",
    VecFrameStack: "stacked",
}
CHANGING = (VecNormalize, VecFrameStack)  # observations or rewards
MOMENTS = ("obs_rms", "ret_rms")
OBSERVATION_SETTINGS = ("norm_obs", "norm_obs_keys", "clip_obs", "epsilon")
REWARD_SETTINGS = (*OBSERVATION_SETTINGS, "norm_reward", "clip_reward", "gamma")


def _check_layers(stack: list[VecEnv], states: list[dict[str, Any] | None]) -> None:
    """Refuse a stack that does something else to observations or rewards than the saved one.

    :raises ValueError: naming what differs
    """
    kinds = [(kind, layer) for layer in stack for kind in CHANGING if isinstance(layer, kind)]
    saved = [(kind, each) for each in states for kind in CHANGING if each and LAYERS[kind] in each]
    ours, theirs = ([kind.__name__ for kind, _ in each] for each in (kinds, saved))
    if ours != theirs:
        raise ValueError(
            f"`venv` has the layers {' over '.join(ours) or 'of no VecNormalize'}, the run's had "
            f"{' over '.join(theirs) or 'none'}; wrap it as it was in training"
        )
    for (_, layer), (_, state) in zip(kinds, saved, strict=True):
        if isinstance(layer, VecNormalize):
            _check_settings(_settings(layer, REWARD_SETTINGS), state.get("settings", {}))


def check_normalises_alike(training: VecEnv, venv: VecEnv, rewards: bool) -> None:
    """Refuse environments that are normalised otherwise than those of the training.

    :param training: environments of the training
    :param venv: others
    :param rewards: whether what is done to rewards counts as well
    :raises ValueError: naming what differs
    """
    ours, theirs = _normalizers(training), _normalizers(venv)
    if len(ours) != len(theirs):
        raise ValueError(
            f"`venv` must {'' if ours else 'not '}be a VecNormalize, since the training "
            f"environments are {'one' if ours else 'none'}"
        )
    names = REWARD_SETTINGS if rewards else OBSERVATION_SETTINGS
    for saved, layer in zip(ours, theirs, strict=True):
        _check_settings(_settings(layer, names), _settings(saved, names))


def share_statistics(training: VecEnv, venv: VecEnv) -> None:
    """Give environments a copy of the statistics that those of the training are normalised by.

    :param training: environments of the training
    :param venv: others, for which :func:`check_normalises_alike` held
    """
    for ours, theirs in zip(_normalizers(training), _normalizers(venv), strict=True):
        for name in MOMENTS:
            if name in vars(ours):
                vars(theirs)[name] = copy.deepcopy(vars(ours)[name])


def _normalizers(venv: VecEnv) -> list[VecNormalize]:
    return [layer for layer in wrappers(venv) if isinstance(layer, VecNormalize)]


def _settings(layer: VecNormalize, names: tuple[str, ...]) -> dict[str, Any]:
    values = {name: getattr(layer, name) for name in names}
    if not layer.norm_obs:
        values.update(clip_obs=None, norm_obs_keys=None)  # unused then
    if not values.get("norm_reward", True):
        values.update(clip_reward=None, gamma=None)
    return values


def _check_settings(ours: dict[str, Any], trained_with: dict[str, Any]) -> None:
    """Refuse a ``VecNormalize`` with other settings than that of the training.

    :raises ValueError: naming the setting, its value and the training's
    """
    for name, value in trained_with.items():
        if ours[name] != value:
            raise ValueError(
                f"`venv` is a VecNormalize with {name}={ours[name]}, that of the training had "
                f"{name}={value}; make it with the training's settings"
            )


# ---------------------------------------------------------------------- recurrent policies


def get_memory(gen_algo: BaseAlgorithm) -> list[list[npt.NDArray[Any]]] | None:
    """Give what a recurrent policy remembers of the episodes that go on (RecurrentPPO keeps it out
    of its own file); None for a policy without memory.
    """
    states = vars(gen_algo).get("_last_lstm_states")
    if states is None:
        return None
    return [[part.cpu().numpy() for part in each] for each in states]


def set_memory(gen_algo: BaseAlgorithm, memory: list[list[npt.NDArray[Any]]]) -> None:
    """Restore what :func:`get_memory` returned, for as many environments."""
    kind = type(vars(gen_algo)["_last_lstm_states"])
    device = gen_algo.device
    parts = (tuple(th.as_tensor(part, device=device) for part in each) for each in memory)
    vars(gen_algo)["_last_lstm_states"] = kind(*parts)
