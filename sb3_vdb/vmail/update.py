"""One training update of V-MAIL as one function: four losses with the weights before the update,
and the gradient of each for its own network (Algorithm 1, lines 12 to 19).
"""

from __future__ import annotations

from typing import ClassVar, Literal, NamedTuple

import torch as th
from torch import nn

from sb3_vdb.rewards import LOGIT_REWARDS
from sb3_vdb.vmail.actor_critic import Value
from sb3_vdb.vmail.discriminator import DiscriminatorOutput, GradientPenalty, discriminator_loss
from sb3_vdb.vmail.policies import VMAILPolicy
from sb3_vdb.vmail.replay import SequenceBatch
from sb3_vdb.vmail.returns import discount_weights, discounted_sum, lambda_returns
from sb3_vdb.vmail.rssm import Belief, State
from sb3_vdb.vmail.world_model import ModelLoss, kl_loss, reconstruction_loss

NETWORKS = ("model", "discriminator", "actor", "value")  # in the order of their steps
Returns = Literal["lambda", "sum"]


class UpdateForm(NamedTuple):
    """What an update depends on beside weights and samples; see :class:`sb3_vdb.vmail.VMAIL`."""

    kl_coef: float
    free_nats: float
    kl_balance: float | None
    burn_in: int
    n_reconstructed: int | None
    horizon: int
    n_imagined: int | None
    gamma: float
    returns: Returns
    td_lambda: float
    drop_last_reward: bool
    values_of_next_states: bool
    reward_type: str
    ent_coef: float
    bc_coef: float
    gradient_penalty: GradientPenalty | None
    gradient_penalty_coef: float
    information_limit: float | None


class UpdateMetrics(NamedTuple):
    """Figures of one update; scalars, detached."""

    model_loss: th.Tensor
    reconstruction: th.Tensor
    belief_kl: th.Tensor
    discriminator_loss: th.Tensor
    loss_expert: th.Tensor
    loss_generator: th.Tensor
    loss_bottleneck: th.Tensor
    gradient_penalty: th.Tensor
    accuracy_expert: th.Tensor
    accuracy_generator: th.Tensor
    code_kl: th.Tensor
    actor_loss: th.Tensor
    reward: th.Tensor
    policy_return: th.Tensor
    action_std: th.Tensor
    entropy: th.Tensor
    cloning_loss: th.Tensor
    value_loss: th.Tensor
    value: th.Tensor


class Imagined(NamedTuple):
    """Rollouts of the policy inside the forward model.

    :param states: shape (horizon + 1, batch, ...)
    :param actions: shape (horizon, batch, action_dim)
    """

    states: State
    actions: th.Tensor

    def inputs(self) -> th.Tensor:
        """Features and actions side by side, what the discriminator sees, shape (horizon, batch,
        feat_dim + action_dim).
        """
        return th.cat([self.states.feat[:-1], self.actions], dim=-1)


class Losses(NamedTuple):
    """The four losses, scalars with gradients, and figures.

    :param model: negative bound of eq. 7
    :param discriminator: eq. 6
    :param actor: negative objective of eq. 8
    :param value: regression on the returns
    :param metrics: figures
    """

    model: th.Tensor
    discriminator: th.Tensor
    actor: th.Tensor
    value: th.Tensor
    metrics: UpdateMetrics


def _random_indices(n: int, of: int, device: th.device) -> th.Tensor:
    """``n`` different indices below ``of``; not by randperm, which a CUDA graph cannot hold."""
    return th.rand(of, device=device).argsort()[:n]


class Update(nn.Module):
    """Losses and gradients of one update.

    :param policy: networks
    :param form: settings
    :raises ValueError: the policy estimates returns in another way
    """

    value_class: ClassVar[type[nn.Module]] = Value

    def __init__(self, policy: VMAILPolicy, form: UpdateForm) -> None:
        super().__init__()
        if not isinstance(policy.value, self.value_class):
            raise ValueError(
                f"this algorithm needs a policy with a {self.value_class.__name__}, this one has a "
                f"{type(policy.value).__name__}; VMAIL and VDAC have policies and files of their "
                "own, give the policy by its name and load a file with the class that saved it"
            )
        self.policy, self.form = policy, form
        self._scan, self._imagine = policy.world_model.rssm.observe, self._rollout

    def compile_scans(self, compiled: bool = True) -> None:
        """Put the loops over time through ``torch.compile``, or leave it: the scan along sequences
        and the imagination. The rest takes gradients of gradients, which it cannot compile.

        :param compiled: whether they are compiled from now on
        """
        self._scan, self._imagine = self.policy.world_model.rssm.observe, self._rollout
        if compiled:
            self._scan, self._imagine = th.compile(self._scan), th.compile(self._imagine)

    def networks(self) -> dict[str, nn.Module]:
        """Network of each loss."""
        policy = self.policy
        modules = (policy.world_model, policy.discriminator, policy.actor, policy.value)
        return dict(zip(NETWORKS, modules, strict=True))

    def forward(
        self, batch: SequenceBatch, expert: SequenceBatch, beta: th.Tensor
    ) -> tuple[list[list[th.Tensor]], UpdateMetrics]:
        """Gradients of each loss for the weights of its own network, and no other.

        :param batch: sequences of the joint buffer
        :param expert: sequences of the expert
        :param beta: dual variable of the discriminator's bottleneck, scalar
        :return: gradients in the order of :data:`NETWORKS`, and figures
        """
        losses = self.losses(batch, expert, beta)
        gradients = [
            list(th.autograd.grad(loss, list(network.parameters()), allow_unused=True))
            for loss, network in zip(losses[:4], self.networks().values(), strict=True)
        ]
        return gradients, losses.metrics

    def losses(self, batch: SequenceBatch, expert: SequenceBatch, beta: th.Tensor) -> Losses:
        """The four losses; parameters as of :meth:`forward`."""
        belief, expert_belief, normalized = self._observe(batch, expert)
        model = self._model_loss(belief, normalized)
        imagined = self._imagine(self._starts(belief.state))
        expert_inputs = self._stored_inputs(expert_belief, expert)
        adversarial = self._adversarial(expert_inputs, imagined.inputs(), beta)
        rewards, returns = self._returns(imagined)
        weights = discount_weights(len(returns), self.form.gamma, returns)
        entropy, action_std = self._entropy(imagined)
        cloning = self._cloning(expert_inputs)
        actor = self._actor_loss((weights * returns).mean(), entropy, cloning)
        values = self.policy.value(self._valued_states(imagined, len(returns))[:-1].detach())
        value = 0.5 * (weights * (values - returns.detach()).square()).mean()
        metrics = self._metrics(
            model, adversarial, actor, rewards, returns, action_std, entropy, cloning, value, values
        )
        return Losses(model.total(), adversarial.loss.total(), actor, value, metrics)

    def _observe(
        self, batch: SequenceBatch, expert: SequenceBatch
    ) -> tuple[Belief, Belief, dict[str, th.Tensor]]:
        """Beliefs of both batches from one scan; nothing is learnt from the expert's, which is why
        its pictures are seen apart, without the gradients' half of the work.
        """
        model = self.policy.world_model
        normalized = model.encoder.normalize(batch.observations)
        with th.no_grad():
            expert_embed = model.embed(expert.observations)
        embed = th.cat([model.encoder(normalized), expert_embed], dim=1)
        joint = self._scan(embed, th.cat([batch.actions, expert.actions], dim=1))
        n = batch.actions.shape[1]
        belief = Belief(
            joint.state.map(lambda part: part[:, :n]), joint.posterior[:, :n], joint.prior[:, :n]
        )
        expert_belief = Belief(
            joint.state.map(lambda part: part[:, n:].detach()),
            joint.posterior[:, n:].detach(),
            joint.prior[:, n:].detach(),
        )
        return belief, expert_belief, normalized

    def _model_loss(self, belief: Belief, normalized: dict[str, th.Tensor]) -> ModelLoss:
        """Negative bound of eq. 7 on the joint buffer's batch."""
        model = self.policy.world_model
        paid, divergence = kl_loss(
            model.rssm.latent, belief, self.form.free_nats, self.form.kl_balance
        )
        states, pictured = belief.state, normalized
        n, n_all = self.form.n_reconstructed, states.deter.shape[:2].numel()
        if n is not None and n < n_all:
            chosen = _random_indices(n, n_all, states.deter.device)
            states = states.map(lambda part: part.flatten(0, 1)[chosen].unsqueeze(1))
            pictured = {
                name: part.flatten(0, 1)[chosen].unsqueeze(1) for name, part in normalized.items()
            }
        reconstruction = reconstruction_loss(
            model.draw(states), pictured, model.encoder.likelihood_scales()
        )
        return ModelLoss(reconstruction, self.form.kl_coef * paid, divergence)

    def _stored_inputs(self, belief: Belief, batch: SequenceBatch) -> th.Tensor:
        """Features of a batch's beliefs after the burn-in and the actions taken in them, side by
        side, shape (length - 1, batch, feat_dim + action_dim).
        """
        known = self.form.burn_in
        return th.cat([belief.state.feat[known:-1], batch.actions[known + 1 :]], dim=-1)

    def _adversarial(
        self, expert: th.Tensor, policy: th.Tensor, beta: th.Tensor
    ) -> DiscriminatorOutput:
        """Loss of eq. 6 on features and actions of both, shape (time, batch, ...)."""
        return discriminator_loss(
            self.policy.discriminator,
            expert.detach().flatten(0, 1),
            policy.detach().flatten(0, 1),
            self.form.gradient_penalty,
            self.form.gradient_penalty_coef,
            beta,
            self.form.information_limit,
        )

    def _starts(self, states: State) -> State:
        """Where imagination begins: every belief state of the batch after the burn-in but the last
        of each sequence, or some of them, without their gradients.
        """
        start = states.map(lambda part: part[self.form.burn_in : -1].detach().flatten(0, 1))
        n = self.form.n_imagined
        if n is None or n >= len(start.stoch):
            return start
        chosen = _random_indices(n, len(start.stoch), start.stoch.device)
        return start.map(lambda part: part[chosen])

    def _rollout(self, start: State) -> Imagined:
        """Rollouts of the policy in the forward model."""
        actor, rssm = self.policy.actor, self.policy.world_model.rssm
        states, actions = rssm.imagine(
            lambda feat: actor(feat.detach()).sample(), start, self.form.horizon
        )
        return Imagined(states, actions)

    def _valued_states(self, imagined: Imagined, n_returns: int) -> th.Tensor:
        """Features of the states whose values belong to the returns, and of the one after them,
        shape (n_returns + 1, batch, feat_dim).
        """
        first = 1 if self.form.values_of_next_states else 0
        return imagined.states.feat[first : first + n_returns + 1]

    def _returns(self, imagined: Imagined) -> tuple[th.Tensor, th.Tensor]:
        """Rewards of imagined states and actions (horizon, batch), and returns of those that count,
        both with gradients.
        """
        form = self.form
        logits = self.policy.discriminator.logits(imagined.states.feat[:-1], imagined.actions)
        rewards = LOGIT_REWARDS[form.reward_type](logits)
        counted = rewards[:-1] if form.drop_last_reward or form.values_of_next_states else rewards
        if form.returns == "sum":
            return rewards, discounted_sum(counted, form.gamma)
        values = self.policy.value_target(self._valued_states(imagined, len(counted)))
        return rewards, lambda_returns(counted, values, form.gamma, form.td_lambda)

    def _entropy(self, imagined: Imagined) -> tuple[th.Tensor, th.Tensor]:
        """Entropy of the policy in imagined states, estimated from one action each, and the mean
        deviation before tanh. Only the first states are looked at where nothing is paid for it.
        """
        feat = imagined.states.feat[:-1] if self.form.ent_coef > 0.0 else imagined.states.feat[:1]
        distribution = self.policy.actor(feat.detach())
        entropy = -distribution.sample_with_log_prob()[1].mean()
        return entropy, distribution.std.mean().detach()

    def _cloning(self, expert_inputs: th.Tensor) -> th.Tensor:
        """Mean squared difference between the policy's deterministic actions and the expert's, in
        the expert's states; scalar.

        :param expert_inputs: of :meth:`_stored_inputs`
        """
        sizes = [self.policy.world_model.feat_dim, self.policy.action_dim]
        feat, actions = expert_inputs.detach().split(sizes, dim=-1)
        return (self.policy.actor(feat).mode() - actions).square().mean()

    def _actor_loss(
        self, objective: th.Tensor, entropy: th.Tensor, cloning: th.Tensor
    ) -> th.Tensor:
        """Negative objective with the entropy's bonus and the price of acting unlike the expert."""
        return self.form.bc_coef * cloning - objective - self.form.ent_coef * entropy

    def _metrics(
        self,
        model: ModelLoss,
        adversarial: DiscriminatorOutput,
        actor: th.Tensor,
        rewards: th.Tensor,
        returns: th.Tensor,
        action_std: th.Tensor,
        entropy: th.Tensor,
        cloning: th.Tensor,
        value: th.Tensor,
        values: th.Tensor,
    ) -> UpdateMetrics:
        loss = adversarial.loss
        found = UpdateMetrics(
            model_loss=model.total(),
            reconstruction=model.reconstruction,
            belief_kl=model.divergence,
            discriminator_loss=loss.total(),
            loss_expert=loss.expert,
            loss_generator=loss.generator,
            loss_bottleneck=loss.bottleneck,
            gradient_penalty=loss.gradient_penalty,
            accuracy_expert=(adversarial.logits_expert > 0.0).float().mean(),
            accuracy_generator=(adversarial.logits_generator < 0.0).float().mean(),
            code_kl=adversarial.kl,
            actor_loss=actor,
            reward=rewards.mean(),
            policy_return=returns[0].mean(),
            action_std=action_std,
            entropy=entropy,
            cloning_loss=cloning,
            value_loss=value,
            value=values.mean(),
        )
        return UpdateMetrics(*(each.detach() for each in found))
