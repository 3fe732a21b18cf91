"""Dense networks, and the weights that every network of this room begins with."""

from __future__ import annotations

from itertools import pairwise

from torch import nn


def mlp(input_dim: int, width: int, n_layers: int, output_dim: int) -> nn.Sequential:
    """Make hidden layers of one width with ELU, and a linear output.

    :param input_dim: number of inputs
    :param width: width of the hidden layers
    :param n_layers: number of hidden layers
    :param output_dim: number of outputs
    """
    widths = [input_dim, *[width] * n_layers]
    layers: list[nn.Module] = []
    for width_in, width_out in pairwise(widths):
        layers += [nn.Linear(width_in, width_out), nn.ELU()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], output_dim))


def initialize(module: nn.Module) -> None:
    """Give a layer Glorot-uniform weights and zero biases, and a GRU orthogonal recurrent weights:
    the defaults of TensorFlow, in which V-MAIL's authors wrote their code. It is meant for
    :meth:`torch.nn.Module.apply`.

    :param module: the layer; modules of other kinds keep their weights
    """
    if isinstance(module, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    if isinstance(module, nn.GRUCell):
        for part in module.weight_ih.chunk(3):
            nn.init.xavier_uniform_(part)
        for part in module.weight_hh.chunk(3):
            nn.init.orthogonal_(part)
        nn.init.zeros_(module.bias_ih)
        nn.init.zeros_(module.bias_hh)
