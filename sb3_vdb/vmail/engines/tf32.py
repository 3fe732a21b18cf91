"""Whether a GPU multiplies and convolves in TF32, by whichever switches PyTorch has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import torch as th


class Switch(NamedTuple):
    """One of torch's switches.

    :param read: returns its present value
    :param write: sets it
    :param value: what it is to be
    """

    read: Callable[[], Any]
    write: Callable[[Any], None]
    value: Any


@contextmanager
def tf32_set(allowed: bool | None) -> Iterator[None]:
    """Open a block in which products and convolutions on a GPU use TF32, or do not.

    :param allowed: whether they use it; None leaves everything as it is
    """
    switches = [] if allowed is None else _switches(allowed)
    before = [switch.read() for switch in switches]
    for switch in switches:
        switch.write(switch.value)
    try:
        yield
    finally:
        for switch, value in zip(switches, before, strict=True):
            switch.write(value)


def _switches(tf32: bool) -> list[Switch]:
    """Return torch's switches for products and convolutions; the newer ones where they have been
    used already, since torch refuses a mixture.
    """
    cudnn: Any = th.backends.cudnn
    try:
        _ = th.get_float32_matmul_precision(), cudnn.allow_tf32
    except RuntimeError:
        value = "tf32" if tf32 else "ieee"
        newer = (th.backends.cuda.matmul, cudnn.conv)
        return [_attribute(each, "fp32_precision", value) for each in newer]
    products = Switch(
        th.get_float32_matmul_precision,
        th.set_float32_matmul_precision,
        "high" if tf32 else "highest",
    )
    return [products, _attribute(cudnn, "allow_tf32", tf32)]


def _attribute(of: Any, name: str, value: Any) -> Switch:
    """Return a switch that is an attribute of something."""
    return Switch(partial(getattr, of, name), partial(setattr, of, name), value)
