"""Settings by name: the paper's, its released code's, a quick one, and what transfers best here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from sb3_vdb.experiments.maze_transfer.settings import (
    MAZES,
    MazeName,
    PolicySettings,
    TransferSettings,
)


def _paper(maze: MazeName) -> TransferSettings:
    # what the paper leaves open: critic and lambda are TRPO's usual choice, the initial spread of
    # forces is the code's, 1 N of 1 and 2 N of 5
    std = {"C": 1.0, "S": 0.4}[maze]
    policy = PolicySettings(iterations=200, mazes=100, std=std, activation="relu")
    if maze == "C":
        return TransferSettings("C", expert=policy, irl=policy, retraining=policy)
    return TransferSettings(
        "S",
        expert=policy,
        irl=policy,
        retraining=replace(policy, iterations=400, mazes=500, target_kl=0.001),
        information_limit=0.05,
        grad_penalty_coef=0.01,
    )


def _authors_code(maze: MazeName) -> TransferSettings:
    paper = _paper(maze)
    phases = {
        name: replace(
            phase, activation="tanh", gae_lambda=1.0, baseline="linear", scaled_inputs=False
        )
        for name, phase in paper.phases().items()
    }
    if maze == "S":
        phases["irl"] = replace(phases["irl"], mazes=500)
    return replace(
        paper,
        **phases,  # type: ignore[arg-type]
        demos_per_policy=100,
        n_disc_updates_per_round=50,
        gail_learning_rate=1e-3,
        grad_penalty_target="terms",
        potential_gamma=1.0,
        scaled_inputs=False,
    )


def _quick(maze: MazeName) -> TransferSettings:
    # small batches and few rounds, from which `best` starts
    settings = TransferSettings(
        maze,
        expert=PolicySettings(60, 100, target_kl=0.02),
        irl=PolicySettings(100, 30, target_kl=0.02),
        retraining=PolicySettings(80, 50, std=2.0, target_kl=0.02),
        demo_policies=1,
        demos_per_policy=100,
        demo_batch_size=64,
        n_disc_updates_per_round=50,
        disc_learning_rate=1e-4,
        gail_learning_rate=1e-4,
        beta_step_size=2e-5,
    )
    if maze == "C":
        return settings
    policy = replace(settings.expert, std=2.0)
    return replace(
        settings,
        expert=policy,
        irl=policy,
        retraining=PolicySettings(80, 100, std=3.0, gae_lambda=1.0, target_kl=0.02),
        demo_batch_size=128,
        disc_learning_rate=2e-4,
        gail_learning_rate=2e-4,
        grad_penalty_coef=0.01,
    )


def _best(maze: MazeName) -> TransferSettings:
    # how these were chosen: docs/notes/maze_transfer.md
    quick, paper = _quick(maze), _paper(maze)
    retraining = replace(quick.retraining, mazes=100, std=1.0, gae_lambda=1.0)
    quick = replace(
        quick, reward_top="demonstrators", stuck_shortfall=0.0, max_retrainings=2, max_rewards=3
    )
    if maze == "C":
        return replace(quick, retraining=replace(retraining, iterations=160), reward_power=0.25)
    return replace(
        quick,
        reward_power=0.5,
        expert=replace(paper.expert, std=2.0),
        irl=replace(quick.irl, iterations=120),
        retraining=replace(retraining, iterations=240),
        demo_policies=paper.demo_policies,
        demos_per_policy=paper.demos_per_policy,
    )


def _demo(maze: MazeName) -> TransferSettings:
    # without second tries, so that it takes the same time whatever happens
    return replace(_best(maze), max_rewards=1, max_retrainings=1)


MAZE_PRESETS: Mapping[str, Callable[[MazeName], TransferSettings]] = {
    "demo": _demo,
    "paper": _paper,
    "authors-code": _authors_code,
    "best": _best,
}


def preset(name: str, maze: MazeName) -> TransferSettings:
    """Return the settings of a maze.

    :param name: ``paper``, the numbers of section 5.2 and appendix D; ``authors-code``, the same
        where the released code agrees; ``best``, what transfers best here; ``demo``, the same with
        one reward and one retraining
    :param maze: ``"C"`` or ``"S"``
    :raises ValueError: unknown preset or maze
    """
    if maze not in MAZES:
        raise ValueError(f"the maze must be one of {', '.join(MAZES)}, got {maze!r}")
    if name not in MAZE_PRESETS:
        raise ValueError(f"the preset must be one of {', '.join(MAZE_PRESETS)}, got {name!r}")
    return MAZE_PRESETS[name](maze)
