"""Updates carried out: gradients by one of several engines, clipping, four optimisers, the dual
variable and the slow target.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal, NamedTuple

import torch as th
from torch import nn

from sb3_vdb.errors import NonFiniteError
from sb3_vdb.vdb import DualVariable
from sb3_vdb.vmail.replay import SequenceBatch
from sb3_vdb.vmail.update import NETWORKS, Update, UpdateMetrics

EngineName = Literal["auto", "eager", "compile", "cuda_graph"]
ENGINES: tuple[EngineName, ...] = ("auto", "eager", "compile", "cuda_graph")
WARM_UPS = 3  # runs before a CUDA graph is captured, as torch asks for
LOSSES = ("model_loss", "discriminator_loss", "actor_loss", "value_loss")


class Steps(NamedTuple):
    """How gradients become steps.

    :param max_grad_norm: global norm to which each network's gradient is clipped
    :param tau: how far the slow target follows the value
    :param target_update_interval: updates between two steps of the target
    :param actor_decay: share of the actor's average that an update keeps, where there is one
    """

    max_grad_norm: float
    tau: float
    target_update_interval: int
    actor_decay: float = 0.0


Gradients = Callable[
    [SequenceBatch, SequenceBatch, th.Tensor], tuple[list[list[th.Tensor]], th.Tensor]
]


@contextmanager
def _tf32(allowed: bool | None) -> Iterator[None]:
    """Whether products and convolutions on a GPU use TF32 within the block; None leaves it."""
    if allowed is None:
        yield
        return
    before = th.get_float32_matmul_precision(), th.backends.cudnn.allow_tf32
    th.set_float32_matmul_precision("high" if allowed else "highest")
    th.backends.cudnn.allow_tf32 = allowed
    try:
        yield
    finally:
        th.set_float32_matmul_precision(before[0])
        th.backends.cudnn.allow_tf32 = before[1]


def resolve_engine(name: EngineName, device: th.device) -> EngineName:
    """The engine that ``"auto"`` stands for: a CUDA graph on a GPU, plain PyTorch else.

    :raises ValueError: unknown, or a CUDA graph without a GPU
    """
    if name not in ENGINES:
        raise ValueError(f"`engine` must be one of {', '.join(ENGINES)}, got {name!r}")
    if name == "cuda_graph" and device.type != "cuda":
        raise ValueError('`engine` "cuda_graph" needs `device` "cuda"; use "compile" or "eager"')
    if name != "auto":
        return name
    return "cuda_graph" if device.type == "cuda" else "eager"


class Learner:
    """Carries out updates.

    :param update: losses of the networks, whose policy has their optimisers
    :param steps: how gradients become steps
    :param dual: dual variable of the discriminator's bottleneck; None for no bottleneck
    :param engine: ``"eager"``, ``"compile"`` (scan and imagination through ``torch.compile``), or
        ``"cuda_graph"``; the same function, but compiled code draws other random numbers
    :param tf32: let a GPU multiply and convolve in TF32, or forbid it
    """

    def __init__(
        self,
        update: Update,
        steps: Steps,
        dual: DualVariable | None,
        engine: EngineName,
        tf32: bool = True,
    ) -> None:
        self.update, self.steps, self.dual, self.engine = update, steps, dual, engine
        self.policy, self.tf32 = update.policy, tf32
        self.networks = update.networks()
        self._gradients: Gradients | None = None

    def optimizer(self, network: str) -> th.optim.Optimizer:
        """Optimiser of a network, by its name in :data:`NETWORKS`."""
        return getattr(self.policy, f"{network}_optimizer")

    def step(self, batch: SequenceBatch, expert: SequenceBatch, n_updates: int) -> th.Tensor:
        """One update of all networks.

        :param batch: sequences of the joint buffer
        :param expert: sequences of the expert
        :param n_updates: updates before this one
        :return: the fields of :class:`UpdateMetrics`
        :raises NonFiniteError: a loss is not finite; the weights are still those before the update
        """
        beta = batch.actions.new_tensor(0.0 if self.dual is None else self.dual.beta)
        if self._gradients is None:
            self._gradients = self._make_gradients(batch, expert, beta)
        gradients, metrics = self._gradients(batch, expert, beta)
        self._check_finite(gradients, metrics)
        self._apply(gradients)
        if self.dual is not None:
            self.dual.update(UpdateMetrics(*metrics).code_kl.reshape(1))
        if (n_updates + 1) % self.steps.target_update_interval == 0:
            _follow(self.policy.value_target, self.policy.value, self.steps.tau)
        if self.policy.actor_average is not None:
            _follow(self.policy.actor_average, self.policy.actor, 1.0 - self.steps.actor_decay)
        return metrics

    def _apply(self, gradients: list[list[th.Tensor]]) -> None:
        """Clip each network's gradient and take its step."""
        for name, found in zip(NETWORKS, gradients, strict=True):
            parameters = list(self.networks[name].parameters())
            for parameter, gradient in zip(parameters, found, strict=True):
                parameter.grad = gradient
            nn.utils.clip_grad_norm_(parameters, self.steps.max_grad_norm, foreach=True)
            self.optimizer(name).step()

    def _check_finite(self, gradients: list[list[th.Tensor]], metrics: th.Tensor) -> None:
        norms = th.stack([th.stack(th._foreach_norm(found)).sum() for found in gradients])
        if bool(th.isfinite(th.cat([metrics, norms])).all()):
            return
        figures = UpdateMetrics(*metrics)
        for name in (*LOSSES, *figures._fields):
            if not bool(th.isfinite(getattr(figures, name))):
                raise NonFiniteError(f"V-MAIL's `{name}` is not finite")
        bad = next(name for name, norm in zip(NETWORKS, norms, strict=True) if not norm.isfinite())
        raise NonFiniteError(f"the gradient of V-MAIL's {bad} is not finite")

    # ------------------------------------------------------------------ engines

    def _make_gradients(
        self, batch: SequenceBatch, expert: SequenceBatch, beta: th.Tensor
    ) -> Gradients:
        engine = resolve_engine(self.engine, self.policy.device)
        if engine == "cuda_graph":
            return self._captured(batch, expert, beta)
        if engine == "compile":
            self.update.compile_scans()
        return self._eager

    def _eager(
        self, batch: SequenceBatch, expert: SequenceBatch, beta: th.Tensor
    ) -> tuple[list[list[th.Tensor]], th.Tensor]:
        with _tf32(self.tf32 if self.policy.device.type == "cuda" else None):
            gradients, metrics = self.update(batch, expert, beta)
        return gradients, th.stack(metrics)

    def _captured(self, batch: SequenceBatch, expert: SequenceBatch, beta: th.Tensor) -> Gradients:
        """Forward and backward passes captured in one CUDA graph, which reads fixed memory."""
        inputs = [each.clone() for each in _flatten(batch, expert, beta)]
        keys, device = list(batch.observations), beta.device
        random = th.cuda.get_rng_state(device)
        stream = th.cuda.Stream(device)
        stream.wait_stream(th.cuda.current_stream(device))
        with th.cuda.stream(stream):
            for _ in range(WARM_UPS):
                self._eager(*_unflatten(inputs, keys))
        th.cuda.current_stream(device).wait_stream(stream)
        th.cuda.set_rng_state(random, device)
        graph = th.cuda.CUDAGraph()
        with th.cuda.graph(graph):
            found, metrics = self._eager(*_unflatten(inputs, keys))

        def gradients(
            batch: SequenceBatch, expert: SequenceBatch, beta: th.Tensor
        ) -> tuple[list[list[th.Tensor]], th.Tensor]:
            th._foreach_copy_(inputs, _flatten(batch, expert, beta))
            graph.replay()
            return found, metrics.clone()

        return gradients


@th.no_grad()
def _follow(slow: nn.Module, network: nn.Module, share: float) -> None:
    """The weights of a slow copy go a share of the way to those of a network."""
    for target, weight in zip(slow.parameters(), network.parameters(), strict=True):
        target.lerp_(weight, share)


def _flatten(batch: SequenceBatch, expert: SequenceBatch, beta: th.Tensor) -> list[th.Tensor]:
    parts = [*batch.observations.values(), batch.actions]
    return [*parts, *expert.observations.values(), expert.actions, beta]


def _unflatten(
    tensors: Sequence[th.Tensor], keys: list[str]
) -> tuple[SequenceBatch, SequenceBatch, th.Tensor]:
    n = len(keys)
    batch = SequenceBatch(dict(zip(keys, tensors[:n], strict=True)), tensors[n])
    expert = SequenceBatch(dict(zip(keys, tensors[n + 1 : 2 * n + 1], strict=True)), tensors[-2])
    return batch, expert, tensors[-1]
