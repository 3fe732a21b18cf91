"""SB3 policies whose files can be read with every torch."""

from __future__ import annotations

from typing import TypeVar

import torch as th
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.utils import get_device

SelfPolicy = TypeVar("SelfPolicy", bound="FiledPolicy")


class FiledPolicy(BasePolicy):
    """A policy that is written and read as SB3 does it; SB3 before 2.4 cannot read its own files
    with torch 2.6 or later.
    """

    @classmethod
    def load(cls: type[SelfPolicy], path: str, device: th.device | str = "auto") -> SelfPolicy:
        """Read what ``save`` wrote. Files hold pickled spaces: read only those that you trust.

        :param path: of the file
        :param device: of the networks
        """
        device = get_device(device)
        saved = th.load(path, map_location=device, weights_only=False)
        policy = cls(**saved["data"])
        policy.load_state_dict(saved["state_dict"])
        return policy.to(device)
