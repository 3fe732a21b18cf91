"""Measuring what was learned."""

from sb3_vdb.evaluation.returns import EvaluationResult, evaluate_returns

__all__ = ["EvaluationResult", "evaluate_returns"]
