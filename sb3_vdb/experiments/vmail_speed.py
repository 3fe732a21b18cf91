"""Speed of V-MAIL: whole updates by engine, where an update's time goes, and acting in pixels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import torch as th
from stable_baselines3.common.callbacks import BaseCallback

from sb3_vdb.demonstrations import Demonstrations
from sb3_vdb.experiments.timing import Job, compare, timed
from sb3_vdb.experiments.vmail.settings import (
    FRAMES_A_DECISION,
    LAPTOP,
    LAPTOP_LOOK,
    PAPER_LOOK,
)
from sb3_vdb.vec_env import make_vec_env
from sb3_vdb.vmail import VMAIL, preset
from sb3_vdb.vmail.losses import adversarial_loss, policy_returns, world_model_loss
from sb3_vdb.vmail.vmail_losses import VMAILLosses

TASK = "CartpoleSwingup"
UPDATES, DECISIONS = 5, 200
N_POLICY = 5  # episodes that stand for the policy's
BF16 = {"policy_kwargs": {"bf16": True}}
QUARTER = {"n_reconstructed": 80}  # of 16 sequences of 20
CPU_VARIANTS: dict[str, dict[str, Any]] = {
    "compile": {"engine": "compile"},
    "eager, bf16": BF16,
    "eager, a quarter of the pictures drawn": QUARTER,
    "eager, bf16, a quarter drawn": {**BF16, **QUARTER},
    "eager": {},
}
CONV: dict[str, Any] = {"policy_kwargs": {"picture_net": "conv"}}
NET_VARIANTS: dict[str, dict[str, Any]] = {
    "eager": {},
    "eager, convolutions, a quarter drawn": {**CONV, **QUARTER},
    "eager, convolutions": CONV,
}
COMPILE_VARIANTS: dict[str, dict[str, Any]] = {"compile": {"engine": "compile"}, "eager": {}}
GPU_VARIANTS: dict[str, dict[str, Any]] = {
    "cuda_graph, bf16": {"engine": "cuda_graph", **BF16},
    "cuda_graph": {"engine": "cuda_graph"},
    "compile": {"engine": "compile"},
    "eager": {},
}


def bench_vmail() -> pd.DataFrame:
    """The preset ``laptop`` on one core; where there is a GPU, the paper's sizes on it."""
    tables = [_updates("laptop", {}, CPU_VARIANTS, "cpu")]
    for look in (LAPTOP_LOOK, PAPER_LOOK):
        tables.append(_updates("laptop", {}, NET_VARIANTS, "cpu", look))
    cartpole = LAPTOP[TASK]
    sequences = {"batch_size": cartpole.changes["batch_size"]}
    tables.append(_updates("laptop", sequences, COMPILE_VARIANTS, "cpu", cartpole.look))
    tables += [_split("laptop", {}, "cpu"), _acting("cpu")]
    if th.cuda.is_available():
        tables += [_updates("paper", {"batch_size": n}, GPU_VARIANTS, "cuda") for n in (64, 128)]
        tables += [_split("paper", {}, "cuda"), _acting("cuda")]
    return pd.concat(tables)


def _model(
    name: str, changes: dict[str, Any], device: str, look: dict[str, Any] | None = None
) -> VMAIL:
    look = look or _look(name)
    demonstrations = Demonstrations.from_recording(TASK, look, progress_bar=False, redraw=True)
    venv = make_vec_env(f"sb3_vdb/{TASK}Pixels-v0", 1, 0, {**look, "threads": 1})
    arguments: dict[str, Any] = {"engine": "eager", **preset(name), **changes, "device": device}
    sizes = (each.get("policy_kwargs", {}) for each in (preset(name), changes))
    arguments["policy_kwargs"] = {key: value for each in sizes for key, value in each.items()}
    model = VMAIL("CnnPolicy", venv, demonstrations, buffer_size=10_000, seed=0, **arguments)
    model.add_episodes(demonstrations[:N_POLICY])  # batches are of both, as in training
    return model


def _look(name: str) -> dict[str, Any]:
    """Pictures that a preset is meant for."""
    return LAPTOP_LOOK if name == "laptop" else PAPER_LOOK


def _wait(device: str) -> None:
    if device == "cuda":
        th.cuda.synchronize()


def _job(work: Callable[[], Any], device: str) -> Job:
    """A timed call that waits for the GPU."""

    def complete() -> None:
        work()
        _wait(device)

    return lambda: timed(complete)


def _label(name: str, model: VMAIL, device: str) -> str:
    sequences = f"{model.batch_size}x{model.sequence_length}"
    pixels = model.observation_space.shape[-1]  # type: ignore[index]
    return f"{name}, {sequences} of {pixels} pixels, {device}"


def _updates(
    name: str,
    changes: dict[str, Any],
    variants: dict[str, dict[str, Any]],
    device: str,
    look: dict[str, Any] | None = None,
) -> pd.DataFrame:
    """Whole updates, sampling included, against the last variant."""
    jobs: dict[str, Job] = {}
    for variant, more in variants.items():
        model = _model(name, {**changes, **more}, device, look)
        label = f"{_label(name, model, device)}, updates {variant}"
        jobs[label] = _job(lambda model=model: _update(model, UPDATES), device)  # type: ignore[misc]
    return _rates(compare(jobs), UPDATES, "updates")


def _update(model: VMAIL, n: int) -> None:
    assert model.replay_buffer is not None
    for i in range(n):
        batch = model.replay_buffer.sample(model.batch_size)
        model._learner.step(batch, model.replay_buffer.sample_expert(model.batch_size), i)


def _split(name: str, changes: dict[str, Any], device: str) -> pd.DataFrame:
    """Parts of an eager update, each with its gradients, against the whole."""
    model = _model(name, changes, device)
    replay, update, policy = model.replay_buffer, model._learner.update, model.policy
    losses, settings = update.losses, model.loss_settings()
    assert replay is not None
    assert isinstance(losses, VMAILLosses)
    batch, expert = replay.sample(model.batch_size), replay.sample_expert(model.batch_size)
    belief, _, _ = losses.infer_states(batch, expert)
    pairs = losses.rollouts(belief.state).pairs().detach()
    zero = th.zeros((), device=model.device)
    gradients, _ = update.gradients(batch, expert, zero)

    def world_model() -> None:
        belief, _, normalized = losses.infer_states(batch, expert)
        loss = world_model_loss(policy.world_model, belief, normalized, settings).total()
        th.autograd.grad(loss, list(policy.world_model.parameters()))

    def imagination() -> None:
        rollouts = losses.rollouts(belief.state)
        returns = policy_returns(rollouts, policy.discriminator, policy.value_target, settings)
        loss = -returns.returns.mean()
        th.autograd.grad(loss, list(policy.actor.parameters()))

    def discriminator() -> None:
        output = adversarial_loss(policy.discriminator, pairs[:1], pairs, zero, settings)
        th.autograd.grad(output.loss.total(), list(policy.discriminator.parameters()))

    parts: dict[str, Callable[[], Any]] = {
        "sampling": model.sample_batches,
        "belief, pictures, their gradients": world_model,
        "imagination, rewards, their gradients": imagination,
        "discriminator with its penalty": discriminator,
        "clipping and Adam": lambda: update.take_steps(gradients, zero),
        "whole update": lambda: _update(model, 1),
    }
    label = _label(name, model, device)
    jobs = {f"{label}, {part}": _job(work, device) for part, work in parts.items()}
    return _rates(compare(jobs), 1, "times")


class _Nothing(BaseCallback):
    def _on_step(self) -> bool:
        return True


def _acting(device: str) -> pd.DataFrame:
    """Environment frames while a policy acts, pictures drawn and stored, against the environment
    alone.
    """
    name = "laptop" if device == "cpu" else "paper"
    model = _model(name, {"train_freq": 10**9}, device)
    model._total_timesteps = 10**9
    assert model.env is not None
    callback = _Nothing()
    callback.init_callback(model)
    model._setup_learn(1)
    assert model.replay_buffer is not None
    model._collector.begin_episodes(model.replay_buffer, model._last_obs)

    def act() -> None:
        assert model.env is not None
        model.collect_rollouts(model.env, callback, model.num_timesteps + DECISIONS)

    alone = make_vec_env(
        f"sb3_vdb/{TASK}Pixels-v0",
        1,
        0,
        {**_look(name), "threads": 1},
    )
    alone.reset()
    actions = model.env.action_space.sample()[None]

    def step() -> None:
        for _ in range(DECISIONS):
            alone.step(actions)

    jobs = {
        f"{name}, {device}, acting and storing": _job(act, device),
        f"{name}, {device}, the environment alone": _job(step, device),
    }
    return _rates(compare(jobs), DECISIONS * FRAMES_A_DECISION, "frames")


def _rates(table: pd.DataFrame, n: int, unit: str) -> pd.DataFrame:
    """How many units a second, and the share of the yardstick's time."""
    table["per_second"] = (n / table["seconds"]).round(1)
    table["unit"] = unit
    table["times_faster"] = (1.0 / table["ratio"]).round(2)
    table["share_of_time"] = table["ratio"].round(3)
    return table[["what", "per_second", "unit", "times_faster", "share_of_time", "against"]]
