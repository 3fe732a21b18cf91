"""Ways to compute an update's gradients: plain PyTorch, ``torch.compile``, a CUDA graph. The same
function, but compiled code draws other random numbers.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

import torch as th

from sb3_vdb.run_state import random_state_kept
from sb3_vdb.vmail.replay import SequenceBatch
from sb3_vdb.vmail.update import Update

EngineName = Literal["auto", "eager", "compile", "cuda_graph"]
ENGINES: tuple[EngineName, ...] = ("auto", "eager", "compile", "cuda_graph")
WARM_UPS = 3  # runs before a CUDA graph is captured, as torch asks for

Inputs = tuple[SequenceBatch, SequenceBatch, th.Tensor]  # as of Update.forward
Gradients = Callable[
    [SequenceBatch, SequenceBatch, th.Tensor], tuple[list[list[th.Tensor]], th.Tensor]
]


def engines_for(name: EngineName, device: th.device) -> tuple[EngineName, ...]:
    """The engines to try, one after another: what is named alone; for ``"auto"`` plain PyTorch, on
    a GPU a CUDA graph, ``torch.compile`` and plain PyTorch.

    :raises ValueError: unknown, or a CUDA graph without a GPU
    """
    if name not in ENGINES:
        raise ValueError(f"`engine` must be one of {', '.join(ENGINES)}, got {name!r}")
    if name == "cuda_graph" and device.type != "cuda":
        raise ValueError('`engine` "cuda_graph" needs `device` "cuda"; use "compile" or "eager"')
    if name != "auto":
        return (name,)
    return ("cuda_graph", "compile", "eager") if device.type == "cuda" else ("eager",)


def make_gradients(update: Update, engine: EngineName, tf32: bool, inputs: Inputs) -> Gradients:
    """A function that gives gradients and metrics of updates with inputs of the same shapes.

    With ``"auto"`` an engine that fails gives way to the next, with a warning, but for a lack of
    memory, which is raised. How well PyTorch recovers from a capture that fails depends on its
    version; name an engine where it does not.

    :param update: losses
    :param engine: its name
    :param tf32: let a GPU multiply and convolve in TF32, or forbid it
    :param inputs: of an update, to try the engine on; no random numbers are used up
    """
    makers = {"cuda_graph": captured, "compile": compiled, "eager": eager}
    *ahead, last = engines_for(engine, update.policy.device)
    for name in ahead:
        try:
            return makers[name](update, tf32, inputs)
        except th.cuda.OutOfMemoryError:
            raise
        except RuntimeError as error:
            warnings.warn(
                f"V-MAIL's updates go on without `engine` {name!r}, which failed: {error}; name "
                "another one to be rid of this warning",
                stacklevel=2,
            )
    return makers[last](update, tf32, inputs)


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


def eager(update: Update, tf32: bool, inputs: Inputs | None = None) -> Gradients:
    """Plain PyTorch; parameters as of :func:`make_gradients`."""

    def gradients(
        batch: SequenceBatch, expert: SequenceBatch, beta: th.Tensor
    ) -> tuple[list[list[th.Tensor]], th.Tensor]:
        with _tf32(tf32 if update.policy.device.type == "cuda" else None):
            found, metrics = update(batch, expert, beta)
        return found, th.stack(metrics)

    return gradients


def compiled(update: Update, tf32: bool, inputs: Inputs) -> Gradients:
    """Scan and imagination through ``torch.compile``; parameters as of :func:`make_gradients`."""
    gradients = eager(update, tf32)
    update.compile_scans()
    try:
        with random_state_kept(update.policy.device):
            gradients(*inputs)  # it compiles when it is first called
    except RuntimeError:
        update.compile_scans(False)
        raise
    return gradients


def captured(update: Update, tf32: bool, inputs: Inputs) -> Gradients:
    """Forward and backward passes captured in one CUDA graph, which reads fixed memory; parameters
    as of :func:`make_gradients`.
    """
    batch, _, beta = inputs
    fixed = [each.clone() for each in _flatten(*inputs)]
    keys, device = list(batch.observations), beta.device
    run = eager(update, tf32)
    graph, stream = th.cuda.CUDAGraph(), th.cuda.Stream(device)
    stream.wait_stream(th.cuda.current_stream(device))
    with th.cuda.stream(stream):  # also after an error within the capture, the old one returns
        with random_state_kept(device):
            for _ in range(WARM_UPS):
                run(*_unflatten(fixed, keys))
        with th.cuda.graph(graph, stream=stream):
            found, metrics = run(*_unflatten(fixed, keys))
    th.cuda.current_stream(device).wait_stream(stream)

    def gradients(
        batch: SequenceBatch, expert: SequenceBatch, beta: th.Tensor
    ) -> tuple[list[list[th.Tensor]], th.Tensor]:
        th._foreach_copy_(fixed, _flatten(batch, expert, beta))
        graph.replay()
        return found, metrics.clone()

    return gradients


def _flatten(batch: SequenceBatch, expert: SequenceBatch, beta: th.Tensor) -> list[th.Tensor]:
    parts = [*batch.observations.values(), batch.actions]
    return [*parts, *expert.observations.values(), expert.actions, beta]


def _unflatten(tensors: Sequence[th.Tensor], keys: list[str]) -> Inputs:
    n = len(keys)
    batch = SequenceBatch(dict(zip(keys, tensors[:n], strict=True)), tensors[n])
    expert = SequenceBatch(dict(zip(keys, tensors[n + 1 : 2 * n + 1], strict=True)), tensors[-2])
    return batch, expert, tensors[-1]
