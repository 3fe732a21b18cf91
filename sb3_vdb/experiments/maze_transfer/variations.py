"""What ablations change of a preset, one thing at a time; of ``paper``, what its text leaves
open; of ``authors-code``, which of its departures AIRL fails by.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from sb3_vdb.experiments.maze_transfer.settings import PHASES, MazeName

BASELINE = "best"
TRANSFERRED = ("AIRL", "VAIRL", "VAIRL-GP")  # what the paper is about
RAW = {"scaled_inputs": False, "irl.scaled_inputs": False, "retraining.scaled_inputs": False}
CODE_TRPO = {
    f"{phase}.{name}": value
    for phase in ("irl", "retraining")
    for name, value in (("activation", "tanh"), ("gae_lambda", 1.0), ("baseline", "linear"))
}
TEXT_TRPO = {
    f"{phase}.{name}": value
    for phase in ("irl", "retraining")
    for name, value in (("activation", "relu"), ("gae_lambda", 0.97), ("baseline", "critic"))
}

UNKNOWNS: Mapping[str, Mapping[str, Any]] = {
    "positions not scaled": RAW,
    "TRPO of the code": CODE_TRPO,
    "entropy bonus 0.1": {"irl.ent_coef": 0.1, "retraining.ent_coef": 0.1},
}


class Variation(NamedTuple):
    """One line of the table.

    :param name: what is different
    :param method: of :data:`MAZE_METHODS`
    :param changes: settings by name, those of a phase as ``"retraining.std"``
    """

    name: str
    method: str = "VAIRL-GP"
    changes: Mapping[str, Any] = MappingProxyType({})

    @property
    def folder(self) -> str:
        """Name of its folder."""
        return "".join(each if each.isalnum() else "-" for each in self.name)


def _forces_of_one(
    spread: float, phases: Sequence[str] = PHASES, mazes: Sequence[str] = ("", "test_")
) -> dict[str, Any]:
    """Return the C-maze's forces in the S-maze, with which an expert gets the return of the
    paper's; its demonstrations are others.

    :param spread: of the policies' forces at first, in N
    :param phases: which have these forces
    :param mazes: prefix of each maze that has them
    """
    spreads = {f"{phase}.std": spread for phase in phases}
    return {**{f"{maze}force_limit": 1.0 for maze in mazes}, **spreads}


def _each(
    changes: Mapping[str, Mapping[str, Any]], methods: Sequence[str] = TRANSFERRED
) -> tuple[Variation, ...]:
    """Make a variation of each change, for each method."""
    return tuple(
        Variation(f"{method}, {name}", method, each)
        for name, each in changes.items()
        for method in methods
    )


OF_BEST: Mapping[MazeName, Sequence[Variation]] = MappingProxyType(
    {
        "C": (
            Variation(BASELINE),
            Variation("reward not sharpened", changes={"reward_power": 1.0}),
            Variation("top of the map", changes={"reward_top": "map"}),
            Variation("80 retraining iterations", changes={"retraining.iterations": 80}),
            Variation("50 mazes in retraining", changes={"retraining.mazes": 50}),
            Variation("noise 2 in retraining", changes={"retraining.std": 2.0}),
            Variation("lambda 0.97 in retraining", changes={"retraining.gae_lambda": 0.97}),
            Variation("no gradient penalty", "VAIRL"),
            Variation("no bottleneck", "AIRL-GP"),
        ),
        "S": (
            Variation(BASELINE),
            Variation("reward not sharpened", changes={"reward_power": 1.0}),
            Variation("top of the map", changes={"reward_top": "map"}),
            Variation("60 rounds of inverse RL", changes={"irl.iterations": 60}),
            Variation("80 retraining iterations", changes={"retraining.iterations": 80}),
            Variation("noise 3 in retraining", changes={"retraining.std": 3.0}),
            Variation("lambda 0.97 in retraining", changes={"retraining.gae_lambda": 0.97}),
            Variation("I_c 0.05", changes={"information_limit": 0.05}),
            Variation("no gradient penalty", "VAIRL"),
            Variation("no bottleneck", "AIRL-GP"),
        ),
    }
)
# the baselines are rows of the table, with the same seeds
OF_PAPER: Mapping[MazeName, Sequence[Variation]] = MappingProxyType(
    {
        "C": _each(UNKNOWNS),
        "S": _each(
            {
                **UNKNOWNS,
                "50,000 steps a round": {"irl.mazes": 500},
                "spread of 10 N at first": {"irl.std": 2.0, "retraining.std": 2.0},
                "forces of 1 N": _forces_of_one(spread=1.0),
                "forces of 1 N in training": _forces_of_one(1.0, ("expert", "irl"), ("",)),
                "forces of 1 N, spread of 2 N": _forces_of_one(spread=2.0),
            }
        ),
    }
)
# one departure of the released code taken back at a time; the baseline is a row of its table
DEPARTURES: Mapping[str, Mapping[str, Any]] = {
    "positions scaled": dict.fromkeys(RAW, True),
    "TRPO of the text": TEXT_TRPO,
    "discounted potential": {"potential_gamma": None},
    "100 discriminator updates a round": {"n_disc_updates_per_round": 100},
}
OF_AUTHORS_CODE: Mapping[MazeName, Sequence[Variation]] = MappingProxyType(
    {
        "C": _each(DEPARTURES, ("AIRL",)),
        "S": _each({**DEPARTURES, "10,000 steps a round": {"irl.mazes": 100}}, ("AIRL",)),
    }
)
VARIATIONS: Mapping[str, Mapping[MazeName, Sequence[Variation]]] = MappingProxyType(
    {"best": OF_BEST, "paper": OF_PAPER, "authors-code": OF_AUTHORS_CODE}
)
