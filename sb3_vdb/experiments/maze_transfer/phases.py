"""Phases of a transfer: expert, inverse RL, retraining in the flipped maze.

Each writes into a folder and goes on from the last checkpoint it finds there.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import torch as th
from gymnasium import spaces
from sb3_contrib import TRPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecEnv

from sb3_vdb.adversarial import AdversarialTrainer, TrainerCheckpoint
from sb3_vdb.demonstrations import Demonstrations
from sb3_vdb.evaluation.returns import EvaluationResult, evaluate_returns
from sb3_vdb.evaluation.reward_maps import RewardMap, reward_map
from sb3_vdb.experiments.framework.checkpoints import load_model
from sb3_vdb.experiments.framework.job import Report
from sb3_vdb.experiments.framework.run import has_result, write_result
from sb3_vdb.experiments.maze_transfer.policies import (
    CHECKPOINT_EVERY,
    N_FORCES,
    PhaseReport,
    learn_policy,
    make_trpo,
)
from sb3_vdb.experiments.maze_transfer.settings import (
    IMITATION,
    MAZE_METHODS,
    WITH_BOTTLENECK,
    TransferSettings,
)
from sb3_vdb.recovered_reward import RecoveredReward

N_EVAL_EPISODES = 50
LATE_STEPS = 25  # last steps of an episode, by which a policy has settled
# return of the waypoint controller by maze and force limit in N; the tests play it
SCRIPTED: dict[tuple[str, float | None], float] = {
    ("C", None): -4.2,
    ("S", None): 183.4,
    ("S", 1.0): 153.4,
}
NO_FORCE = np.zeros(N_FORCES, dtype=np.float32)


def train_expert(settings: TransferSettings, seed: int, folder: Path, report: Report) -> None:
    """Train TRPO on the task's own reward and record demonstrations, with exploration noise, from
    its last policies, as the paper does. Nothing happens where they are there already.
    """
    if (folder / "demonstrations.npz").exists():
        return
    phase, n = settings.expert, settings.demos_per_policy
    venv = settings.train_mazes(phase.mazes, seed)
    model = learn_policy(
        venv, phase, seed, folder, PhaseReport(report, "expert"), settings.demo_policies
    )
    last = [load_model(type(model), path) for path in sorted(folder.glob("policy_*.zip"))]
    results = [  # each with noise of its own
        _episodes(policy, settings, seed + 1 + i, n) for i, policy in enumerate([*last, model])
    ]
    returns = np.concatenate([each.returns for each in results])
    successes = [each.success_rate or 0.0 for each in results]
    figures = {
        "return": float(returns.mean()),
        "return_std": float(returns.std()),
        "success_rate": float(np.mean(successes)),
    }
    write_result(folder, figures)
    Demonstrations(path for each in results for path in each.episodes).save(
        folder / "demonstrations.npz"
    )


def _episodes(model: Any, settings: TransferSettings, seed: int, n: int) -> EvaluationResult:
    th.manual_seed(seed)  # the same episodes, whether the policy was trained now or before
    venv = settings.train_mazes(min(n, 100), seed)
    return evaluate_returns(model, venv, n, deterministic=False)


def make_trainer(
    method: str,
    settings: TransferSettings,
    demonstrations: Demonstrations,
    seed: int,
    log_dir: Path,
    generator: type[TRPO] | None = None,
) -> AdversarialTrainer:
    """Make the trainer of a method.

    :param method: name in :data:`MAZE_METHODS`
    :param settings: of the maze; the method changes them
    :param demonstrations: the expert's
    :param seed: random seed
    :param log_dir: where logs go
    :param generator: class of the policy's algorithm, see :func:`make_trpo`
    """
    algorithm, changes = MAZE_METHODS[method]
    settings = settings.changed(changes)
    venv = settings.train_mazes(settings.irl.mazes, seed)
    imitation = algorithm in IMITATION
    networks: dict[str, Any] = {"trunk_kwargs": {"net_arch": (32, 32)}}
    if not imitation and settings.potential_gamma is not None:
        networks["gamma"] = settings.potential_gamma
    arguments: dict[str, Any] = {
        "demo_batch_size": settings.demo_batch_size,
        "n_disc_updates_per_round": settings.n_disc_updates_per_round,
        "disc_learning_rate": (
            settings.gail_learning_rate if imitation else settings.disc_learning_rate
        ),
        "grad_penalty_coef": settings.grad_penalty_coef,
        "grad_penalty_target": settings.grad_penalty_target,
        "reward_type": "log_d" if imitation else "g",
        "reward_scaling": "mean_std",
        "normalize_inputs": "bounds" if settings.scaled_inputs else "none",
        "discriminator_kwargs": networks,
        "log_dir": str(log_dir),
        "seed": seed,
        "device": "cpu",
    }
    if algorithm in WITH_BOTTLENECK:
        for name in ("information_limit", "beta", "beta_step_size"):
            arguments[name] = getattr(settings, name)
    model = make_trpo(venv, settings.irl, seed, generator)
    return algorithm(demonstrations, venv, model, **arguments)


class RewardSnapshots(BaseCallback):
    """Saves the recovered reward every few rounds, as ``reward_<round>.pt``.

    :param trainer: whose reward
    :param settings: of the maze
    :param demonstrations: the expert's
    :param folder: where the files go
    """

    def __init__(
        self,
        trainer: AdversarialTrainer,
        settings: TransferSettings,
        demonstrations: Demonstrations,
        folder: Path,
    ) -> None:
        super().__init__()
        self.trainer, self.settings, self.folder = trainer, settings, folder
        self.demonstrations = demonstrations

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        n = self.trainer.n_rounds
        if n and n % self.settings.snapshot_every == 0:
            reward = standardized(self.trainer, self.settings, self.demonstrations)
            reward.save(self.folder / f"reward_{n:04d}.pt")


def standardized(
    trainer: AdversarialTrainer, settings: TransferSettings, demonstrations: Demonstrations
) -> RecoveredReward:
    """Return the recovered reward, scaled so that its map has standard deviation 1 and its top is
    0, and sharpened if the settings say so.
    """
    raw = trainer.recovered_reward()
    rewards = map_of(raw, settings.train_env).rewards
    from_map = settings.reward_top == "map"
    top = float(rewards.max()) if from_map else settled_reward(raw, demonstrations)
    scaled = raw.standardized(rewards, shift=top)
    if from_map and settings.reward_power == 1.0:
        return scaled
    return scaled.sharpened(settings.reward_power)


def map_of(reward: RecoveredReward, env_id: str) -> RewardMap:
    """Map a reward over all positions of a maze; one that looks at actions is shown at no force."""
    space = gym.make(env_id).observation_space
    assert isinstance(space, spaces.Box)
    return reward_map(reward, space, action=NO_FORCE)


def learn_reward(
    method: str,
    settings: TransferSettings,
    demonstrations: Demonstrations,
    seed: int,
    folder: Path,
    report: Report,
    before: int = 0,
) -> None:
    """Inverse RL in the training maze; the folder gets ``reward.pt`` and ``result.json`` with the
    imitating policy's return. Nothing happens where they are there already.

    :param before: steps of earlier phases, for the report
    """
    if has_result(folder):
        return
    checkpoints = sorted(folder.glob("checkpoint_*.zip"), key=lambda path: path.stat().st_mtime)
    if checkpoints:
        venv = settings.train_mazes(settings.irl.mazes, seed)
        trainer = MAZE_METHODS[method].algorithm.load(checkpoints[-1], venv, "cpu")
    else:
        trainer = make_trainer(method, settings, demonstrations, seed, folder)
    callbacks = [
        PhaseReport(report, "inverse RL", before),
        TrainerCheckpoint(trainer, folder, CHECKPOINT_EVERY, keep=1),
        RewardSnapshots(trainer, settings, demonstrations, folder),
    ]
    left = settings.irl.steps - trainer.num_timesteps
    if left > 0:
        with warnings.catch_warnings():  # presets choose how slowly beta moves
            warnings.filterwarnings("ignore", "the last .* rounds had .* nats")
            trainer.learn(left, callback=callbacks, reset_num_timesteps=False)
    standardized(trainer, settings, demonstrations).save(folder / "reward.pt")
    th.manual_seed(seed)
    venv = settings.train_mazes(N_EVAL_EPISODES, seed + 50)
    result = trainer.evaluate(venv, N_EVAL_EPISODES, deterministic=False)
    result.episodes.save(folder / "episodes.npz")
    write_result(folder, {"return": result.mean, "std": result.std})
    for path in folder.glob("checkpoint_*.zip"):
        path.unlink()


class Retraining(NamedTuple):
    """A policy trained on a recovered reward.

    :param result: its episodes with exploration noise, as the paper reports
    :param deterministic: its episodes without noise
    :param shortfall: what the settled policy misses of the learned reward at which the
        demonstrators settle, as a share of the map's range; computed without the true reward
    """

    result: EvaluationResult
    deterministic: EvaluationResult
    shortfall: float


def retrain(
    settings: TransferSettings,
    reward: RecoveredReward,
    demonstrations: Demonstrations,
    seed: int,
    folder: Path,
    report: Report,
    before: int = 0,
) -> dict[str, Any]:
    """Train new policies from scratch on the frozen reward in the flipped maze until one is not
    stuck, and return its figures; where all are, those of the highest learned return.

    One is stuck that settles, without noise, where the learned reward is lower than where the
    demonstrators settle in the training maze, by a share of the reward's range over the flipped
    maze. The true reward decides nothing. The folder gets ``attempt_<i>`` for each, and the kept
    one's ``episodes.npz``.

    :param before: steps of earlier phases, for the report
    """
    attempts: list[Retraining] = []
    goal = settled_reward(reward, demonstrations)
    for i in range(settings.max_retrainings):
        phase = PhaseReport(report, f"retraining {i + 1}", before + i * settings.retraining.steps)
        attempt = folder / f"attempt_{i}"
        attempts.append(_retrain_once(settings, reward, goal, seed + i, attempt, phase))
        if attempts[-1].shortfall <= settings.stuck_shortfall:
            break
    learned = [float(each.result.learned_mean or 0.0) for each in attempts]
    is_stuck = attempts[-1].shortfall > settings.stuck_shortfall
    number = int(np.argmax(learned)) if is_stuck else len(attempts) - 1
    kept = attempts[number]
    kept.result.episodes.save(folder / "episodes.npz")
    return {
        "transfer_return": kept.result.mean,
        "transfer_return_std": kept.result.std,
        "transfer_return_deterministic": kept.deterministic.mean,
        "success_rate": kept.result.success_rate,
        "learned_return": kept.result.learned_mean,
        "learned_return_deterministic": kept.deterministic.learned_mean,
        "shortfall": kept.shortfall,
        "stuck": is_stuck,
        "kept": number,
        "retrainings": learned,
    }


def _retrain_once(
    settings: TransferSettings,
    reward: RecoveredReward,
    goal: float,
    seed: int,
    folder: Path,
    phase: PhaseReport,
) -> Retraining:
    """One retraining; ``goal`` is the learned reward at which the demonstrators settle."""
    venv = reward.wrap(settings.test_mazes(settings.retraining.mazes, seed))
    model = learn_policy(venv, settings.retraining, seed, folder, phase)
    th.manual_seed(seed)  # the same evaluation, whether the policy was trained now or before

    def evaluate(deterministic: bool) -> EvaluationResult:
        fresh = settings.test_mazes(N_EVAL_EPISODES, seed + 500)
        return evaluate_returns(model, fresh, N_EVAL_EPISODES, deterministic, reward)

    settled = evaluate(deterministic=True)
    span = max(float(np.ptp(map_of(reward, settings.test_env).rewards)), 1e-8)
    shortfall = (goal - settled_reward(reward, settled.episodes)) / span
    return Retraining(evaluate(deterministic=False), settled, shortfall)


def settled_reward(reward: RecoveredReward, episodes: Demonstrations) -> float:
    """Return the mean learned reward of the last states of episodes."""
    late = [trajectory.observations[-LATE_STEPS:] for trajectory in episodes]
    return float(reward.of_states(np.concatenate(late), NO_FORCE).mean())


def evaluate_random(
    settings: TransferSettings, seed: int, reward: RecoveredReward | None = None
) -> EvaluationResult:
    """Play uniformly random actions in the flipped maze."""
    venv = settings.test_mazes(N_EVAL_EPISODES, seed)
    venv.action_space.seed(seed)
    policy: Any = _RandomPolicy(venv)
    return evaluate_returns(policy, venv, N_EVAL_EPISODES, reward=reward)


def scripted_return(settings: TransferSettings) -> float | None:
    """Return what the scripted controller gets in the flipped maze, near the best possible; None if
    it was never played with such forces.
    """
    return SCRIPTED.get((settings.maze, settings.test_force_limit))


class _RandomPolicy:
    """Uniformly random actions behind SB3's ``predict``."""

    def __init__(self, venv: VecEnv) -> None:
        self.venv = venv

    def predict(self, observation: Any, **_: Any) -> tuple[Any, None]:
        return np.stack([self.venv.action_space.sample() for _ in range(len(observation))]), None
