"""Gradients as optimisers need them."""

from __future__ import annotations

import torch as th


def laid_out_like(parameter: th.Tensor, gradient: th.Tensor) -> th.Tensor:
    """Bring a gradient into the parameter's order in memory, as ``backward`` would leave it: fused
    Adam goes through both from end to end, whatever their strides.
    """
    if gradient.stride() == parameter.stride():
        return gradient
    return th.empty_like(parameter).copy_(gradient)
