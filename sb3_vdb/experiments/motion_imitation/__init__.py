"""Motions from a clip alone: VAIL, its relatives and baselines, beside DeepMimic's hand-made
reward.
"""
