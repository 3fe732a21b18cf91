"""The description of a discriminator from which it can be built again: what a saved file holds
beside the weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from types import MappingProxyType
from typing import Any

from torch import nn

from sb3_vdb.discriminators.airl import AIRLDiscriminator
from sb3_vdb.discriminators.base import Discriminator
from sb3_vdb.discriminators.features import FeatureEncoder
from sb3_vdb.discriminators.gail import GAILDiscriminator
from sb3_vdb.discriminators.normalizer import make_normalizer

ACTIVATIONS: Mapping[str, type[nn.Module]] = MappingProxyType(
    {each.__name__: each for each in (nn.ReLU, nn.Tanh, nn.ELU, nn.LeakyReLU, nn.SiLU)}
)


@dataclass(frozen=True)
class Architecture:
    """Shape of a discriminator; plain values only.

    :param kind: ``"gail"`` or ``"airl"``
    :param net_arch: widths of the hidden layers before the code
    :param code_dim: dimension of the code; None for no bottleneck
    :param activation_fn: name of the activation
    :param use_actions: whether the networks see actions
    :param use_next_observations: whether a GAIL-type network sees the next observation
    :param gamma: discount of an AIRL-type potential
    :param normalize_inputs: kind of the normaliser
    :param input_noise_std: instance noise on the inputs
    :param hidden_noise_std: instance noise on the last hidden layer
    """

    kind: str
    net_arch: tuple[int, ...]
    code_dim: int | None
    activation_fn: str
    use_actions: bool
    use_next_observations: bool
    gamma: float
    normalize_inputs: str
    input_noise_std: float
    hidden_noise_std: float

    def __post_init__(self) -> None:
        if not self.net_arch or any(width < 1 for width in self.net_arch):
            raise ValueError(
                f"`net_arch` must list at least one positive width, got {self.net_arch}"
            )
        if self.code_dim is not None and self.code_dim < 1:
            raise ValueError(f"`code_dim` must be positive, got {self.code_dim}")
        if self.activation_fn not in ACTIVATIONS:
            raise ValueError(
                f"`activation_fn` must be one of {', '.join(ACTIVATIONS)}, got {self.activation_fn}"
            )
        for name in ("input_noise_std", "hidden_noise_std"):
            if not getattr(self, name) >= 0.0:
                raise ValueError(
                    f"`{name}` must not be negative, got {getattr(self, name)}; 0 adds no noise"
                )

    def build(self, features: FeatureEncoder) -> Discriminator:
        """A discriminator of this shape with fresh weights."""
        observation_dim = features.observation_dim
        action_dim = features.action_dim if self.use_actions else 0
        normalizer = make_normalizer(
            self.normalize_inputs, features.observation_space, observation_dim
        )
        if self.kind == "gail":
            return GAILDiscriminator(
                normalizer,
                observation_dim,
                action_dim,
                self.net_arch,
                self.code_dim,
                ACTIVATIONS[self.activation_fn],
                self.use_next_observations,
                self.input_noise_std,
                self.hidden_noise_std,
            )
        return AIRLDiscriminator(
            normalizer,
            observation_dim,
            action_dim,
            self.net_arch,
            self.code_dim,
            self.gamma,
            ACTIVATIONS[self.activation_fn],
            self.input_noise_std,
            self.hidden_noise_std,
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values."""
        return {**asdict(self), "net_arch": list(self.net_arch)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Architecture:
        """The architecture that :meth:`to_dict` described."""
        known = {field.name: values[field.name] for field in fields(cls)}
        return cls(**{**known, "net_arch": tuple(values["net_arch"])})
