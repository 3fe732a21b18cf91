"""Measuring what was learned."""

from sb3_vdb.evaluation.imitation import ImitationResult, evaluate_imitation
from sb3_vdb.evaluation.imitation_callback import ImitationCallback
from sb3_vdb.evaluation.returns import EvaluationResult, evaluate_returns

__all__ = [
    "EvaluationResult",
    "ImitationCallback",
    "ImitationResult",
    "evaluate_imitation",
    "evaluate_returns",
]
