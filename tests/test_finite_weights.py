"""Weights that are not finite: named, and restored with what optimisers remember."""

import math

import pytest
import torch as th
from torch import nn

from sb3_vdb.errors import NonFiniteError
from sb3_vdb.finite_weights import LastFiniteWeights, check_weights, weight_not_finite


def make_nets():
    th.manual_seed(0)
    nets = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1))
    return nets, th.optim.Adam(nets.parameters(), lr=0.1)


def take_step(nets, optimizer):
    optimizer.zero_grad()
    nets(th.ones(2, 3)).square().mean().backward()
    optimizer.step()


def contents(nets, optimizer):
    memory = [value.clone() for own in optimizer.state.values() for value in own.values()]
    return [*(each.detach().clone() for each in nets.parameters()), *memory]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_the_first_weight_that_is_not_finite_is_named(value):
    nets, _ = make_nets()
    check_weights(nets)
    nets[1].bias.data[0] = value
    assert weight_not_finite(nets) == "1.bias"
    nets[0].weight.data[2, 1] = value
    with pytest.raises(NonFiniteError, match=r"weight `0\.weight` is not finite; load an earlier"):
        check_weights(nets)


def test_large_numbers_and_networks_without_weights_are_finite():
    nets, _ = make_nets()
    nets[0].weight.data.fill_(th.finfo(th.float32).max)  # their sum is infinite
    check_weights(nets)
    check_weights(nn.ReLU())


def test_weights_and_optimisers_are_restored_where_they_lie():
    nets, optimizer = make_nets()
    take_step(nets, optimizer)
    last, expected = LastFiniteWeights(nets, [optimizer]), contents(nets, optimizer)
    last.keep()
    places = [each.data_ptr() for each in nets.parameters()]
    take_step(nets, optimizer)
    assert last.restore_if_needed() is None  # all is well, nothing is taken back
    assert not th.equal(nets[0].weight, expected[0])
    nets[0].bias.data[0] = math.nan
    with pytest.raises(NonFiniteError):
        last.keep()
    assert last.restore_if_needed() == "0.bias"
    for present, before in zip(contents(nets, optimizer), expected, strict=True):
        assert th.equal(present, before)
    assert [each.data_ptr() for each in nets.parameters()] == places


def test_an_optimiser_that_had_not_begun_begins_again():
    nets, optimizer = make_nets()
    last = LastFiniteWeights(nets, [optimizer])
    assert not last.is_kept
    last.keep()
    assert last.is_kept
    take_step(nets, optimizer)
    once = contents(nets, optimizer)
    nets[1].weight.data.fill_(math.inf)
    assert last.restore_if_needed() == "1.weight"
    take_step(nets, optimizer)
    for present, before in zip(contents(nets, optimizer), once, strict=True):
        assert th.equal(present, before)
