"""Our discriminators as reward nets of `imitation`: its GAIL becomes VAIL, its AIRL VAIRL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch as th
from gymnasium import spaces
from stable_baselines3.common.preprocessing import is_image_space

from sb3_vdb.adversarial.objective import Objective, PenaltySide
from sb3_vdb.adversarial.settings import (
    DEFAULT_BETA,
    DEFAULT_CODE_DIM,
    DEFAULT_INFORMATION_LIMIT,
)
from sb3_vdb.arguments import number_from_zero, one_of, positive_int
from sb3_vdb.discriminators import (
    PENALTY_TARGETS,
    AIRLDiscriminator,
    Discriminator,
    DiscriminatorOutput,
    GAILDiscriminator,
    PenaltyTarget,
)
from sb3_vdb.transitions import Transitions
from sb3_vdb.vdb import DEFAULT_BETA_STEP_SIZE, Constraint, DualVariable
from sb3_vdb.views import EncodedTransitions

try:
    from imitation.rewards.reward_nets import RewardNet, RewardNetWrapper
except ImportError as error:
    raise ImportError('this needs imitation: pip install "sb3-vdb[imitation]"') from error

Space = spaces.Space[Any]
BOTTLENECK = {"code_dim": DEFAULT_CODE_DIM}


class DiscriminatorRewardNet(RewardNet):
    """A :class:`~sb3_vdb.discriminators.Discriminator` as ``reward_net`` of `imitation`'s ``GAIL``
    and ``AIRL``, which add up no other loss than cross-entropy: the terms of the bottleneck (VDB
    paper, eq. 10) and of the gradient penalty (eq. 15) join the backward pass of its logits, and
    the dual variable takes its step behind it (eq. 9).

    `imitation` takes the mean over expert and generator samples where eq. 10 adds up the two means,
    so that all terms are half as large as in :class:`~sb3_vdb.VAIL`, and their gradients parallel.

    Codes are sampled while `imitation` trains the discriminator, and are the mean codes in rewards
    (eq. 11). *Differences from this package's trainers*: the normaliser follows every batch, not
    every round; the tests of the constraint and of NaN are not made; nothing is traced.

    :param observation_space: a Box or a discrete space; `imitation` takes no Dict
    :param action_space: of the environment
    :param discriminator_kwargs: arguments of the discriminator, such as ``view``, ``trunk_class``,
        ``trunk_kwargs`` and ``code_dim``
    :param information_limit: I_c in nats; None for no bottleneck
    :param beta: dual variable at the beginning
    :param beta_step_size: alpha_beta of eq. 9
    :param constraint: ``"average"`` or ``"pointwise"``
    :param grad_penalty_coef: w_GP of eq. 15
    :param grad_penalty_on: ``"expert"`` or ``"both"`` sides
    :param grad_penalty_target: ``"logits"``, ``"probabilities"`` or ``"terms"``
    :param n_minibatches: ``demo_batch_size`` of the trainer divided by its ``demo_minibatch_size``
    :param dones_are_terminal: whether the end of an episode is the task's own. `imitation` does not
        tell it from a time limit, and its default are episodes of a fixed horizon, which time
        limits end.
    :raises ValueError: an argument is out of range, or a space cannot be seen so
    """

    discriminator_class: ClassVar[type[Discriminator]] = GAILDiscriminator

    def __init__(
        self,
        observation_space: Space,
        action_space: Space,
        *,
        discriminator_kwargs: Mapping[str, Any] | None = None,
        information_limit: float | None = DEFAULT_INFORMATION_LIMIT,
        beta: float = DEFAULT_BETA,
        beta_step_size: float = DEFAULT_BETA_STEP_SIZE,
        constraint: Constraint = "average",
        grad_penalty_coef: float = 0.0,
        grad_penalty_on: PenaltySide = "expert",
        grad_penalty_target: PenaltyTarget = "logits",
        n_minibatches: int = 1,
        dones_are_terminal: bool = False,
    ) -> None:
        if isinstance(observation_space, (spaces.Dict, spaces.Tuple)):
            raise ValueError(
                f"imitation takes no observations with parts, got {observation_space}; use "
                "sb3_vdb.GAIL or VAIL, or gymnasium.wrappers.FlattenObservation"
            )
        RewardNet.__init__(self, observation_space, action_space, normalize_images=False)
        code = {} if information_limit is None else BOTTLENECK
        self.discriminator = self.discriminator_class(
            observation_space, action_space, **{**code, **(discriminator_kwargs or {})}
        )
        self.dual = None
        if information_limit is not None:
            self.dual = DualVariable(information_limit, beta, beta_step_size, constraint)
        self.grad_penalty_coef = number_from_zero("grad_penalty_coef", grad_penalty_coef)
        self.grad_penalty_on: PenaltySide = one_of(
            "grad_penalty_on", grad_penalty_on, ("expert", "both")
        )
        self.grad_penalty_target: PenaltyTarget = one_of(
            "grad_penalty_target", grad_penalty_target, PENALTY_TARGETS
        )
        self.n_minibatches = positive_int("n_minibatches", n_minibatches)
        self.dones_are_terminal = bool(dones_are_terminal)
        self._divergences: list[th.Tensor] = []  # of the minibatches since the last step of beta
        self._weights_seen = -1  # version of the weights that they belong to

    @property
    def beta(self) -> float:
        """Dual variable at present; 0 without a bottleneck."""
        return 0.0 if self.dual is None else self.dual.beta

    def forward(
        self, state: th.Tensor, action: th.Tensor, next_state: th.Tensor, done: th.Tensor
    ) -> th.Tensor:
        """Compute logits (f for an AIRL type), shape (batch,).

        In training, the first half of the batch is the expert's, as in `imitation`'s updates.

        :param state: as `imitation` preprocesses it, shape (batch, ...)
        :param action: shape (batch, ...)
        :param next_state: shape (batch, ...)
        :param done: 0 or 1, shape (batch,)
        :raises ValueError: ``n_minibatches`` is not what the trainer does
        """
        batch = self._encode(state, action, next_state, done)
        if not (self.training and th.is_grad_enabled()):
            return self.discriminator(batch, False).logits_expert_is_high
        self.discriminator.normalizer.update(self.discriminator.observed(batch).vectors)
        self._check_minibatches()
        output, terms = self._other_terms(batch)
        logits = output.logits_expert_is_high
        apply: Any = _WithTerms.apply
        joined: th.Tensor = apply(logits, terms, output.kl.detach(), self)
        return joined

    def _encode(
        self, state: th.Tensor, action: th.Tensor, next_state: th.Tensor, done: th.Tensor
    ) -> EncodedTransitions:
        """Encode what `imitation` has preprocessed, through the raw transitions."""
        dones = done.bool().cpu().numpy()
        transitions = Transitions(
            _raw(state, self.observation_space),
            _raw(action, self.action_space),
            _raw(next_state, self.observation_space),
            dones if self.dones_are_terminal else np.zeros_like(dones),
        )
        return self.discriminator.encode(transitions)

    def _other_terms(self, batch: EncodedTransitions) -> tuple[DiscriminatorOutput, th.Tensor]:
        """Compute what joins the cross-entropy: half the bottleneck and the penalty."""
        objective = Objective(
            len(batch.terminated) // 2,
            self.grad_penalty_coef,
            self.grad_penalty_on,
            self.grad_penalty_target,
            None if self.dual is None else self.dual.information_limit,
        )
        loss, output = objective.loss(self.discriminator, batch, self.beta)
        return output, 0.5 * (loss.bottleneck + loss.gradient_penalty) / self.n_minibatches

    def _check_minibatches(self) -> None:
        """Refuse a trainer that goes through more or fewer minibatches an update than we know."""
        version = sum(each._version for each in self.parameters())
        n, has_stepped = len(self._divergences), version != self._weights_seen
        self._weights_seen = version
        if has_stepped and n in (0, self.n_minibatches):
            self._divergences = []
        elif has_stepped or n == self.n_minibatches:
            raise ValueError(
                f"`n_minibatches` is {self.n_minibatches}, and the trainer goes through "
                f"{'fewer' if has_stepped else 'more'} in an update; give its demo_batch_size / "
                "demo_minibatch_size"
            )

    def _note(self, divergences: th.Tensor) -> None:
        """Take the step of the dual variable behind the last minibatch of an update."""
        self._divergences.append(divergences)
        if self.dual is not None and len(self._divergences) == self.n_minibatches:
            self.dual.update(th.cat(self._divergences))

    def get_extra_state(self) -> dict[str, Any]:
        """Give the dual variable to ``state_dict``."""
        return {} if self.dual is None else self.dual.state_dict()

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take the dual variable from ``state_dict``."""
        self.dual = DualVariable.from_state(state) if state else None


class _WithTerms(th.autograd.Function):
    """Logits, in whose backward pass other terms of the loss have their own gradients."""

    @staticmethod
    def forward(
        ctx: Any, logits: th.Tensor, terms: th.Tensor, kl: th.Tensor, net: DiscriminatorRewardNet
    ) -> th.Tensor:
        """Pass the logits on."""
        ctx.kl, ctx.net = kl, net
        return logits.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: th.Tensor) -> Any:
        """Add the gradient of the terms, whatever becomes of the logits."""
        ctx.net._note(ctx.kl)
        return gradients[0], gradients[0].new_ones(()), None, None


class VAILRewardNet(DiscriminatorRewardNet):
    """VAIL's discriminator for `imitation`'s ``GAIL``; arguments as for
    :class:`DiscriminatorRewardNet`.
    """


class VAIRLRewardNet(DiscriminatorRewardNet, RewardNetWrapper):
    """VAIRL's discriminator f = g + gamma h(s') - h(s) for `imitation`'s ``AIRL``, whose
    ``reward_test`` is then g; arguments as for :class:`DiscriminatorRewardNet`.
    """

    discriminator_class = AIRLDiscriminator

    def __init__(self, observation_space: Space, action_space: Space, **arguments: Any) -> None:
        DiscriminatorRewardNet.__init__(self, observation_space, action_space, **arguments)

    @property
    def base(self) -> RewardNet:
        """The reward g alone, at the mean codes, without the shaping by h."""
        return UnshapedReward(self)


class UnshapedReward(RewardNet):
    """The reward g of an AIRL type, at the mean codes.

    :param net: whose discriminator it is; it is not copied
    """

    def __init__(self, net: DiscriminatorRewardNet) -> None:
        super().__init__(net.observation_space, net.action_space, normalize_images=False)
        self.net = net

    def forward(
        self, state: th.Tensor, action: th.Tensor, next_state: th.Tensor, done: th.Tensor
    ) -> th.Tensor:
        """Compute g, shape (batch,)."""
        batch = self.net._encode(state, action, next_state, done)
        return self.net.discriminator.reward(batch, "g")


def _raw(values: th.Tensor, space: Space) -> npt.NDArray[Any]:
    """Undo what `imitation` does to a batch of a space's elements: one-hot numbers, floats."""
    array = values.detach().cpu().numpy()
    if isinstance(space, spaces.Discrete):
        return array.reshape(len(array), -1).argmax(axis=1)
    if isinstance(space, spaces.MultiDiscrete):
        ends = np.cumsum(space.nvec.reshape(-1))[:-1]
        digits = [part.argmax(axis=1) for part in np.split(array.reshape(len(array), -1), ends, 1)]
        return np.stack(digits, axis=1).reshape(len(array), *space.shape)
    if is_image_space(space):
        array = np.rint(array)
    return array.reshape(len(array), *(space.shape or ())).astype(space.dtype, copy=False)
