"""Phase-functioned networks against their definition."""

import pytest
import torch as th

from sb3_vdb.networks import PhaseTrunk


def by_definition(trunk, row, n_intervals):
    """One row through the layers, with the weights interpolated for its phase."""
    place = (row[-1] + 1) / 2 * n_intervals
    i = min(int(place), n_intervals - 1)
    share, hidden = place - i, row[:-1]
    for layer in trunk.layers:
        second = (i + 1) % trunk.n_sets
        weight = th.lerp(layer.weight[i], layer.weight[second], share)
        bias = th.lerp(layer.bias[i], layer.bias[second], share)
        hidden = th.relu(weight @ hidden + bias)
    return hidden


@pytest.mark.parametrize(("cyclic", "n_intervals"), [(False, 4), (True, 5)])
def test_weights_are_interpolated_between_two_sets(cyclic, n_intervals):
    th.manual_seed(0)
    trunk = PhaseTrunk((7,), (6, 5), cyclic=cyclic)
    inputs = th.randn(40, 7)
    inputs[:, -1] = th.linspace(-1, 0.999, 40)[th.randperm(40)]
    expected = th.stack([by_definition(trunk, row, n_intervals) for row in inputs])
    th.testing.assert_close(trunk(inputs), expected, atol=1e-6, rtol=1e-5)


def test_a_cyclic_network_is_continuous_over_the_seam_and_another_one_holds_its_ends():
    cyclic, plain = PhaseTrunk((4,), (8,), cyclic=True), PhaseTrunk((4,), (8,))
    rows = th.randn(1, 4).repeat(4, 1)
    rows[:, -1] = th.tensor([-1.0, 1.0, -1.5, 1.5])
    th.testing.assert_close(cyclic(rows)[0], cyclic(rows)[1], atol=1e-5, rtol=0)
    th.testing.assert_close(plain(rows)[2:], plain(rows)[:2])
    assert not th.allclose(plain(rows)[0], plain(rows)[1])


def test_only_the_two_sets_of_a_phase_get_gradients():
    trunk = PhaseTrunk((3,), (8,))
    rows = th.randn(5, 3)
    rows[:, -1] = -0.75  # half way between the first set and the second one
    trunk(rows).sum().backward()
    used = [bool(each.abs().sum() > 0) for each in trunk.layers[0].weight.grad]
    assert used == [True, True, False, False, False]


def test_the_phase_can_stand_anywhere_and_has_a_gradient():
    th.manual_seed(1)
    first, last = PhaseTrunk((3,), (8,), phase_column=0), PhaseTrunk((3,), (8,))
    last.load_state_dict(first.state_dict())
    rows = th.rand(6, 3, requires_grad=True)
    th.testing.assert_close(first(rows), last(rows.roll(-1, dims=1)))
    (gradient,) = th.autograd.grad(first(rows).sum(), rows, create_graph=True)
    gradient.square().sum().backward()  # the gradient penalty's second derivatives
    assert th.isfinite(rows.grad).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_shape": (3, 8, 8)}, "takes vectors with a phase"),
        ({"input_shape": (1,)}, "takes vectors with a phase"),
        ({"phase_column": 5}, "`phase_column` is 5, and inputs have 4"),
        ({"span": (1.0, 0.0)}, "`span` must be two rising numbers"),
        ({"net_arch": ()}, "`net_arch` must list at least one"),
        ({"n_sets": 1}, "`n_sets` must be a whole number from 2 on, got 1"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        PhaseTrunk(**{"input_shape": (4,), **arguments})
