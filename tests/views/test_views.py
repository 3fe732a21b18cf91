"""What is seen of observations and transitions, and what is refused by name."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch as th
from gymnasium import spaces

from sb3_vdb.class_paths import from_plain, to_plain
from sb3_vdb.discriminators import AIRLDiscriminator, GAILDiscriminator
from sb3_vdb.networks import ConvTrunk
from sb3_vdb.transitions import Transitions
from sb3_vdb.views import (
    Inputs,
    Join,
    ObservationView,
    Picture,
    TransitionEncoder,
    Vector,
    View,
    default_view,
)

CPU = th.device("cpu")
STATE = spaces.Box(np.array([0, -1, -2, -3], np.float32), np.array([0, 1, 2, 3], np.float32) + 1)
FRAME = spaces.Box(0, 255, (16, 16, 3), np.uint8)
BOTH = spaces.Dict({"frame": FRAME, "state": STATE})
ACTIONS = spaces.Box(-1, 1, (2,), np.float32)


def observations(n=5, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "state": rng.normal(size=(n, 4)).astype(np.float32),
        "frame": rng.integers(0, 256, (n, 16, 16, 3), dtype=np.uint8),
    }


def transitions(n=5):
    actions = np.random.default_rng(9).uniform(-1, 1, (n, 2)).astype(np.float32)
    return Transitions(observations(n), actions, observations(n, 1), np.zeros(n, bool))


def test_chosen_columns_of_a_chosen_part_are_seen():
    seen = Vector("state", columns=(2, 0)).encode(observations(), BOTH, CPU)
    np.testing.assert_array_equal(seen.vectors, observations()["state"][:, [2, 0]])
    assert seen.pictures.shape[1] == 0
    assert Vector("state").keys(BOTH) == ("state",)
    low, high = Vector("state", columns=(2, 0)).bounds(BOTH)
    assert low.tolist() == [-2.0, 0.0]
    assert high.tolist() == [3.0, 1.0]


def test_pictures_are_kept_as_bytes_with_channels_first():
    seen = Picture("frame").encode(observations(), BOTH, CPU)
    assert seen.pictures.dtype == th.uint8
    np.testing.assert_array_equal(seen.pictures, np.moveaxis(observations()["frame"], -1, 1))
    already = spaces.Box(0, 255, (3, 16, 16), np.uint8)
    moved = np.moveaxis(observations()["frame"], -1, 1)
    np.testing.assert_array_equal(Picture().encode(moved, already, CPU).pictures, moved)


def test_several_views_are_joined():
    view = Join((Vector("state", (0,)), Picture("frame"), Vector("state", (3, 1), normalize=False)))
    seen = view.encode(observations(), BOTH, CPU)
    np.testing.assert_array_equal(seen.vectors, observations()["state"][:, [0, 3, 1]])
    assert seen.pictures.shape[1:] == (3, 16, 16)
    assert view.keys(BOTH) == ("state", "frame")
    assert view.raw_entries(BOTH).tolist() == [False, True, True]


@pytest.mark.parametrize("kind", ["running", "bounds"])
def test_a_raw_entry_stays_as_it_is_beside_what_is_normalised(kind):
    view = Join((Vector("state", (1, 2)), Vector("state", (3,), normalize=False)))
    normalizer = view.make_normalizer(kind, BOTH)
    data = 50.0 * view.encode(observations(100), BOTH, CPU).vectors
    normalizer.update(data)
    normalised = normalizer(data)
    assert th.equal(normalised[:, 2], data[:, 2])
    assert normalised[:, :2].abs().max() <= 10.0 < data[:, 2].abs().max()


@pytest.mark.parametrize(
    ("view", "space", "message"),
    [
        (Vector("speed"), BOTH, "have parts frame, state, and the view looks at 'speed'"),
        (Vector(), BOTH, "have parts frame, state, and the view looks at None"),
        (Vector("state"), STATE, "looks at part 'state', but the observations .* have none"),
        (Vector("state", (0, 4)), BOTH, r"`columns` \[0, 4\] are not of observation 'state'"),
        (Vector("frame"), BOTH, "is an image"),
        (Picture("state"), BOTH, r"'state' is Box.*no picture.*Vector\(\)"),
        (Vector(), spaces.Tuple((STATE, STATE)), "FlattenObservation"),
    ],
)
def test_views_that_do_not_fit_a_space_are_refused_by_name(view, space, message):
    with pytest.raises(ValueError, match=message):
        view.probe(space)


def test_a_view_has_to_choose_among_parts():
    with pytest.raises(ValueError, match=r"Picture\('frame'\), Vector\('state'\)"):
        default_view(BOTH)
    assert default_view(FRAME) == Picture()
    assert default_view(STATE) == Vector()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sees": ()}, "`sees` must be a tuple of some of observations, actions"),
        ({"sees": "actions"}, "`sees` must be a tuple"),
        ({"sees": ("rewards",)}, "`sees` must be a tuple"),
        ({"observation": "state"}, "`observation` must be a view of observations"),
    ],
)
def test_views_of_transitions_that_make_no_sense_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        View(**arguments)


@pytest.mark.parametrize(
    ("sees", "width"),
    [
        (("observations",), 4),
        (("next_observations",), 4),
        (("actions", "observations"), 6),
        (("observations", "next_observations"), 8),
        (("observations", "actions", "next_observations"), 10),
    ],
)
def test_a_discriminator_sees_the_chosen_moments_and_no_others(sees, width):
    view = View(Vector("state"), sees)
    network = GAILDiscriminator(BOTH, ACTIONS, view=view, code_dim=4)
    assert network.unit.trunk.layers[0].in_features == width
    data = transitions()
    batch = network.encode(data)
    logits = network(batch, sample=False).logits_expert_is_high
    for moment, changed in (
        ("observations", data._replace(observations=observations(seed=7))),
        ("actions", data._replace(actions=data.actions[::-1].copy())),
        ("next_observations", data._replace(next_observations=observations(seed=7))),
    ):
        other = network(network.encode(changed), sample=False).logits_expert_is_high
        assert th.equal(logits, other) == (moment not in sees)


def test_a_state_after_the_step_is_normalised_by_its_own_statistics():
    network = GAILDiscriminator(BOTH, ACTIONS, view=View(Vector("state"), ("next_observations",)))
    batch = network.encode(transitions())
    assert network.observed(batch) is batch.next_observations
    assert batch.observations.vectors.shape == (5, 0)


def test_pictures_of_two_moments_are_stacked_and_actions_join_their_features():
    view = View(Picture("frame"), ("observations", "actions", "next_observations"))
    network = GAILDiscriminator(
        BOTH, ACTIONS, view=view, trunk_class=ConvTrunk, trunk_kwargs={"depth": 4}, code_dim=4
    )
    output = network(network.encode(transitions()), sample=True, inputs_require_grad=True)
    vectors, pictures = output.inputs
    assert pictures.shape == (5, 6, 16, 16)
    assert pictures.min() >= -0.5
    assert pictures.max() <= 0.5
    assert vectors.shape == (5, 2)
    for gradient in th.autograd.grad(output.logits_expert_is_high.sum(), output.inputs):
        assert gradient.abs().sum() > 0


def test_an_airl_type_sees_pictures_too():
    network = AIRLDiscriminator(
        BOTH,
        ACTIONS,
        view=View(Picture("frame"), ("observations",)),
        trunk_class=ConvTrunk,
        trunk_kwargs={"depth": 4},
        code_dim=4,
    )
    output = network(network.encode(transitions()), sample=True)
    assert output.logits_expert_is_high.shape == (5,)
    assert network.reward_needs("f") == {"observations", "next_observations"}


@dataclass(frozen=True)
class Change(View):
    """Sees how the state changes: a function of both moments."""

    def inputs(self, observations, actions, next_observations):
        return Inputs(next_observations.vectors - observations.vectors)


@dataclass(frozen=True)
class Distance(ObservationView):
    """Sees how far the state is from a point."""

    point: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)

    def encode(self, observations, space, device):
        seen = Vector("state").encode(observations, space, device)
        distance = (seen.vectors - th.tensor(self.point, device=device)).norm(dim=1, keepdim=True)
        return seen._replace(vectors=distance)

    def keys(self, space):
        return ("state",)


def test_views_of_ones_own_work_and_survive_their_description():
    view = Change(Distance((1.0, 0.0, 0.0, 0.0)), ("observations", "next_observations"))
    network = GAILDiscriminator(BOTH, ACTIONS, view=view, code_dim=4)
    assert network.unit.trunk.layers[0].in_features == 1
    still = transitions()._replace(next_observations=observations())
    logits = network(network.encode(still), sample=False).logits_expert_is_high
    assert (logits == logits[0]).all()
    again = from_plain(to_plain(view), (View, ObservationView), "here")
    assert again == view
    assert TransitionEncoder(again, BOTH, ACTIONS).keys == ("state",)


@dataclass(frozen=True, eq=False)
class Projected(ObservationView):
    """Sees the state times a matrix."""

    matrix: np.ndarray

    def encode(self, observations, space, device):
        seen = Vector("state").encode(observations, space, device)
        return seen._replace(vectors=seen.vectors @ th.from_numpy(self.matrix).to(device))


@dataclass(frozen=True)
class Scaled(View):
    factor: float = 1.0


def test_arrays_of_a_view_come_back_as_arrays():
    view = View(Projected(np.arange(8, dtype=np.float32).reshape(4, 2)))
    again = from_plain(to_plain(view), (View, ObservationView), "here")
    np.testing.assert_array_equal(again.observation.matrix, view.observation.matrix)
    assert isinstance(again.observation.matrix, np.ndarray)


def test_a_view_keeps_its_own_fields_when_it_is_filled_in():
    view = Scaled(sees=("observations",), factor=5.0).of(STATE)
    assert view == Scaled(Vector(), ("observations",), 5.0)


@dataclass(frozen=True)
class Conf:
    depth: int = 2


class Configured(th.nn.Module):
    def __init__(self, input_shape, conf):
        super().__init__()
        self.features_dim = conf.depth
        self.layer = th.nn.Linear(*input_shape, conf.depth)

    def forward(self, inputs):
        return self.layer(inputs)


def test_files_make_nothing_but_views():
    for kind in ("torch.nn:Linear", f"{__name__}:Conf"):
        described = {"class": kind, "arguments": {}}
        with pytest.raises(ValueError, match="which is no View or ObservationView"):
            from_plain(described, (View, ObservationView), "file.pt")
    with pytest.raises(ValueError, match="no View or ObservationView"):  # and so none is written
        GAILDiscriminator(
            STATE, ACTIONS, trunk_class=Configured, trunk_kwargs={"conf": Conf()}
        ).describe()


@pytest.mark.parametrize("names", [{1: 2}, {"class": 2}, {"array": 2}])
def test_dictionaries_that_would_not_come_back_are_refused(names):
    with pytest.raises(ValueError, match="cannot be written to a file"):
        to_plain(names)


class NotAView:
    pass


def test_a_view_that_no_file_can_hold_is_refused():
    with pytest.raises(ValueError, match="frozen dataclasses"):
        to_plain(NotAView())
