"""Speed of V-MAIL: updates by engine, where an update's time goes, and acting in pixels."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pandas as pd
import torch as th
from stable_baselines3.common.callbacks import CallbackList

from sb3_vdb.demonstrations import Demonstrations
from sb3_vdb.experiments.speed.timing import Contender, compare, timed, units_per_second
from sb3_vdb.experiments.vmail.settings import FRAMES_A_DECISION, LAPTOP, LAPTOP_LOOK, PAPER_LOOK
from sb3_vdb.vec_env import make_vec_env
from sb3_vdb.vmail import VMAIL, preset
from sb3_vdb.vmail.engines.tf32 import tf32_set
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
    "eager, a quarter of the pictures decoded": QUARTER,
    "eager, bf16, a quarter decoded": {**BF16, **QUARTER},
    "eager": {},
}
CONV: dict[str, Any] = {"policy_kwargs": {"picture_net": "conv"}}
NET_VARIANTS: dict[str, dict[str, Any]] = {
    "eager": {},
    "eager, convolutions, a quarter decoded": {**CONV, **QUARTER},
    "eager, convolutions": CONV,
}
COMPILE_VARIANTS: dict[str, dict[str, Any]] = {"compile": {"engine": "compile"}, "eager": {}}
GPU_VARIANTS: dict[str, dict[str, Any]] = {  # to compile takes longer than all of this
    "cuda_graph, bf16": {"engine": "cuda_graph", **BF16},
    "cuda_graph": {"engine": "cuda_graph"},
    "eager": {},
}
GPU_BATCHES = (64, 128)  # sequences


def bench_vmail() -> pd.DataFrame:
    """Measure the preset ``laptop`` on one core."""
    tables = [_updates("laptop", {}, CPU_VARIANTS, "cpu")]
    for look in (LAPTOP_LOOK, PAPER_LOOK):
        tables.append(_updates("laptop", {}, NET_VARIANTS, "cpu", look))
    cartpole = LAPTOP[TASK]
    sequences = {"batch_size": cartpole.changes["batch_size"]}
    tables.append(_updates("laptop", sequences, COMPILE_VARIANTS, "cpu", cartpole.look))
    return pd.concat([*tables, _split("laptop", {}, "cpu"), _acting("cpu")])


def bench_vmail_gpu() -> pd.DataFrame:
    """Measure the paper's sizes on a GPU.

    :raises ImportError: PyTorch sees none
    """
    if not th.cuda.is_available():
        raise ImportError(
            'the benchmark "vmail-gpu" needs a GPU that PyTorch sees; "vmail" measures on the CPU'
        )
    tables = [_updates("paper", {"batch_size": n}, GPU_VARIANTS, "cuda") for n in GPU_BATCHES]
    with tf32_set(True):  # as the engines do for a complete update
        tables.append(_split("paper", {}, "cuda"))
    return pd.concat([*tables, _acting("cuda")])


def _model(
    name: str, changes: dict[str, Any], device: str, look: dict[str, Any] | None = None
) -> VMAIL:
    look = look or _look(name)
    demonstrations = Demonstrations.from_recording(TASK, look, progress_bar=False, rerender=True)
    venv = make_vec_env(f"sb3_vdb/{TASK}Pixels-v0", 1, seed=0, env_kwargs={**look, "threads": 1})
    arguments: dict[str, Any] = {"engine": "eager", **preset(name), **changes, "device": device}
    sizes = (each.get("policy_kwargs", {}) for each in (preset(name), changes))
    arguments["policy_kwargs"] = {key: value for each in sizes for key, value in each.items()}
    model = VMAIL("CnnPolicy", venv, demonstrations, buffer_size=10_000, seed=0, **arguments)
    model.add_episodes(demonstrations[:N_POLICY])  # batches are of both, as in training
    return model


def _look(name: str) -> dict[str, Any]:
    """Return the pictures that a preset is meant for."""
    return LAPTOP_LOOK if name == "laptop" else PAPER_LOOK


def _wait(device: str) -> None:
    if device == "cuda":
        th.cuda.synchronize()


def _contender(work: Callable[[], Any], device: str) -> Contender:
    """Make a timed call that waits for the GPU."""

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
    """Measure updates, sampling included, against the last variant."""
    contenders: dict[str, Contender] = {}
    for variant, more in variants.items():
        model = _model(name, {**changes, **more}, device, look)
        label = f"{_label(name, model, device)}, updates {variant}"
        contenders[label] = _contender(partial(_update, model, UPDATES), device)
    return units_per_second(compare(contenders), UPDATES, "updates")


def _update(model: VMAIL, n: int) -> None:
    assert model.replay_buffer is not None
    for i in range(n):
        batch = model.replay_buffer.sample(model.batch_size)
        model._learner.step(batch, model.replay_buffer.sample_expert(model.batch_size), i)


def _split(name: str, changes: dict[str, Any], device: str) -> pd.DataFrame:
    """Measure parts of an eager update, each with its gradients, against all of it."""
    model = _model(name, changes, device)
    label = _label(name, model, device)
    parts = _parts(model).items()
    contenders = {f"{label}, {part}": _contender(work, device) for part, work in parts}
    return units_per_second(compare(contenders), 1, "times")


def _parts(model: VMAIL) -> dict[str, Callable[[], Any]]:
    """Return the parts of an eager update, and all of it, as calls without arguments."""
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

    return {
        "sampling": model.sample_batches,
        "belief, pictures, their gradients": world_model,
        "imagination, rewards, their gradients": imagination,
        "discriminator with its penalty": discriminator,
        "clipping and Adam": lambda: update.take_steps(gradients, zero),
        "complete update": lambda: _update(model, 1),
    }


def _acting(device: str) -> pd.DataFrame:
    """Measure environment frames while a policy acts, pictures rendered and stored, against the
    environment alone.
    """
    name = "laptop" if device == "cpu" else "paper"
    model = _model(name, {"train_freq": 10**9}, device)
    model._total_timesteps = 10**9
    assert model.env is not None
    callback = CallbackList([])
    callback.init_callback(model)
    model._setup_learn(1)
    assert model.replay_buffer is not None
    model._collector.begin_episodes(model.replay_buffer, model._last_obs)

    def act() -> None:
        assert model.env is not None
        model.collect_rollouts(model.env, callback, model.num_timesteps + DECISIONS)

    look = {**_look(name), "threads": 1}
    alone = make_vec_env(f"sb3_vdb/{TASK}Pixels-v0", 1, seed=0, env_kwargs=look)
    alone.reset()
    actions = model.env.action_space.sample()[None]

    def step() -> None:
        for _ in range(DECISIONS):
            alone.step(actions)

    contenders = {
        f"{name}, {device}, acting and storing": _contender(act, device),
        f"{name}, {device}, the environment alone": _contender(step, device),
    }
    return units_per_second(compare(contenders), DECISIONS * FRAMES_A_DECISION, "frames")
