"""A whole update in one CUDA graph."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any, NamedTuple

import torch as th

from sb3_vdb.run_state import random_state_kept
from sb3_vdb.vmail.engines.plain import with_tf32
from sb3_vdb.vmail.policies import NETWORKS
from sb3_vdb.vmail.replay_buffer import SequenceBatch
from sb3_vdb.vmail.update import Update, UpdateInputs

WARM_UPS = 3  # runs before a CUDA graph is captured, as torch asks for


class Captured(NamedTuple):
    """A captured function.

    :param run: runs it again
    :param result: where its result then lies
    """

    run: Callable[[], Any]
    result: th.Tensor


class CapturedUpdate:
    """Carries out updates by one CUDA graph, which reads its inputs and the learning rates from
    fixed memory. The update is captured again where weights or moments were replaced, by a loaded
    file for example.

    Parameters are those of :func:`~sb3_vdb.vmail.engines.make_engine`.
    """

    def __init__(self, update: Update, tf32: bool, inputs: UpdateInputs) -> None:
        self._update, self._run_update = update, with_tf32(update, tf32)
        self._keys = list(inputs.batch.observations)
        self._fixed = [each.clone() for each in _flatten(inputs)]
        self._rates = inputs.beta.new_zeros(len(NETWORKS))
        self._captured: Captured | None
        self._captured, self._addresses = self._capture()

    def __call__(self, inputs: UpdateInputs) -> th.Tensor:
        """Carry out one update."""
        if self._addresses != self._present_addresses():
            self._captured = None  # its memory, for the next one
            self._captured, self._addresses = self._capture()
        assert self._captured is not None
        th._foreach_copy_(self._fixed, _flatten(inputs))
        self._set_rates()
        self._captured.run()
        return self._captured.result.clone()

    def _capture(self) -> tuple[Captured, list[int]]:
        """Capture the update, and note where weights and moments lie."""
        for optimizer in self._optimizers():
            optimizer.zero_grad()
        self._set_rates()
        with self._rates_in_fixed_memory():
            captured = capture(self._run, self._update.policy.device)
        return captured, self._present_addresses()

    def _optimizers(self) -> list[th.optim.Optimizer]:
        return list(self._update.optimizers().values())

    def _run(self, dry: bool) -> th.Tensor:
        return self._run_update(_unflatten(self._fixed, self._keys), dry)

    def _set_rates(self) -> None:
        rates = [optimizer.param_groups[0]["lr"] for optimizer in self._optimizers()]
        self._rates.copy_(self._rates.new_tensor(rates))

    @contextmanager
    def _rates_in_fixed_memory(self) -> Iterator[None]:
        """Open a block in which the optimisers take their rates from memory that a graph can
        read.
        """
        groups = [optimizer.param_groups[0] for optimizer in self._optimizers()]
        before = [group["lr"] for group in groups]
        for group, rate in zip(groups, self._rates, strict=True):
            group.update(lr=rate, capturable=True)
        try:
            yield
        finally:
            for group, rate in zip(groups, before, strict=True):
                group.update(lr=rate, capturable=False)

    def _present_addresses(self) -> list[int]:
        """Return where all that an update reads and writes lies, its inputs excepted."""
        moments = (
            value
            for optimizer in self._optimizers()
            for state in optimizer.state.values()
            for value in state.values()
        )
        policy = self._update.policy
        weights = chain(policy.parameters(), policy.buffers())
        return [each.data_ptr() for each in chain(weights, moments)]


def capture(run: Callable[[bool], th.Tensor], device: th.device) -> Captured:
    """Capture a function in a CUDA graph.

    :param run: given True it has to leave everything as it is
    :param device: the GPU
    """
    graph, stream = th.cuda.CUDAGraph(), th.cuda.Stream(device)
    stream.wait_stream(th.cuda.current_stream(device))
    with th.cuda.stream(stream):  # also after an error within the capture, the old one returns
        with random_state_kept(device), warnings.catch_warnings():
            # that optimisers made ready for a graph run without one
            warnings.filterwarnings("ignore", "This instance was constructed with capturable=True")
            try:
                for _ in range(WARM_UPS):
                    run(True)
            finally:
                stream.synchronize()  # whoever goes on after an error does so on another stream
        with th.cuda.graph(graph, stream=stream):
            result = run(False)
    th.cuda.current_stream(device).wait_stream(stream)
    return Captured(graph.replay, result)


def _flatten(inputs: UpdateInputs) -> list[th.Tensor]:
    """List the tensors of inputs: observations, actions and, where they are kept, beliefs of both
    batches, and the scalars.
    """
    parts = [
        part
        for each in (inputs.batch, inputs.expert)
        for part in (*each.observations.values(), each.actions, each.before)
        if part is not None
    ]
    return [*parts, inputs.beta, inputs.target_share]


def _unflatten(tensors: list[th.Tensor], keys: list[str]) -> UpdateInputs:
    """Undo :func:`_flatten`."""
    *parts, beta, target_share = tensors
    n, half = len(keys), len(parts) // 2
    batch, expert = (
        SequenceBatch(dict(zip(keys, mine, strict=False)), *mine[n:])
        for mine in (parts[:half], parts[half:])
    )
    return UpdateInputs(batch, expert, beta, target_share)
