"""An update traced once and run again by torch without Python or autograd in between.

The networks of inverse RL are tiny, so that an update's cost is not arithmetic but the calls to a
few hundred operations. A traced update makes the same calls in the same order.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from threading import Lock
from typing import Any

import numpy as np
import torch as th
from torch.fx.experimental.proxy_tensor import make_fx

from sb3_vdb.adversarial.discriminator_update import (
    Gradients,
    UpdateResult,
    Weights,
    update_gradients,
)
from sb3_vdb.adversarial.objective import Objective
from sb3_vdb.discriminators import Discriminator
from sb3_vdb.views import EncodedTransitions

_TRACES: dict[tuple[Any, ...], Any] = {}  # shared by all discriminators of one shape
_TRACING = Lock()  # torch traces in one thread at a time


def traced_gradients(
    discriminator: Discriminator, objective: Objective, batch: EncodedTransitions
) -> Gradients:
    """Give :func:`~sb3_vdb.adversarial.discriminator_update.update_gradients` traced: the same
    operations in the same order, with the same random numbers.

    :param discriminator: it is not changed
    :param objective: what it minimises
    :param batch: samples of the right shape
    :raises RuntimeError: its networks cannot be traced, since values decide what they compute
    """
    parameters = list(discriminator.parameters())
    weights = [*parameters, *discriminator.buffers()]
    tensors = (*weights, *batch.tensors())
    key = (
        tuple(type(module) for module in discriminator.modules()),
        _exact(discriminator.arguments()),
        objective,
        tuple((each.shape, each.dtype, each.device, each.requires_grad) for each in tensors),
    )
    with _TRACING:
        if key not in _TRACES:
            copied = copy.deepcopy(discriminator).train()
            try:
                _TRACES[key] = _trace(update_gradients(copied, objective), weights, batch)
            except Exception as error:
                raise RuntimeError(
                    f"the update of {type(discriminator).__name__} cannot be traced ({error}); "
                    "give `trace_updates=False`, which runs Python and autograd at every update"
                ) from error
    run, n = _TRACES[key], len(parameters)

    def gradients(weights: Weights, batch: EncodedTransitions, beta: th.Tensor) -> UpdateResult:
        with th.no_grad():
            results = run(*weights, *batch.tensors(), beta)
        return UpdateResult(list(results[:n]), *results[n:])

    return gradients


def _exact(value: Any) -> Any:
    """Return a value that can be a key and is equal where the same is computed: arrays by their
    bytes, objects by their class and fields.
    """
    if isinstance(value, th.Tensor):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if is_dataclass(value) and not isinstance(value, type):
        return type(value), tuple(_exact(getattr(value, each.name)) for each in fields(value))
    if isinstance(value, Mapping):
        return tuple((name, _exact(each)) for name, each in value.items())
    if isinstance(value, (list, tuple)):
        return tuple(_exact(each) for each in value)
    return type(value), value


def _trace(function: Gradients, weights: Weights, batch: EncodedTransitions) -> Any:
    """Trace a function, with the state of torch's generators left as it was."""
    n = len(weights)
    inputs = [each.detach().clone().requires_grad_(each.requires_grad) for each in weights]
    inputs += [*batch.tensors(), batch.terminated.new_tensor(0.1)]

    def flat(*tensors: th.Tensor) -> tuple[th.Tensor, ...]:
        samples = EncodedTransitions.of_tensors(tensors[n:-1])
        result = function(tensors[:n], samples, tensors[-1])
        return (*result.gradients, *result[1:])

    devices = {each.device for each in inputs if each.is_cuda}
    with th.random.fork_rng(devices=devices), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of torch.jit, on newer Pythons
        traced = make_fx(flat)(*inputs)
        for node in list(traced.graph.nodes):
            if node.target is th.ops.aten.detach.default:  # nothing to detach from in a trace
                node.replace_all_uses_with(node.args[0])
                traced.graph.erase_node(node)
        traced.recompile()
        with th.no_grad():
            return th.jit.trace(traced, tuple(each.detach() for each in inputs), check_trace=False)
