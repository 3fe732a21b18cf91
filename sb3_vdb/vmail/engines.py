"""Ways to carry out updates: plain PyTorch, ``torch.compile``, a CUDA graph. The same function, but
compiled code draws other random numbers.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain
from typing import Any, Literal

import torch as th

from sb3_vdb.run_state import random_state_kept
from sb3_vdb.vmail.replay import SequenceBatch
from sb3_vdb.vmail.update import NETWORKS
from sb3_vdb.vmail.whole_update import Inputs, WholeUpdate

EngineName = Literal["auto", "eager", "compile", "cuda_graph"]
ENGINES: tuple[EngineName, ...] = ("auto", "eager", "compile", "cuda_graph")
WARM_UPS = 3  # runs before a CUDA graph is captured, as torch asks for

CarryOut = Callable[[Inputs], th.Tensor]  # as WholeUpdate's call
Recorded = tuple[Callable[[], Any], th.Tensor]  # what runs it again, where its result then lies
Maker = Callable[[WholeUpdate, bool, Inputs], CarryOut]


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


def make_engine(whole: WholeUpdate, engine: EngineName, tf32: bool, inputs: Inputs) -> CarryOut:
    """A function that carries out updates with inputs of the same shapes.

    With ``"auto"`` an engine that fails gives way to the next, with a warning, but for a lack of
    memory, which is raised. How well PyTorch recovers from a capture that fails depends on its
    version; name an engine where it does not.

    :param whole: the update
    :param engine: its name
    :param tf32: let a GPU multiply and convolve in TF32, or forbid it
    :param inputs: of an update, to try the engine on; no weight changes, and no random numbers are
        used up
    """
    makers: dict[EngineName, Maker]
    makers = {"cuda_graph": CapturedUpdate, "compile": compiled, "eager": eager}
    *ahead, last = engines_for(engine, whole.policy.device)
    for name in ahead:
        try:
            return makers[name](whole, tf32, inputs)
        except RuntimeError as error:
            if _lacks_memory(error):
                raise
            warnings.warn(
                f"V-MAIL's updates go on without `engine` {name!r}, which failed: {error}; name "
                "another one to be rid of this warning",
                stacklevel=2,
            )
    return makers[last](whole, tf32, inputs)


def _lacks_memory(error: BaseException | None) -> bool:
    """Whether an error is, or came after, a lack of memory: ending a capture that ran out of it is
    another error.
    """
    while error is not None:
        if isinstance(error, th.cuda.OutOfMemoryError):
            return True
        error = error.__context__
    return False


Switch = tuple[Callable[[], Any], Callable[[Any], None], Any]  # reads, writes, a value


def _switches(tf32: bool) -> list[Switch]:
    """torch's switches for TF32 in products and convolutions on a GPU. The newer ones where they
    have been used already, since torch refuses a mixture.
    """
    cudnn: Any = th.backends.cudnn
    get_products, set_products = th.get_float32_matmul_precision, th.set_float32_matmul_precision
    try:
        _ = get_products(), cudnn.allow_tf32
    except RuntimeError:
        value = "tf32" if tf32 else "ieee"
        newer = (th.backends.cuda.matmul, cudnn.conv)
        return [(*_attribute(each, "fp32_precision"), value) for each in newer]
    products = (get_products, set_products, "high" if tf32 else "highest")
    return [products, (*_attribute(cudnn, "allow_tf32"), tf32)]


def _attribute(of: Any, name: str) -> tuple[Callable[[], Any], Callable[[Any], None]]:
    return partial(getattr, of, name), partial(setattr, of, name)


@contextmanager
def _tf32(allowed: bool | None) -> Iterator[None]:
    """Whether products and convolutions on a GPU use TF32 within the block; None leaves it."""
    switches = [] if allowed is None else _switches(allowed)
    before = [read() for read, _, _ in switches]
    for _, write, value in switches:
        write(value)
    try:
        yield
    finally:
        for (_, write, _), value in zip(switches, before, strict=True):
            write(value)


def _precisely(whole: WholeUpdate, tf32: bool) -> Callable[[Inputs, bool], th.Tensor]:
    """The update, dry or not, with TF32 allowed or forbidden within."""
    on_gpu = whole.policy.device.type == "cuda"

    def run(inputs: Inputs, dry: bool) -> th.Tensor:
        with _tf32(tf32 if on_gpu else None):
            return whole(inputs, dry)

    return run


def eager(whole: WholeUpdate, tf32: bool, inputs: Inputs) -> CarryOut:
    """Plain PyTorch; parameters as of :func:`make_engine`."""
    run = _precisely(whole, tf32)
    return lambda inputs: run(inputs, False)


def compiled(whole: WholeUpdate, tf32: bool, inputs: Inputs) -> CarryOut:
    """Scan and imagination through ``torch.compile``; parameters as of :func:`make_engine`."""
    run = _precisely(whole, tf32)
    whole.update.compile_scans()
    try:
        with random_state_kept(whole.policy.device):
            run(inputs, True)  # it compiles when it is first called
    except RuntimeError:
        whole.update.compile_scans(False)
        raise
    return lambda inputs: run(inputs, False)


class CapturedUpdate:
    """A whole update in one CUDA graph, which reads its inputs and the learning rates from fixed
    memory. It is captured again where weights or moments were replaced, by a loaded file say.

    Parameters are those of :func:`make_engine`.
    """

    def __init__(self, whole: WholeUpdate, tf32: bool, inputs: Inputs) -> None:
        self._whole, self._update = whole, _precisely(whole, tf32)
        self._keys = list(inputs.batch.observations)
        self._fixed = [each.clone() for each in _flatten(inputs)]
        self._rates = inputs.beta.new_zeros(len(NETWORKS))
        self._recorded, self._addresses = self._capture()

    def __call__(self, inputs: Inputs) -> th.Tensor:
        """One update."""
        if self._addresses != self._present_addresses():
            self._recorded = None  # its memory, for the next one
            self._recorded, self._addresses = self._capture()
        assert self._recorded is not None
        replay, figures = self._recorded
        th._foreach_copy_(self._fixed, _flatten(inputs))
        self._set_rates()
        replay()
        return figures.clone()

    def _capture(self) -> tuple[Recorded | None, list[int]]:
        """The update recorded, and where it found weights and moments."""
        for optimizer in self._optimizers():
            optimizer.zero_grad()
        self._set_rates()
        with self._rates_in_fixed_memory():
            recorded = record(self._run, self._whole.policy.device)
        return recorded, self._present_addresses()

    def _optimizers(self) -> list[th.optim.Optimizer]:
        return list(self._whole.optimizers().values())

    def _run(self, dry: bool) -> th.Tensor:
        return self._update(_unflatten(self._fixed, self._keys), dry)

    def _set_rates(self) -> None:
        rates = [optimizer.param_groups[0]["lr"] for optimizer in self._optimizers()]
        self._rates.copy_(self._rates.new_tensor(rates))

    @contextmanager
    def _rates_in_fixed_memory(self) -> Iterator[None]:
        """Within the block the optimisers take their rates from memory that a graph can read."""
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
        """Where all that an update reads and writes lies, beside its inputs."""
        moments = (
            value
            for optimizer in self._optimizers()
            for state in optimizer.state.values()
            for value in state.values()
        )
        policy = self._whole.policy
        weights = chain(policy.parameters(), policy.buffers())
        return [each.data_ptr() for each in chain(weights, moments)]


def record(run: Callable[[bool], th.Tensor], device: th.device) -> Recorded:
    """Capture a function in a CUDA graph.

    :param run: given True it has to leave everything as it is
    :param device: the GPU
    :return: what runs it again, and where its result then lies
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
    return graph.replay, result


def _flatten(inputs: Inputs) -> list[th.Tensor]:
    parts = (part for each in inputs[:2] for part in (*each.observations.values(), each.actions))
    return [*parts, *inputs[2:]]


def _unflatten(tensors: list[th.Tensor], keys: list[str]) -> Inputs:
    left = iter(tensors)
    batch, expert = (SequenceBatch({key: next(left) for key in keys}, next(left)) for _ in "12")
    return Inputs(batch, expert, *left)
