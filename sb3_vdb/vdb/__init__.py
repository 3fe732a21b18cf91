"""The variational discriminator bottleneck (Peng et al. 2019): encoder, information constraint,
losses. torch only.
"""

from sb3_vdb.vdb.bounds import embedding_log_likelihood_bound
from sb3_vdb.vdb.constraint_watch import ConstraintWatch
from sb3_vdb.vdb.dual import DEFAULT_BETA_STEP_SIZE, Constraint, DualVariable
from sb3_vdb.vdb.encoder import Code, GaussianEncoder
from sb3_vdb.vdb.losses import (
    LOSSES,
    DiscriminatorLoss,
    add_noise,
    bottleneck_loss,
    discriminator_loss,
    expert_loss,
    generator_loss,
    kl_to_standard_normal,
    least_squares_expert_loss,
    least_squares_generator_loss,
)
from sb3_vdb.vdb.penalties import PENALTIES, GradientPenalty, gradient_penalty

__all__ = [
    "DEFAULT_BETA_STEP_SIZE",
    "LOSSES",
    "PENALTIES",
    "Code",
    "Constraint",
    "ConstraintWatch",
    "DiscriminatorLoss",
    "DualVariable",
    "GaussianEncoder",
    "GradientPenalty",
    "add_noise",
    "bottleneck_loss",
    "discriminator_loss",
    "embedding_log_likelihood_bound",
    "expert_loss",
    "generator_loss",
    "gradient_penalty",
    "kl_to_standard_normal",
    "least_squares_expert_loss",
    "least_squares_generator_loss",
]
