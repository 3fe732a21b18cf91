"""SB3 policies in files that hold tensors and plain values, and no pickle."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any, TypeVar

import torch as th
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.utils import get_device

from sb3_vdb.class_paths import class_path, from_plain, make, to_plain
from sb3_vdb.files import expanded, reading, write_bytes
from sb3_vdb.space_dicts import space_from_dict, space_to_dict
from sb3_vdb.tensor_files import load_tensors, load_weights, to_bytes

SelfPolicy = TypeVar("SelfPolicy", bound="FiledPolicy")
FORMAT, VERSION = "sb3_vdb.policy", 2
SPACES = ("observation_space", "action_space")
SCHEDULE = "lr_schedule"  # an argument that matters in training only, which no file holds
ENTRIES = {"class": str, "arguments": dict, **dict.fromkeys(SPACES, dict), "weights": dict}


class FiledPolicy(BasePolicy):
    """A policy whose file is written all of it or nothing, and is read without running code."""

    def save(self, path: str | Path) -> None:
        """Write the policy.

        :param path: of the file; its folder is made
        :raises ValueError: it has spaces or arguments that no file can hold
        """
        arguments = self._get_constructor_parameters()
        content = {
            "class": class_path(type(self)),
            **{name: space_to_dict(arguments.pop(name)) for name in SPACES},
            "arguments": to_plain({k: v for k, v in arguments.items() if k != SCHEDULE}),
            "weights": self.state_dict(),
        }
        write_bytes(path, to_bytes(content, FORMAT, VERSION))

    @classmethod
    def load(
        cls: type[SelfPolicy], path: str | Path, device: th.device | str = "auto"
    ) -> SelfPolicy:
        """Read what :meth:`save` wrote. Nothing is unpickled, and no class is made but this one.

        :param path: of the file
        :param device: of the networks
        :raises DamagedFileError: truncated, changed, or a file of another kind
        :raises ValueError: it holds a policy of another class
        """
        source, device = str(path), get_device(device)
        content = expanded(path).read_bytes()
        saved = load_tensors(content, source, FORMAT, VERSION, device, ENTRIES)
        if saved["class"] != class_path(cls):
            name = saved["class"].partition(":")[2]
            raise ValueError(f"{path} holds a {name} ({saved['class']}); load it with {name}.load")
        with reading(path):
            spaces = [space_from_dict(saved[name]) for name in SPACES]
            arguments: dict[str, Any] = from_plain(saved["arguments"], (), source)
        if SCHEDULE in inspect.signature(cls).parameters:
            arguments[SCHEDULE] = _no_learning
        policy: SelfPolicy = make(cls, arguments, source, *spaces)
        load_weights(policy, saved["weights"], source)
        return policy.to(device)


def _no_learning(progress_remaining: float) -> float:
    """Return the learning rate of a policy that only acts."""
    return 0.0
