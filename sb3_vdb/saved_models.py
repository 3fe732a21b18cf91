"""Policies out of files, to act with: whatever this package, SB3 and sb3-contrib write.

The class is found in the file. SB3's format is unpickled: read only files that you trust.
"""

from __future__ import annotations

import inspect
import pickle
import pkgutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch as th
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.running_mean_std import RunningMeanStd
from stable_baselines3.common.save_util import load_from_zip_file
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from sb3_vdb.adversarial.checkpoint import read_generator
from sb3_vdb.baselines import ClonedPolicy
from sb3_vdb.files import with_default_suffix
from sb3_vdb.policy_files import FiledPolicy
from sb3_vdb.pretrained import load_policy
from sb3_vdb.vmail import policies, vdac
from sb3_vdb.zip_files import read_zip

# where `algorithm` is looked for by its name alone
PACKAGES = ("stable_baselines3", "sb3_contrib", "sb3_vdb", "sb3_vdb.baselines", "sb3_vdb.trpo")
# algorithm of each module of policies; those of a user derive from one of these
ALGORITHMS: Mapping[str, str] = {
    "stable_baselines3.dqn.policies": "stable_baselines3:DQN",
    "stable_baselines3.sac.policies": "stable_baselines3:SAC",
    "stable_baselines3.td3.policies": "stable_baselines3:TD3",  # of DDPG as well
    "sb3_contrib.ars.policies": "sb3_contrib:ARS",
    "sb3_contrib.crossq.policies": "sb3_contrib:CrossQ",
    "sb3_contrib.qrdqn.policies": "sb3_contrib:QRDQN",
    "sb3_contrib.tqc.policies": "sb3_contrib:TQC",
    "sb3_contrib.common.maskable.policies": "sb3_contrib:MaskablePPO",
    "sb3_contrib.common.recurrent.policies": "sb3_contrib:RecurrentPPO",
    "sb3_vdb.vmail.policies": "sb3_vdb:VMAIL",
    "sb3_vdb.vmail.vdac": "sb3_vdb:VDAC",
}
# algorithms that share SB3's actor-critic policies, each with a setting that the next ones lack
ACTOR_CRITICS: Mapping[str, str] = {
    "kl_per_rollout": "sb3_vdb.baselines:DeepMimicPPO",
    "cg_max_steps": "sb3_contrib:TRPO",
    "clip_range": "stable_baselines3:PPO",
    "gae_lambda": "stable_baselines3:A2C",
}
FILED_POLICIES: tuple[type[FiledPolicy], ...] = (
    ClonedPolicy,
    *(policies.CnnPolicy, policies.MlpPolicy, policies.MultiInputPolicy),
    *(vdac.CnnPolicy, vdac.MlpPolicy, vdac.MultiInputPolicy),
)
# what unpickling and building raise for files of other kinds, versions or classes
FAILURES = (
    *(ValueError, TypeError, KeyError, AttributeError, RuntimeError, ImportError, EOFError),
    *(AssertionError, IndexError, pickle.UnpicklingError, zipfile.BadZipFile, OSError),
)


class NormalizedPolicy:
    """Acts on raw observations with a policy that learned from those of a VecNormalize.

    :param policy: whatever has SB3's ``predict``
    :param normalizer: with the statistics of its training
    """

    def __init__(self, policy: Any, normalizer: VecNormalize) -> None:
        self.inner_policy, self.normalizer = policy, normalizer
        self.observation_space: gym.Space[Any] = normalizer.venv.observation_space
        self.action_space: gym.Space[Any] = policy.action_space

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = False,
        action_masks: npt.NDArray[np.bool_] | None = None,
    ) -> tuple[npt.NDArray[Any], Any]:
        """Choose actions as SB3's ``predict`` does, for raw observations."""
        masks = {} if action_masks is None else {"action_masks": action_masks}
        normalized = self.normalizer.normalize_obs(observation)
        return self.inner_policy.predict(normalized, state, episode_start, deterministic, **masks)


def load_model(
    path: str | Path,
    algorithm: str | None = None,
    vec_normalize: str | Path | None = None,
    env_id: str | None = None,
    device: th.device | str = "cpu",
) -> Any:
    """Read a saved policy of any kind, to act with: a file of GAIL, VAIL, AIRL and VAIRL (the
    generator inside, with the statistics of its VecNormalize), of VMAIL and VDAC, of behavioural
    cloning, of DeepMimicPPO, of a shipped policy, of SB3 or of sb3-contrib.

    :param path: of the file; ``.zip`` is appended where there is no suffix and no such file
    :param algorithm: class that wrote it, for a file that does not say it: ``"SAC"``, or
        ``"module:Class"`` for one of your own
    :param vec_normalize: file of ``VecNormalize.save``, for a policy that learned from normalised
        observations; with it the policy acts on raw ones
    :param env_id: environment of a shipped policy (``.pt``), which gives its spaces
    :param device: of the networks
    :return: has ``predict``, ``observation_space`` and ``action_space``
    :raises FileNotFoundError: no such file
    :raises ValueError: no policy in it, or it does not fit ``algorithm`` or the statistics
    """
    path = Path(path)
    path = path if path.exists() else with_default_suffix(path, ".zip")
    model, inside = _read(path, algorithm, env_id, device)
    if vec_normalize is None:
        return model if inside is None else NormalizedPolicy(model, inside)
    return NormalizedPolicy(model, load_statistics(vec_normalize, model))


def load_statistics(path: str | Path, model: Any) -> VecNormalize:
    """Read the file of a VecNormalize for a policy. It is unpickled: read only files you trust.

    :param path: file of ``VecNormalize.save``
    :param model: has the spaces that it is for
    :raises ValueError: no such file's content, or it is for other observations
    """
    try:
        normalizer = VecNormalize.load(str(path), _spaces_of(model))
    except FileNotFoundError:
        raise
    except FAILURES as error:
        raise ValueError(
            f"{path} holds no statistics of a VecNormalize for observations of "
            f"{model.observation_space} ({_first_line(error)}); give the file that "
            "`VecNormalize.save` wrote with this model"
        ) from error
    normalizer.training = False
    return normalizer


class _Spaces(gym.Env[Any, Any]):
    """Has spaces, and nothing else."""

    def __init__(self, model: Any) -> None:
        self.observation_space, self.action_space = model.observation_space, model.action_space


def _spaces_of(model: Any) -> DummyVecEnv:
    return DummyVecEnv([lambda: _Spaces(model)])


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''}"


# ---------------------------------------------------------------------- kinds of files


def _read(
    path: Path, algorithm: str | None, env_id: str | None, device: th.device | str
) -> tuple[Any, VecNormalize | None]:
    """Read a file by what it holds.

    :return: what acts, and what normalises its observations if the file has it
    """
    names = list(read_zip(path, "give a file that `save` of an algorithm or policy wrote"))
    if "trainer.json" in names:
        return _read_trainer(path, algorithm, device)
    if "data" in names:
        return _read_sb3(path, algorithm, device), None
    if any(name.endswith("data.pkl") for name in names):
        return _read_policy(path, env_id, device), None
    raise ValueError(
        f"{path} holds no policy that this package, SB3 or sb3-contrib wrote; it holds "
        f"{', '.join(names[:5])}"
    )


def _read_trainer(
    path: Path, algorithm: str | None, device: th.device | str
) -> tuple[BaseAlgorithm, VecNormalize | None]:
    """Read the generator of GAIL, VAIL, AIRL or VAIRL."""
    generator, kind, layers = read_generator(path, device)
    if algorithm is not None and algorithm.split(":")[-1] not in (kind, type(generator).__name__):
        raise ValueError(
            f"{path} holds a {kind} with a {type(generator).__name__}, no {algorithm}; leave the "
            "algorithm out"
        )
    states = [layer for layer in layers if layer and {"obs_rms", "stacked"} & layer.keys()]
    normalizers = [state for state in states if "obs_rms" in state]
    if not normalizers:
        return generator, None
    if "stacked" in states[0]:
        raise ValueError(
            f"the policy in {path} sees frames that are stacked above a VecNormalize, which the "
            f"environments of its training did; load it with {kind}.load and such environments"
        )
    if len(normalizers) > 1:
        raise ValueError(
            f"the policy in {path} learned from observations that were normalised twice; load it "
            f"with {kind}.load and such environments"
        )
    settings = normalizers[0].get("settings", {})
    known = inspect.signature(VecNormalize).parameters
    normalizer = VecNormalize(
        _spaces_of(generator),
        **{"training": False, **{key: settings[key] for key in settings if key in known}},
    )
    vars(normalizer)["obs_rms"] = _moments(normalizers[0]["obs_rms"])
    return generator, normalizer


def _moments(state: dict[str, Any]) -> Any:
    """Rebuild running statistics, or one for each part."""
    if "mean" not in state:
        return {name: _moments(part) for name, part in state.items()}
    moments = RunningMeanStd(shape=np.shape(state["mean"]))
    vars(moments).update(state)
    return moments


def _read_policy(path: Path, env_id: str | None, device: th.device | str) -> Any:
    """Read a file of one policy: of behavioural cloning, V-MAIL, or a shipped one."""
    problems = []
    for kind in FILED_POLICIES:
        try:
            policy = kind.load(str(path), device)
        except FAILURES as error:
            problems.append(error)
            continue
        policy.set_training_mode(False)
        return policy
    if env_id is not None:
        try:
            return load_policy(path, env_id, device)
        except FAILURES as error:
            problems.append(error)
    raise ValueError(
        f"{path} holds no policy that can be read ({_first_line(problems[-1])}); give a file that "
        "`save` of an algorithm or policy wrote"
    ) from problems[-1]


def _read_sb3(path: Path, algorithm: str | None, device: th.device | str) -> BaseAlgorithm:
    """Read a file of SB3's format."""
    try:
        kind = _find_algorithm(path) if algorithm is None else named_algorithm(algorithm)
        smaller: dict[str, Any] = {}
        if issubclass(kind, OffPolicyAlgorithm):  # no memory for steps that nobody collects
            smaller = {
                "buffer_size": 1,
                "replay_buffer_class": None,
                "replay_buffer_kwargs": {},
                "optimize_memory_usage": False,
            }
        return kind.load(path, device=device, **smaller)
    except FAILURES as error:
        named = "" if algorithm is None else f" as one of {algorithm}"
        raise ValueError(
            f"{path} cannot be read{named} ({_first_line(error)}); "
            + ("name the class that wrote it" if algorithm is None else "leave the algorithm out")
        ) from error


def _find_algorithm(path: Path) -> type[BaseAlgorithm]:
    """Find the class that wrote a file of SB3's, by its policy and its settings.

    :raises ValueError: it is of an unknown one
    """
    data = load_from_zip_file(path, device="cpu")[0] or {}
    policy_class = data.get("policy_class")
    for base in getattr(policy_class, "__mro__", ()):
        if base.__module__ in ALGORITHMS:
            return _resolve(ALGORITHMS[base.__module__])
    for setting, name in ACTOR_CRITICS.items():
        if setting in data:
            return _resolve(name)
    raise ValueError(f"no algorithm is known for the policy {policy_class}")


def _resolve(name: str) -> type[BaseAlgorithm]:
    found: type[BaseAlgorithm] = pkgutil.resolve_name(name)
    return found


def named_algorithm(name: str) -> type[BaseAlgorithm]:
    """Find the class of an algorithm.

    :param name: as SB3, sb3-contrib or this package name it, or ``"module:Class"``
    :raises ValueError: there is none
    """
    for each in [name] if ":" in name else [f"{package}:{name}" for package in PACKAGES]:
        try:
            found = pkgutil.resolve_name(each)
        except (ImportError, AttributeError, ValueError):
            continue
        if isinstance(found, type) and issubclass(found, BaseAlgorithm):
            return found
    raise ValueError(
        f"{name} is no algorithm of SB3, sb3-contrib or sb3_vdb; write one of your own as "
        '"module:Class"'
    )
