"""Updates by plain PyTorch, and with loops over time that are compiled."""

from __future__ import annotations

from collections.abc import Callable

import torch as th

from sb3_vdb.run_state import random_state_kept
from sb3_vdb.vmail.engines.tf32 import tf32_set
from sb3_vdb.vmail.network_losses import NetworkLosses
from sb3_vdb.vmail.update import Update, UpdateInputs

Engine = Callable[[UpdateInputs], th.Tensor]  # returns what an update returns


def with_tf32(update: Update, tf32: bool) -> Callable[[UpdateInputs, bool], th.Tensor]:
    """Make a function that carries out the update, dry or not, with TF32 allowed or forbidden.

    :param update: update of all networks
    :param tf32: let a GPU multiply and convolve in TF32, or forbid it
    """
    on_gpu = update.policy.device.type == "cuda"

    def run(inputs: UpdateInputs, dry: bool) -> th.Tensor:
        with tf32_set(tf32 if on_gpu else None):
            return update(inputs, dry)

    return run


def eager(update: Update, tf32: bool, inputs: UpdateInputs) -> Engine:
    """Make an engine of plain PyTorch; parameters as of
    :func:`~sb3_vdb.vmail.engines.make_engine`.
    """
    run = with_tf32(update, tf32)
    return lambda inputs: run(inputs, False)


def compiled(update: Update, tf32: bool, inputs: UpdateInputs) -> Engine:
    """Make an engine whose loops over time go through ``torch.compile``; parameters as of
    :func:`~sb3_vdb.vmail.engines.make_engine`.
    """
    run, plain_loops = with_tf32(update, tf32), update.losses.loops
    compile_loops(update.losses)
    try:
        with random_state_kept(update.policy.device):
            run(inputs, True)  # it compiles when it is first called
    except RuntimeError:
        update.losses.loops = plain_loops
        raise
    return lambda inputs: run(inputs, False)


def compile_loops(losses: NetworkLosses) -> None:
    """Put the loops over time through ``torch.compile``: filtering along sequences and imagination.
    The rest takes gradients of gradients, which it cannot compile.

    :param losses: whose loops are replaced
    """
    losses.loops = {name: th.compile(loop) for name, loop in losses.loops.items()}
