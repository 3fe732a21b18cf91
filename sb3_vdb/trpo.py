"""sb3-contrib's TRPO with faster Fisher-vector products and a faster critic, and with the
baseline of the VDB paper's released code.
"""

from __future__ import annotations

import warnings
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
import torch as th
from sb3_contrib import TRPO
from stable_baselines3.common.distributions import DiagGaussianDistribution
from stable_baselines3.common.policies import BasePolicy
from torch import nn

from sb3_vdb.jacobians import AutogradJacobian, Jacobian, PerceptronJacobian


class Fisher(NamedTuple):
    """What the Fisher matrix of a diagonal Gaussian policy is made of.

    :param jacobian: of the actions' means
    :param moves_mean: for each of the actor's parameters, whether it moves the means; log_std does
        not
    :param weights: 1 / (s^2 n d) for each of the d action dimensions, of n samples and standard
        deviations s, shape (d,)
    """

    jacobian: Jacobian
    moves_mean: tuple[bool, ...]
    weights: th.Tensor


class FisherTRPO(TRPO):
    """TRPO whose Fisher-vector products go through the Jacobian of the policy's means.

    TRPO's search direction solves F x = g, with F the Hessian of the KL divergence at the old
    policy (Schulman et al. 2015). sb3-contrib differentiates the divergence twice in each of some
    ten products an update, much of TRPO's time. For a Gaussian with means m and standard
    deviations s of their own, F is J_m^T diag(1 / s^2) J_m / n for what moves the means and 2 I for
    log s, the same matrix from one forward and one backward product. Like SB3's divergence, and so
    ``target_kl``, it is a mean over the action's d dimensions, 1 / d of the divergence in nats.
    The arguments are those of :class:`sb3_contrib.TRPO`; policies with another distribution, or
    gSDE, take its products.

    :param ent_coef: weight of an entropy bonus in the policy's objective, beside advantages that
        are normalised; only with ``normalize_advantage``
    :raises ValueError: an ``ent_coef`` that is negative or has no normalised advantages beside it
    """

    policy_aliases: ClassVar[dict[str, Any]] = TRPO.policy_aliases  # type: ignore[misc]

    def __init__(self, *args: Any, ent_coef: float = 0.0, **kwargs: Any) -> None:
        if not ent_coef >= 0.0:
            raise ValueError(f"`ent_coef` must not be negative, got {ent_coef}")
        if ent_coef > 0.0 and not kwargs.get("normalize_advantage", True):
            raise ValueError("`ent_coef` is relative to normalised advantages; normalise them")
        self._fisher: Fisher | None = None
        self._actor_params: list[nn.Parameter] = []  # of the update under way
        super().__init__(*args, **kwargs)
        self.ent_coef = ent_coef  # sb3-contrib's TRPO sets it to zero

    def train(self) -> None:
        """Update policy and critic from the rollout buffer."""
        if self.ent_coef > 0.0:
            self._add_entropy_bonus()
        n_critic_updates, self.n_critic_updates = self.n_critic_updates, 0
        try:
            with warnings.catch_warnings(), np.errstate(invalid="ignore"):
                warnings.filterwarnings("ignore", "Mean of empty slice")  # of critic losses
                super().train()
        finally:
            self.n_critic_updates = n_critic_updates
        self._train_critic()
        self._fisher, self._actor_params = None, []

    def _train_critic(self) -> None:
        """sb3-contrib's regression of returns, the same to the last bit: its minibatches gather all
        six arrays of the buffer, where two are read.
        """
        buffer, observations, losses = self.rollout_buffer, self._observations(), []
        returns = buffer.to_torch(buffer.returns).flatten()
        for _ in range(self.n_critic_updates):
            order = np.random.permutation(len(returns))
            for chosen in buffer.to_torch(order).split(self.batch_size):
                values = self.policy.predict_values(_select(observations, chosen))
                loss = nn.functional.mse_loss(returns[chosen], values.flatten())
                losses.append(loss.detach())
                self.policy.optimizer.zero_grad()
                loss.backward()
                for parameter in self._actor_params:  # what they share with the critic is bounded
                    parameter.grad = None  # by the divergence alone
                self.policy.optimizer.step()
        if losses:
            self.logger.record("train/value_loss", th.stack(losses).mean().item())

    def _add_entropy_bonus(self) -> None:
        """Normalise the advantages and add -ent_coef log pi(a|s), whose policy gradient is that of
        the entropy. Normalising the sum again changes its scale alone, which TRPO does not see.
        """
        buffer = self.rollout_buffer
        normalised = (buffer.advantages - buffer.advantages.mean()) / (
            buffer.advantages.std() + 1e-8
        )
        buffer.advantages = normalised - self.ent_coef * buffer.log_probs

    def _compute_actor_grad(
        self, kl_div: th.Tensor, policy_objective: th.Tensor
    ) -> tuple[list[nn.Parameter], th.Tensor, th.Tensor, list[tuple[int, ...]]]:
        if not isinstance(self.policy.action_dist, DiagGaussianDistribution):
            gradients = super()._compute_actor_grad(kl_div, policy_objective)
            self._actor_params = gradients[0]
            return gradients
        named = [each for name, each in self.policy.named_parameters() if "value" not in name]
        slopes = th.autograd.grad(policy_objective, named, retain_graph=True, allow_unused=True)
        params = [each for each, slope in zip(named, slopes, strict=True) if slope is not None]
        gradient = th.cat([each.reshape(-1) for each in slopes if each is not None])
        self._fisher, self._actor_params = self._make_fisher(params), params
        return params, gradient, th.zeros_like(gradient), [each.shape for each in params]

    def _make_fisher(self, params: list[nn.Parameter]) -> Fisher:
        """F of the whole rollout, in the buffer's order: it is a sum over samples."""
        tensors = _select(self._observations(), slice(None, None, self.sub_sampling_factor))
        is_mean = tuple(each is not self.policy.log_std for each in params)
        moving = [each for each, moves in zip(params, is_mean, strict=True) if moves]
        distribution: Any = self.policy.get_distribution(tensors).distribution
        jacobian: Jacobian = self._perceptron_jacobian(tensors, distribution.mean, moving) or (
            AutogradJacobian(distribution.mean, moving)
        )
        std = distribution.stddev[0].detach()
        return Fisher(jacobian, is_mean, 1.0 / (std.square() * distribution.mean.numel()))

    def _observations(self) -> Any:
        """Return the rollout's observations flat, in the buffer's order."""
        observations: Any = self.rollout_buffer.observations
        if isinstance(observations, dict):
            return {key: self.rollout_buffer.to_torch(each) for key, each in observations.items()}
        return self.rollout_buffer.to_torch(observations)

    def _perceptron_jacobian(
        self, observations: Any, means: th.Tensor, moving: list[nn.Parameter]
    ) -> PerceptronJacobian | None:
        """Make the means' Jacobian, where they are those of a plain perceptron behind features that
        have nothing to learn.
        """
        policy = self.policy
        hidden = getattr(policy.mlp_extractor, "policy_net", None)
        if not isinstance(hidden, nn.Sequential):
            return None
        layers = [*hidden, policy.action_net]
        if not PerceptronJacobian.fits(layers):
            return None
        with th.no_grad():
            # as `get_distribution` does it, also where actor and critic have features of their own
            features = BasePolicy.extract_features(
                policy, observations, policy.pi_features_extractor
            )
            if not th.allclose(nn.Sequential(*layers)(features), means, atol=1e-6):
                return None  # a policy that does more with them
        jacobian = PerceptronJacobian(layers, features)
        same = [id(each) for each in jacobian.parameters] == [id(each) for each in moving]
        return jacobian if same else None

    def hessian_vector_product(
        self,
        params: list[nn.Parameter],
        grad_kl: th.Tensor,
        vector: th.Tensor,
        retain_graph: bool = True,
    ) -> th.Tensor:
        """F v + cg_damping v; see :class:`sb3_contrib.TRPO`."""
        if self._fisher is None:
            return super().hessian_vector_product(params, grad_kl, vector, retain_graph)
        jacobian, moves_mean, weights = self._fisher
        parts = vector.split([each.numel() for each in params])
        pieces = [part.view_as(each) for part, each in zip(parts, params, strict=True)]
        moving = [piece for piece, moves in zip(pieces, moves_mean, strict=True) if moves]
        pulled = iter(jacobian.gram(moving, weights))
        product = [
            next(pulled).reshape(-1) if moves else 2.0 / len(weights) * part
            for part, moves in zip(parts, moves_mean, strict=True)
        ]
        return th.cat(product) + self.cg_damping * vector

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "_fisher", "_actor_params"]


class LinearBaselineTRPO(FisherTRPO):
    """TRPO with a linear baseline in place of a critic, as in the released code of the VDB paper.

    Returns are regressed on observations, their squares and powers of time (Duan et al. 2016); an
    iteration's advantages use the regression of the one before, and nothing is expected beyond the
    end of an episode. Rollouts must be whole episodes of one length. The policy's critic stays at
    zero.

    :raises ValueError: while training, if a rollout is no whole episode of every environment
    """

    RIDGE = 1e-5

    def _setup_model(self) -> None:
        super()._setup_model()
        # a loaded algorithm has its weights already
        self.baseline_weights: npt.NDArray[np.float64] | None = vars(self).get("baseline_weights")
        with th.no_grad():
            for parameter in self.policy.value_net.parameters():
                parameter.zero_()

    def train(self) -> None:
        """Fit the baseline, then update the policy from the rollout buffer."""
        self._apply_baseline()
        self.n_critic_updates = 0
        super().train()

    def _apply_baseline(self) -> None:
        """Compute advantages and returns of the rollout, and the regression for the next one."""
        buffer = self.rollout_buffer
        starts = buffer.episode_starts.astype(bool)
        if not starts[0].all() or starts[1:].any():
            raise ValueError(
                f"LinearBaselineTRPO needs rollouts of one whole episode each; `n_steps` is "
                f"{self.n_steps}, set it to the length of an episode"
            )
        features = _time_features(buffer.observations)  # (n_steps, n_envs, n_features)
        values = np.zeros(buffer.rewards.shape)
        if self.baseline_weights is not None:
            values = features @ self.baseline_weights
        after = np.vstack([values[1:], np.zeros_like(values[:1])])
        advantages = buffer.rewards + self.gamma * after - values
        returns = buffer.rewards.astype(np.float64)
        for step in range(len(advantages) - 2, -1, -1):
            advantages[step] += self.gamma * self.gae_lambda * advantages[step + 1]
            returns[step] += self.gamma * returns[step + 1]
        buffer.values, buffer.returns = values.astype(np.float32), returns.astype(np.float32)
        buffer.advantages = advantages.astype(np.float32)
        flat = features.reshape(-1, features.shape[-1])
        gram = flat.T @ flat + self.RIDGE * np.eye(flat.shape[-1])
        self.baseline_weights = np.linalg.solve(gram, flat.T @ returns.reshape(-1))


def _select(observations: Any, chosen: Any) -> Any:
    if isinstance(observations, dict):
        return {key: each[chosen] for key, each in observations.items()}
    return observations[chosen]


def _time_features(observations: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Compute observations within +-10, their squares, powers of time in units of 100 steps, and 1.

    :param observations: shape (n_steps, n_envs, ...)
    :return: shape (n_steps, n_envs, n_features)
    """
    n_steps, n_envs = observations.shape[:2]
    flat = observations.reshape(n_steps, n_envs, -1).astype(np.float64).clip(-10.0, 10.0)
    time = np.broadcast_to(np.arange(n_steps)[:, None, None] / 100.0, (n_steps, n_envs, 1))
    return np.concatenate([flat, flat**2, time, time**2, time**3, np.ones_like(time)], axis=-1)
