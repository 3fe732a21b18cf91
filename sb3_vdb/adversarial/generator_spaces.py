"""Spaces in which SB3's algorithms go wrong, found before they are trained in."""

from __future__ import annotations

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from sb3_vdb.box_scaling import fixed_entries
from sb3_vdb.views import check_starts


def check_generator_spaces(gen_algo: BaseAlgorithm) -> None:
    """Refuse spaces that the generator cannot learn in.

    :param gen_algo: the generator
    :raises ValueError: numbers that do not start at 0, or, for an algorithm that scales actions to
        [-1, 1] by dividing by their range, an action with one possible value
    """
    check_starts(gen_algo.observation_space, "observation")
    check_starts(gen_algo.action_space, "action")
    fixed = fixed_entries(gen_algo.action_space)
    if fixed and isinstance(gen_algo, OffPolicyAlgorithm):
        raise ValueError(
            f"entries {fixed} of the actions {gen_algo.action_space} have one possible value, and "
            f"{type(gen_algo).__name__} divides by their range of 0; leave them out in a "
            "gymnasium.ActionWrapper, or use PPO"
        )
