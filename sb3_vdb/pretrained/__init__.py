"""Policies that come with the package, each with a model card beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium as gym
import torch as th

from sb3_vdb.baselines import DeepMimicPolicy
from sb3_vdb.environments import names_in_any_simulator
from sb3_vdb.files import reading, write_bytes, write_text
from sb3_vdb.tensor_files import load_tensors, load_weights, to_bytes

FOLDER = Path(__file__).parent
METHODS = {"DeepMimic": "", "VAIL": "-VAIL"}  # what trained a policy, and how its file's name ends
DEFAULT_METHOD = "DeepMimic"
PART = "state"  # of Dict observations, that policies read
FORMAT, VERSION = "sb3_vdb policy", 1
ENTRIES = {"value_scale": (int, float), "net_arch": (list, dict), "state_dict": dict}


def available(method: str = DEFAULT_METHOD) -> tuple[str, ...]:
    """Name the shipped policies, for example ``HumanoidRun``.

    :param method: ``"DeepMimic"`` or ``"VAIL"``
    :raises ValueError: unknown method
    """
    if method not in METHODS:
        raise ValueError(f"`method` must be one of {', '.join(METHODS)}, got {method!r}")
    suffix = METHODS[method]
    stems = [path.stem for path in FOLDER.glob(f"*{suffix}.pt") if suffix or "-" not in path.stem]
    return tuple(sorted(stem.removesuffix(suffix) for stem in stems))


def load_pretrained(
    env_id: str, device: th.device | str = "cpu", method: str | None = None
) -> DeepMimicPolicy:
    """Load the shipped policy of an environment, with SB3's ``predict``.

    Ids that differ only in their simulator share a policy; they see and do the same.

    :param env_id: for example ``"sb3_vdb/HumanoidRun-v0"``
    :param device: where its networks go
    :param method: ``"DeepMimic"``, trained on the hand-made reward, or ``"VAIL"``, trained on the
        clip or video alone; None for the first of them that there is
    :raises ValueError: there is none for this id and method
    """
    gym.spec(env_id)  # refuses an id that is not registered
    methods = list(METHODS) if method is None else [method]
    shipped = {each: available(each) for each in methods}
    for each, stems in shipped.items():
        names = [name for name in names_in_any_simulator(env_id) if name in stems]
        if names:
            return load_policy(FOLDER / f"{names[0]}{METHODS[each]}.pt", env_id, device)
    there_are = "; ".join(
        f"{each}: {', '.join(stems) or 'no environment'}" for each, stems in shipped.items()
    )
    raise ValueError(
        f"no policy comes with the package for {env_id} and method {method or 'any'}; there are "
        f"policies of {there_are}"
    )


def load_policy(path: Path, env_id: str, device: th.device | str = "cpu") -> DeepMimicPolicy:
    """Read a policy that :func:`save_policy` wrote, without running code that it might hold. In an
    environment that observes a Dict it reads the part ``state``.

    :param path: the file
    :param env_id: environment whose spaces it has
    :param device: where its networks go
    :raises DamagedFileError: truncated, changed, or a file of another kind
    """
    content = load_tensors(path.read_bytes(), str(path), FORMAT, VERSION, device, ENTRIES)
    return policy_of_content(content, str(path), env_id, device)


def policy_of_content(
    content: Mapping[str, Any], source: str, env_id: str, device: th.device | str = "cpu"
) -> DeepMimicPolicy:
    """Make the policy that :func:`policy_content` described.

    :param content: with all entries of ``ENTRIES``
    :param source: where it came from, for the messages
    :param env_id: environment whose spaces it has
    :param device: where its networks go
    :raises DamagedFileError: an entry is not sound
    """
    env = gym.make(env_id)
    has_parts = isinstance(env.observation_space, gym.spaces.Dict)
    reads: dict[str, Any] = {"features_extractor_kwargs": {"key": PART}} if has_parts else {}
    policy = DeepMimicPolicy(
        env.observation_space,
        env.action_space,  # type: ignore[arg-type]
        lambda _: 0.0,
        value_scale=content["value_scale"],
        net_arch=content["net_arch"],
        **reads,
    )
    env.close()
    with reading(source):
        weights = {name: value.float() for name, value in content["state_dict"].items()}
    load_weights(policy, weights, source)
    policy.set_training_mode(False)
    return policy.to(device)


def save_policy(policy: DeepMimicPolicy, path: Path, card: str) -> None:
    """Write a policy in half precision, and its model card beside it.

    :param policy: trained policy
    :param path: file with the suffix ``.pt``
    :param card: Markdown text
    :raises ValueError: the policy has settings that the file cannot hold
    """
    write_bytes(path, to_bytes(policy_content(policy), FORMAT, VERSION))
    write_text(path.with_suffix(".md"), card)


def policy_content(policy: DeepMimicPolicy) -> dict[str, Any]:
    """Return all that a file of a policy holds, its matrices in half precision.

    :param policy: trained policy
    :raises ValueError: the policy has settings that the file cannot hold
    """
    plain = DeepMimicPolicy(
        policy.observation_space,
        policy.action_space,  # type: ignore[arg-type]
        lambda _: 0.0,
        value_scale=policy.value_scale,
        net_arch=policy.net_arch,  # type: ignore[arg-type]
    )
    wanted, kept = policy._get_constructor_parameters(), plain._get_constructor_parameters()
    skipped = {"observation_space", "action_space", "lr_schedule"}
    lost = [name for name in wanted if name not in skipped and wanted[name] != kept[name]]
    if lost:
        raise ValueError(
            f"the file keeps `net_arch` and `value_scale`; {', '.join(lost)} must be those of "
            "DeepMimicPolicy by default. Save the model with SB3's `save` instead"
        )
    weights = {
        name: value.half() if value.ndim == 2 else value.cpu()
        for name, value in policy.state_dict().items()
    }
    return {
        "value_scale": policy.value_scale,
        "net_arch": policy.net_arch,
        "state_dict": weights,
    }
