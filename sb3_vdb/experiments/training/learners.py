"""What learns, made from the name of a method, an environment and demonstrations."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.preprocessing import is_image_space
from stable_baselines3.common.vec_env import VecEnv

from sb3_vdb.adversarial.log import log_to
from sb3_vdb.adversarial.trainer import AdversarialTrainer
from sb3_vdb.baselines import BehaviouralCloning, SQILDictReplayBuffer, SQILReplayBuffer
from sb3_vdb.demonstrations import Demonstrations
from sb3_vdb.extractors import ShiftedCNN, ShiftedCombinedExtractor
from sb3_vdb.methods import Method
from sb3_vdb.networks import ConvTrunk
from sb3_vdb.saved_models import named_algorithm
from sb3_vdb.views import Join, Picture, Vector, View

Learner = AdversarialTrainer | BehaviouralCloning | BaseAlgorithm
# what other options say
FIXED = (
    *("demonstrations", "venv", "gen_algo", "env", "policy", "seed", "device", "log_dir"),
    *("replay_buffer_class", "replay_buffer_kwargs", "_init_setup_model"),
)
SHIFT = 4  # pixels, for methods that shift pictures
ROUND = 2048  # environment steps in a rollout of an on-policy generator, unless `n_steps` is set


def make_learner(
    method: Method,
    algorithm: str | None,
    venv: VecEnv,
    demonstrations: Demonstrations,
    seed: int,
    arguments: Mapping[str, Any],
    algorithm_arguments: Mapping[str, Any],
    log_dir: Path | None = None,
    parts: Sequence[str] = (),
) -> Learner:
    """Make what learns, untrained.

    :param method: which one
    :param algorithm: ``"SAC"`` or ``"module:Class"``; None for the method's own
    :param venv: environments to learn in
    :param demonstrations: the expert's
    :param seed: of everything
    :param arguments: of the method, in place of its own
    :param algorithm_arguments: of the algorithm, in place of SB3's defaults
    :param log_dir: folder for csv and TensorBoard files; None for none
    :param parts: of Dict observations, that the discriminator sees; all by default
    :raises ValueError: an argument is unknown or does not fit
    """
    kind, given = method.kind, {**method.arguments, **arguments}
    _check_names(kind, given)
    if kind is BehaviouralCloning:
        _refuse_algorithm(algorithm, algorithm_arguments)
        return BehaviouralCloning(venv, demonstrations, seed=seed, device="cpu", **given)
    assert method.algorithm is not None
    made: type[BaseAlgorithm] = named_algorithm(algorithm or method.algorithm)
    chosen = {**_defaults(made, venv.num_envs), **algorithm_arguments}
    _check_names(made, chosen, "algo.")
    common: dict[str, Any] = {"seed": seed, "device": "cpu", **chosen}
    if method.shifts_pictures and has_pictures(venv):
        common["policy_kwargs"] = {**_shifted(venv), **common.get("policy_kwargs", {})}
    if kind is SQILReplayBuffer:
        has_parts = isinstance(venv.observation_space, spaces.Dict)
        common["replay_buffer_class"] = SQILDictReplayBuffer if has_parts else SQILReplayBuffer
        common["replay_buffer_kwargs"] = {"demonstrations": demonstrations, **given}
        model = made(policy_of(venv), venv, **common)
        if log_dir is not None:
            log_to(model, str(log_dir), verbose=0, suffix="")
        return model
    seen = _seen(method, venv, parts) | dict(given.pop("discriminator_kwargs", {}))
    generator = made(policy_of(venv), venv, **common)
    named = {"seed": seed, "device": "cpu", "log_dir": log_dir}
    if seen:
        given["discriminator_kwargs"] = seen
    trainer: AdversarialTrainer = kind(demonstrations, venv, generator, **{**named, **given})
    return trainer


def has_pictures(venv: VecEnv) -> bool:
    """Say whether an observation is a picture, or has one among its parts."""
    space = venv.observation_space
    parts = space.spaces.values() if isinstance(space, spaces.Dict) else [space]
    return any(is_image_space(part) for part in parts)


def _seen(method: Method, venv: VecEnv, parts: Sequence[str]) -> dict[str, Any]:
    """Say what a discriminator sees, and by which networks, beside a method's own.

    :raises ValueError: a part is not there
    """
    space, chosen = venv.observation_space, dict(method.arguments.get("discriminator_kwargs", {}))
    if has_pictures(venv):
        chosen["trunk_class"] = ConvTrunk
        if method.shifts_pictures:
            chosen["trunk_kwargs"] = {"shift": SHIFT}
    if not isinstance(space, spaces.Dict):
        if parts:
            raise ValueError(f"there are no parts {', '.join(parts)}: observations are {space}")
        return chosen
    unknown = [name for name in parts if name not in space.spaces]
    if unknown:
        raise ValueError(f"there is no part {unknown[0]!r}; there are {', '.join(space.spaces)}")
    views = tuple(
        Picture(name) if is_image_space(space[name]) else Vector(name)
        for name in parts or space.spaces
    )
    return {**chosen, "view": View(views[0] if len(views) == 1 else Join(views))}


def _shifted(venv: VecEnv) -> dict[str, Any]:
    """Name the extractor that shifts pictures at random while the policy learns."""
    has_parts = isinstance(venv.observation_space, spaces.Dict)
    return {"features_extractor_class": ShiftedCombinedExtractor if has_parts else ShiftedCNN}


def policy_of(venv: VecEnv) -> str:
    """Name SB3's policy for observations."""
    space = venv.observation_space
    if isinstance(space, spaces.Dict):
        return "MultiInputPolicy"
    return "CnnPolicy" if is_image_space(space) else "MlpPolicy"


def _defaults(algorithm: type[BaseAlgorithm], n_envs: int) -> dict[str, Any]:
    """Shorten the rollouts of an on-policy algorithm, after which discriminators learn; let an
    off-policy one that learns after every step of all environments carry out an update for each.
    """
    if issubclass(algorithm, OnPolicyAlgorithm):
        return {"n_steps": max(1, ROUND // n_envs)}
    known = inspect.signature(algorithm).parameters
    learns_every_step = "train_freq" in known and known["train_freq"].default == 1
    return {"gradient_steps": -1} if learns_every_step else {}


def _refuse_algorithm(algorithm: str | None, arguments: Mapping[str, Any]) -> None:
    if algorithm is not None or arguments:
        raise ValueError(
            "cloning has no generator; leave --algo out, and --set with names that begin with algo."
        )


def _check_names(kind: type[Any], given: Mapping[str, Any], prefix: str = "") -> None:
    """Refuse arguments that a class does not have.

    :raises ValueError: naming those that it has
    """
    known: set[str] = set()
    for each in kind.__mro__:
        if "__init__" in vars(each):
            known |= set(inspect.signature(vars(each)["__init__"]).parameters)
    if kind is SQILReplayBuffer:
        known = {"expert_share"}
    known -= {*FIXED, "self", "arguments", "named", "args", "kwargs"}
    for name in given:
        if name not in known:
            raise ValueError(
                f"{kind.__name__} has no argument `{name}` (--set {prefix}{name}=...); it has "
                f"{', '.join(sorted(known))}"
            )
