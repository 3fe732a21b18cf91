"""Which engine carries out updates, and what follows where it fails."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Literal

import torch as th

from sb3_vdb.vmail.engines.cuda_graph import CapturedUpdate
from sb3_vdb.vmail.engines.plain import Engine, compiled, eager
from sb3_vdb.vmail.update import Update, UpdateInputs

EngineName = Literal["auto", "eager", "compile", "cuda_graph"]
ENGINES: tuple[EngineName, ...] = ("auto", "eager", "compile", "cuda_graph")
Maker = Callable[[Update, bool, UpdateInputs], Engine]


def engines_for(name: EngineName, device: th.device) -> tuple[EngineName, ...]:
    """Return the engines to try, one after another: what is named alone; for ``"auto"`` plain
    PyTorch, on a GPU a CUDA graph, ``torch.compile`` and plain PyTorch.

    :param name: as the user named it
    :param device: of the networks
    :raises ValueError: unknown, or a CUDA graph without a GPU
    """
    if name not in ENGINES:
        raise ValueError(f"`engine` must be one of {', '.join(ENGINES)}, got {name!r}")
    if name == "cuda_graph" and device.type != "cuda":
        raise ValueError('`engine` "cuda_graph" needs `device` "cuda"; use "compile" or "eager"')
    if name != "auto":
        return (name,)
    return ("cuda_graph", "compile", "eager") if device.type == "cuda" else ("eager",)


def make_engine(update: Update, engine: EngineName, tf32: bool, inputs: UpdateInputs) -> Engine:
    """Make a function that carries out updates with inputs of the same shapes.

    With ``"auto"`` the next engine is tried where one fails, with a warning, but a lack of memory
    is raised. How well PyTorch recovers from a capture that fails depends on its version; name an
    engine where it does not.

    :param update: update of all networks
    :param engine: its name
    :param tf32: let a GPU multiply and convolve in TF32, or forbid it
    :param inputs: inputs of an update, to try the engine on; no weight changes, and no random
        numbers are used up
    """
    makers: dict[EngineName, Maker]
    makers = {"cuda_graph": CapturedUpdate, "compile": compiled, "eager": eager}
    *ahead, last = engines_for(engine, update.policy.device)
    for name in ahead:
        try:
            return makers[name](update, tf32, inputs)
        except RuntimeError as error:
            if _lacks_memory(error):
                raise
            warnings.warn(
                f"V-MAIL's updates go on without `engine` {name!r}, which failed: {error}; name "
                "another one to be rid of this warning",
                stacklevel=2,
            )
    return makers[last](update, tf32, inputs)


def _lacks_memory(error: BaseException | None) -> bool:
    """Say whether an error is, or came after, a lack of memory: ending a capture that ran out of it
    is another error.
    """
    while error is not None:
        if isinstance(error, th.cuda.OutOfMemoryError):
            return True
        error = error.__context__
    return False
