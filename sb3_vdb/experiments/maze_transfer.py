"""Reward transfer between mazes (VDB paper, section 5.2): expert, demonstrations, inverse RL,
retraining in the flip.

Every phase is a function that writes into a folder and returns what the next phase needs.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from sb3_contrib import TRPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import configure
from stable_baselines3.common.vec_env import VecEnv

from sb3_vdb.adversarial import AIRL, VAIRL, AdversarialTrainer, TrainerCheckpoint
from sb3_vdb.demonstrations import Demonstrations
from sb3_vdb.evaluation.returns import EvaluationResult, evaluate_returns
from sb3_vdb.evaluation.reward_maps import reward_map
from sb3_vdb.extractors import BoundsExtractor
from sb3_vdb.files import write_text
from sb3_vdb.recovered_reward import RecoveredReward
from sb3_vdb.vec_env import make_vec_env

Progress = Callable[[str, int, int, str], None]  # phase, steps done, steps in all, note
EPISODE_STEPS = 100
N_EVAL_EPISODES = 50
LATE_STEPS = 25  # last steps of an episode, by which a policy has settled
STUCK_SHORTFALL = 0.15  # share of the reward map's range that a settled policy may miss


@dataclass(frozen=True)
class TransferSettings:
    """One column of the experiment.

    :param train_env: where demonstrations are made and the reward is learned
    :param test_env: where new policies are trained on it
    :param expert_iterations: TRPO iterations of the expert
    :param expert_mazes: mazes in its batch, one episode of 100 steps each an iteration
    :param n_demonstrations: episodes recorded
    :param irl_iterations: rounds of inverse RL
    :param irl_mazes: mazes in a round
    :param demo_batch_size: expert samples in a discriminator update
    :param n_disc_updates_per_round: discriminator updates in a round
    :param disc_learning_rate: Adam's step size
    :param information_limit: I_c in nats, summed over the three codes
    :param beta: initial dual variable
    :param beta_step_size: alpha_beta
    :param grad_penalty_coef: w_GP of the methods with a gradient penalty
    :param retrain_iterations: TRPO iterations on the frozen reward
    :param retrain_mazes: mazes in their batch
    :param retrain_std: initial standard deviation of the new policy's actions, in units of the
        force limit
    :param max_retrainings: how often a stuck retraining may be repeated with another seed
    """

    train_env: str = "sb3_vdb/CMaze-v0"
    test_env: str = "sb3_vdb/CMazeFlipped-v0"
    expert_iterations: int = 60
    expert_mazes: int = 100
    n_demonstrations: int = 100
    irl_iterations: int = 100
    irl_mazes: int = 30
    demo_batch_size: int = 64
    n_disc_updates_per_round: int = 50
    disc_learning_rate: float = 1e-4
    information_limit: float = 0.5
    beta: float = 0.005
    beta_step_size: float = 2e-5
    grad_penalty_coef: float = 0.1
    retrain_iterations: int = 80
    retrain_mazes: int = 50
    retrain_std: float = 2.0
    max_retrainings: int = 3

    def shortened(self, share: float) -> TransferSettings:
        """The same experiment with only a share of every phase's iterations, for trying it out."""
        phases = ("expert_iterations", "irl_iterations", "retrain_iterations")
        return replace(
            self, **{name: max(1, math.ceil(share * getattr(self, name))) for name in phases}
        )


METHODS = ("VAIRL-GP", "VAIRL", "AIRL-GP", "AIRL")


class Retraining(NamedTuple):
    """A policy trained on a recovered reward.

    :param model: the policy
    :param result: its episodes with exploration noise, as the paper reports
    :param deterministic: its episodes without noise
    :param shortfall: what the settled policy misses of the best reward on the map, as a share of
        the map's range; computed without the true reward
    :param attempts: learned return of every retraining; the one with the highest is kept
    """

    model: TRPO
    result: EvaluationResult
    deterministic: EvaluationResult
    shortfall: float
    attempts: list[float]

    @property
    def is_stuck(self) -> bool:
        """Whether the policy settled far below the best reward of the map: the optimiser failed,
        not the reward.
        """
        return self.shortfall > STUCK_SHORTFALL


class ReportProgress(BaseCallback):
    """Tells how far a ``learn`` is, once a rollout.

    :param report: where to
    :param phase: name of the phase
    :param total_timesteps: steps in all
    :param key: log key shown beside the bar
    """

    def __init__(
        self, report: Progress, phase: str, total_timesteps: int, key: str = "rollout/ep_rew_mean"
    ) -> None:
        super().__init__()
        self.report, self.phase, self.total_timesteps, self.key = (
            report,
            phase,
            total_timesteps,
            key,
        )

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        buffer = self.model.ep_info_buffer
        note = f"return {np.mean([each['r'] for each in buffer]):.1f}" if buffer else ""
        self.report(
            self.phase, min(self.num_timesteps, self.total_timesteps), self.total_timesteps, note
        )


def make_trpo(venv: VecEnv, seed: int, std: float = 1.0) -> TRPO:
    """TRPO with the paper's step size and network (two layers of 32), on observations scaled to
    [-1, 1].

    :param venv: mazes; a rollout is one episode of each
    :param seed: random seed
    :param std: initial standard deviation of the actions
    """
    return TRPO(
        "MlpPolicy",
        venv,
        n_steps=EPISODE_STEPS,
        batch_size=venv.num_envs * EPISODE_STEPS // 4,
        gamma=0.99,
        gae_lambda=0.97,
        target_kl=0.01,
        cg_max_steps=10,
        n_critic_updates=10,
        learning_rate=3e-3,
        seed=seed,
        device="cpu",
        policy_kwargs={
            "net_arch": [32, 32],
            "log_std_init": math.log(std),
            "features_extractor_class": BoundsExtractor,
        },
    )


def train_expert(
    settings: TransferSettings, seed: int, folder: Path, report: Progress
) -> Demonstrations:
    """Train TRPO on the task's own reward and record demonstrations with exploration noise, as the
    paper does.
    """
    steps = settings.expert_iterations * settings.expert_mazes * EPISODE_STEPS
    model = make_trpo(make_vec_env(settings.train_env, settings.expert_mazes, seed=seed), seed)
    model.set_logger(configure(str(folder), ["csv", "tensorboard"]))
    model.learn(steps, callback=ReportProgress(report, "expert", steps))
    model.save(folder / "model.zip")
    venv = make_vec_env(settings.train_env, min(settings.n_demonstrations, 100), seed=seed + 1)
    result = evaluate_returns(model, venv, settings.n_demonstrations, deterministic=False)
    figures = {"return": result.mean, "return_std": result.std, "success_rate": result.success_rate}
    write_text(folder / "result.json", json.dumps(figures, indent=1))
    result.episodes.save(folder / "demonstrations.npz")
    return result.episodes


def make_trainer(
    method: str,
    settings: TransferSettings,
    demonstrations: Demonstrations,
    seed: int,
    log_dir: Path | None,
) -> AdversarialTrainer:
    """The trainer of one of :data:`METHODS`."""
    venv = make_vec_env(settings.train_env, settings.irl_mazes, seed=seed)
    shared: dict[str, Any] = {
        "demo_batch_size": settings.demo_batch_size,
        "n_disc_updates_per_round": settings.n_disc_updates_per_round,
        "disc_learning_rate": settings.disc_learning_rate,
        "grad_penalty_coef": settings.grad_penalty_coef if method.endswith("GP") else 0.0,
        "reward_scaling": "mean_std",
        "normalize_inputs": "bounds",
        "discriminator_kwargs": {"net_arch": (32, 32)},
        "log_dir": None if log_dir is None else str(log_dir),
        "seed": seed,
        "device": "cpu",
    }
    generator = make_trpo(venv, seed)
    if not method.startswith("VAIRL"):
        return AIRL(demonstrations, venv, generator, **shared)
    return VAIRL(
        demonstrations,
        venv,
        generator,
        information_limit=settings.information_limit,
        beta=settings.beta,
        beta_step_size=settings.beta_step_size,
        **shared,
    )


def learn_reward(
    method: str,
    settings: TransferSettings,
    demonstrations: Demonstrations,
    seed: int,
    folder: Path,
    report: Progress,
) -> tuple[AdversarialTrainer, RecoveredReward]:
    """Inverse RL in the training maze, from the folder's last checkpoint if there is one.

    The reward is scaled so that its map has maximum 0 and standard deviation 1.
    """
    checkpoints = sorted(folder.glob("checkpoint_*.zip"), key=lambda path: path.stat().st_mtime)
    if checkpoints:
        venv = make_vec_env(settings.train_env, settings.irl_mazes, seed=seed)
        trainer: AdversarialTrainer = (VAIRL if method.startswith("VAIRL") else AIRL).load(
            checkpoints[-1], venv, "cpu"
        )
    else:
        trainer = make_trainer(method, settings, demonstrations, seed, folder)
    steps = settings.irl_iterations * settings.irl_mazes * EPISODE_STEPS
    callbacks = [
        ReportProgress(report, "inverse RL", steps),
        TrainerCheckpoint(trainer, folder, keep=1),
    ]
    trainer.learn(steps - trainer.num_timesteps, callback=callbacks, reset_num_timesteps=False)
    trainer.save(folder / "trainer.zip")
    raw = trainer.recovered_reward()
    reward = raw.standardized(reward_map(raw, _space(settings.train_env)).rewards, shift="max")
    reward.save(folder / "reward.pt")
    return trainer, reward


def retrain(
    settings: TransferSettings, reward: RecoveredReward, seed: int, folder: Path, report: Progress
) -> Retraining:
    """Train new policies from scratch on the frozen reward in the flipped maze until one is not
    stuck.

    Whether one is stuck, and which one is kept, is decided by the learned reward alone.
    """
    best: Retraining | None = None
    attempts: list[float] = []
    for attempt in range(settings.max_retrainings):
        found = _retrain_once(
            settings, reward, seed + attempt, folder / f"attempt_{attempt}", report
        )
        attempts.append(float(found.result.learned_mean or 0.0))
        if best is None or attempts[-1] == max(attempts):
            best = found
        if not found.is_stuck:
            break
    assert best is not None
    best.model.save(folder / "model.zip")
    return best._replace(attempts=attempts)


def _retrain_once(
    settings: TransferSettings, reward: RecoveredReward, seed: int, folder: Path, report: Progress
) -> Retraining:
    steps = settings.retrain_iterations * settings.retrain_mazes * EPISODE_STEPS
    venv = reward.wrap(make_vec_env(settings.test_env, settings.retrain_mazes, seed=seed))
    model = make_trpo(venv, seed, settings.retrain_std)
    model.set_logger(configure(str(folder), ["csv", "tensorboard"]))
    model.learn(steps, callback=ReportProgress(report, "retraining", steps))

    def evaluate(deterministic: bool) -> EvaluationResult:
        fresh = make_vec_env(settings.test_env, N_EVAL_EPISODES, seed=seed + 500)
        return evaluate_returns(model, fresh, N_EVAL_EPISODES, deterministic, reward)

    settled = evaluate(deterministic=True)
    shortfall = _shortfall(reward, settled, _space(settings.test_env))
    return Retraining(model, evaluate(deterministic=False), settled, shortfall, [])


def _shortfall(reward: RecoveredReward, result: EvaluationResult, space: spaces.Box) -> float:
    """Distance of the settled policy's reward from the map's maximum, as a share of the map's
    range.
    """
    rewards = reward_map(reward, space).rewards
    settled = [
        reward.of_states(trajectory.observations[-LATE_STEPS:]).mean()
        for trajectory in result.episodes
    ]
    return float((rewards.max() - np.mean(settled)) / max(float(np.ptp(rewards)), 1e-8))


def evaluate_random(
    env_id: str, seed: int, reward: RecoveredReward | None = None
) -> EvaluationResult:
    """Returns of uniformly random actions."""
    venv = make_vec_env(env_id, N_EVAL_EPISODES, seed=seed)
    venv.action_space.seed(seed)
    return evaluate_returns(_RandomPolicy(venv), venv, N_EVAL_EPISODES, reward=reward)  # type: ignore[arg-type]


class _RandomPolicy:
    """Uniformly random actions behind SB3's ``predict``."""

    def __init__(self, venv: VecEnv) -> None:
        self.venv = venv

    def predict(self, observation: Any, **_: Any) -> tuple[Any, None]:
        return np.stack([self.venv.action_space.sample() for _ in range(len(observation))]), None


def write_result(
    folder: Path, method: str, seed: int, imitation: EvaluationResult, found: Retraining
) -> None:
    """Figures of one method and seed as ``result.json``."""
    figures = {
        "method": method,
        "seed": seed,
        "imitation_return": imitation.mean,
        "transfer_return": found.result.mean,
        "transfer_return_std": found.result.std,
        "transfer_return_deterministic": found.deterministic.mean,
        "success_rate": found.result.success_rate,
        "learned_return": found.result.learned_mean,
        "shortfall": found.shortfall,
        "stuck": found.is_stuck,
        "retrainings": found.attempts,
    }
    write_text(folder / "result.json", json.dumps(figures, indent=1))


def claim_folder(
    folder: Path, settings: TransferSettings, seed: int, versions: dict[str, str]
) -> None:
    """Write all arguments and versions of a run as ``config.json``, or check that they are the ones
    there.

    :raises ValueError: the folder holds a run with other arguments
    """
    arguments = {"seed": seed, **asdict(settings)}
    path = folder / "config.json"
    if path.exists():
        found = json.loads(path.read_text())
        other = {
            name: found.get(name) for name, value in arguments.items() if found.get(name) != value
        }
        if other:
            raise ValueError(
                f"{folder} holds a run with {other}; choose another folder with --out or remove it"
            )
        return
    write_text(path, json.dumps({**arguments, "versions": versions}, indent=1))


def _space(env_id: str) -> spaces.Box:
    space = gym.make(env_id).observation_space
    assert isinstance(space, spaces.Box)
    return space
