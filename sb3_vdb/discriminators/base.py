"""What every discriminator offers: what it needs of a transition, logits and divergences for its
own training, a reward for the policy's.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, NamedTuple

import torch as th
from gymnasium import spaces
from torch import nn

from sb3_vdb.arguments import number_from_zero, positive_int
from sb3_vdb.class_paths import class_path, find_class, from_plain, make, to_plain
from sb3_vdb.discriminators.unit import CodeUnit, UnitOutput
from sb3_vdb.networks.observation_scales import PIXEL_RANGE
from sb3_vdb.networks.trunks import DenseTrunk, make_trunk
from sb3_vdb.transitions import Transitions
from sb3_vdb.vdb import add_noise
from sb3_vdb.views import EncodedTransitions, Inputs, ObservationView, Seen, TransitionEncoder, View

PenaltyTarget = Literal["logits", "probabilities", "terms"]
PENALTY_TARGETS: tuple[PenaltyTarget, ...] = ("logits", "probabilities", "terms")
FUSION = "fusion"  # prefix of the arguments that make one
Space = spaces.Space[Any]


class DiscriminatorOutput(NamedTuple):
    """What one pass over a batch gives.

    :param logits_expert_is_high: shape (batch,)
    :param kl: divergence of the codes from N(0, I) in nats, shape (batch,)
    :param inputs: normalised inputs the logits were computed from, each (batch, ...), for the
        gradient penalty
    :param terms: the networks' own outputs, each (batch,): the logit, or g, h(s') and h(s)
    """

    logits_expert_is_high: th.Tensor
    kl: th.Tensor
    inputs: tuple[th.Tensor, ...]
    terms: tuple[th.Tensor, ...]

    def penalised(self, target: PenaltyTarget) -> tuple[th.Tensor, ...]:
        """Give the outputs whose gradients eq. 15 penalises: the logits, sigmoid(logits), or each
        network's own output.
        """
        if target == "terms":
            return self.terms
        logits = self.logits_expert_is_high
        return (logits if target == "logits" else th.sigmoid(logits),)


class Discriminator(nn.Module, ABC):
    """Tells expert transitions from the generator's.

    A class says what it is by its attributes: which rewards it can pay, the first one by default
    (``reward_types``), whether it compares with the policy's density (``needs_density``), and what
    it sees by default (``default_view``). Its constructor's keyword arguments are what
    ``discriminator_kwargs`` of a trainer may have, and what files describe it by.

    :param observation_space: of the environment
    :param action_space: of the environment
    :param view: what it sees; None for ``default_view``
    :param trunk_class: ``trunk_class(input_shape, **trunk_kwargs)`` is a module that maps
        ``(batch, *input_shape)`` to (batch, features_dim) and tells its ``features_dim``. It sees
        pictures where there are some, and vectors beside them join its features.
    :param trunk_kwargs: its arguments beside the shape
    :param fusion_class: where vectors, actions among them, are seen beside pictures: such a module
        for the picture's features and the vectors behind them; None for
        :class:`~sb3_vdb.networks.DenseTrunk`. Without hidden layers here a logit would be a sum of
        what the picture says and of what the action says, whatever they say together.
    :param fusion_kwargs: its arguments beside the shape
    :param code_dim: dimension of each code; None for no bottleneck
    :param normalize_inputs: ``"running"`` statistics of observations, their ``"bounds"``, or
        ``"none"``
    :param input_noise_std: instance noise on the normalised inputs while training (baseline "GAIL -
        noise")
    :param hidden_noise_std: instance noise on the trunk's features while training (baseline "GAIL -
        noise z")
    :raises ValueError: an argument is out of range, or a space cannot be seen so
    """

    reward_types: ClassVar[tuple[str, ...]]
    needs_density: ClassVar[bool] = False
    default_view: ClassVar[View]

    def __init__(
        self,
        observation_space: Space,
        action_space: Space,
        *,
        view: View | None = None,
        trunk_class: type[nn.Module] = DenseTrunk,
        trunk_kwargs: Mapping[str, Any] | None = None,
        fusion_class: type[nn.Module] | None = None,
        fusion_kwargs: Mapping[str, Any] | None = None,
        code_dim: int | None = None,
        normalize_inputs: str = "running",
        input_noise_std: float = 0.0,
        hidden_noise_std: float = 0.0,
    ) -> None:
        super().__init__()
        chosen = self.default_view if view is None else view
        if not isinstance(chosen, View):
            raise ValueError(
                f"`view` must be a View, got {chosen!r}; for observations alone "
                'View(..., sees=("observations",)), from sb3_vdb.views'
            )
        self.view = chosen.of(observation_space)
        if not {"observations", "next_observations"} & self.needs:
            raise ValueError(
                f'`view` sees {self.view.sees} and no observation; add "observations" or '
                '"next_observations" to `sees`'
            )
        self.observation_space, self.action_space = observation_space, action_space
        self.trunk_class, self.trunk_kwargs = trunk_class, dict(trunk_kwargs or {})
        self.fusion_class, self.fusion_kwargs = fusion_class, fusion_kwargs
        self.code_dim = None if code_dim is None else positive_int("code_dim", code_dim)
        self.normalize_inputs = normalize_inputs
        self.input_noise_std = number_from_zero("input_noise_std", input_noise_std)
        self.hidden_noise_std = number_from_zero("hidden_noise_std", hidden_noise_std)
        self.transition_encoder = TransitionEncoder(
            self.view, observation_space, action_space, self.needs
        )
        self.normalizer = self.observation_view.make_normalizer(normalize_inputs, observation_space)
        self.make_networks()
        self._check_fusion()

    @abstractmethod
    def make_networks(self) -> None:
        """Make the networks; called once, at the end of the constructor."""

    # ------------------------------------------------------------------ what it is

    @property
    def observation_view(self) -> ObservationView:
        """What is seen of an observation."""
        assert self.view.observation is not None
        return self.view.observation

    @property
    def needs(self) -> frozenset[str]:
        """Fields of a transition that the networks see (for the density, actions as well)."""
        return frozenset(self.view.sees)

    def reward_needs(self, reward_type: str) -> frozenset[str]:
        """Name the fields that a reward is a function of; ``"log_probs"`` is the policy's
        density.
        """
        return frozenset(self.view.sees)

    def arguments(self) -> dict[str, Any]:
        """Give the keyword arguments that it was made with; a subclass adds its own."""
        return {
            "view": self.view,
            "trunk_class": self.trunk_class,
            "trunk_kwargs": self.trunk_kwargs,
            "fusion_class": self.fusion_class,
            "fusion_kwargs": self.fusion_kwargs,
            "code_dim": self.code_dim,
            "normalize_inputs": self.normalize_inputs,
            "input_noise_std": self.input_noise_std,
            "hidden_noise_std": self.hidden_noise_std,
        }

    @classmethod
    def argument_names(cls) -> tuple[str, ...]:
        """Name the keyword arguments of the constructor, those of its base classes included."""
        names: dict[str, None] = {}
        for kind in reversed(cls.__mro__):
            if issubclass(kind, Discriminator) and "__init__" in vars(kind):
                parameters = inspect.signature(kind.__init__).parameters.values()
                names |= {each.name: None for each in parameters if each.kind is each.KEYWORD_ONLY}
        return tuple(names)

    def describe(self) -> dict[str, Any]:
        """Describe it by plain values and import paths, from which :meth:`rebuild` makes another of
        its shape.

        :raises ValueError: it has arguments that no file can hold, or does not tell
        """
        kind, arguments = type(self), self.arguments()
        untold = [name for name in self.argument_names() if name not in arguments]
        if untold:
            raise ValueError(
                f"`arguments()` of {kind.__name__} lacks {', '.join(untold)}, so that no file can "
                "describe it; let it return {**super().arguments(), ...} with them"
            )
        described = to_plain(arguments)
        from_plain(described, (View, ObservationView), f"`arguments()` of {kind.__name__}")
        return {"class": class_path(kind), "arguments": described}

    @staticmethod
    def rebuild(
        description: Mapping[str, Any], observation_space: Space, action_space: Space, source: str
    ) -> Discriminator:
        """Make a discriminator with fresh weights from :meth:`describe`.

        :param description: what was described
        :param observation_space: of the environment
        :param action_space: of the environment
        :param source: of the description, for the messages
        :raises ValueError: it names a class that is not here, no discriminator, or one that takes
            other arguments
        """
        kind = find_class(description["class"], Discriminator, source)
        arguments = from_plain(description["arguments"], (View, ObservationView), source)
        discriminator: Discriminator = make(
            kind, arguments, source, observation_space, action_space
        )
        return discriminator

    # ------------------------------------------------------------------ what it sees

    @property
    def device(self) -> th.device:
        """Where it lives."""
        return self.normalizer.mean.device

    def encode(self, transitions: Transitions) -> EncodedTransitions:
        """Encode raw transitions on its device, with zero log-densities."""
        return self.transition_encoder.encode(transitions, self.device)

    def observed(self, batch: EncodedTransitions) -> Seen:
        """Give the observations by which inputs are normalised: s, or s' where only that is
        seen.
        """
        return batch.observations if "observations" in self.needs else batch.next_observations

    def normalized(self, seen: Seen) -> Inputs:
        """Normalise vectors, and scale pictures to [-1/2, 1/2]."""
        vectors = self.normalizer(seen.vectors) if seen.vectors.shape[1] else seen.vectors
        if not seen.pictures.shape[1]:
            return Inputs(vectors)
        return Inputs(vectors, seen.pictures.float() / PIXEL_RANGE - 0.5)

    def noisy(self, inputs: Inputs) -> Inputs:
        """Add instance noise."""
        return inputs.map(lambda values: add_noise(values, self.input_noise_std))

    def probe(self) -> tuple[Inputs, th.Tensor]:
        """Give one normalised observation of zeros and one action, for their shapes."""
        return self.normalized(self.transition_encoder.probe), th.zeros(
            1, self.transition_encoder.action_dim
        )

    def make_unit(self, inputs: Inputs) -> CodeUnit:
        """Make a trunk with a code and a linear unit.

        :param inputs: what it will see, of any batch size, for its shapes
        :raises ValueError: the trunk does not fit
        """
        vector_dim, pictures = inputs.vectors.shape[1], inputs.pictures
        shape = (vector_dim,) if pictures is None else tuple(pictures.shape[1:])
        trunk = make_trunk(self.trunk_class, shape, self.trunk_kwargs)
        fusion = None
        if pictures is not None and vector_dim:
            joined = (int(trunk.features_dim) + vector_dim,)  # type: ignore[arg-type]
            fusion = make_trunk(self.fusion_class or DenseTrunk, joined, self.fusion_kwargs, FUSION)
        return CodeUnit(trunk, self.code_dim, self.hidden_noise_std, fusion)

    def _check_fusion(self) -> None:
        """Refuse a fusion where there is nothing to fuse.

        :raises ValueError: naming the argument
        """
        given = self.fusion_class is not None or self.fusion_kwargs is not None
        units = [each for each in self.modules() if isinstance(each, CodeUnit)]
        if given and all(each.fusion is None for each in units):
            raise ValueError(
                "`fusion_class` and `fusion_kwargs` are of vectors beside pictures, and the view "
                f"sees {'vectors' if self.probe()[0].pictures is None else 'pictures'} alone; "
                "leave them out"
            )

    @staticmethod
    def apply_unit(unit: CodeUnit, inputs: Inputs, sample: bool) -> UnitOutput:
        """Compute values and divergences of a unit of :meth:`make_unit`."""
        if inputs.pictures is None:
            return unit(inputs.vectors, sample)
        return unit(inputs.pictures, sample, inputs.vectors if inputs.vectors.shape[1] else None)

    # ------------------------------------------------------------------ what it says

    @abstractmethod
    def forward(
        self, batch: EncodedTransitions, sample: bool, inputs_require_grad: bool = False
    ) -> DiscriminatorOutput:
        """Compute logits and divergences.

        :param batch: encoded transitions
        :param sample: sample codes and noise, as in training, or use the mean codes
        :param inputs_require_grad: let gradients with respect to the inputs be taken
        """

    @abstractmethod
    def reward(self, batch: EncodedTransitions, reward_type: str) -> th.Tensor:
        """Compute the reward of each transition at the mean codes (eq. 11), shape (batch,)."""
