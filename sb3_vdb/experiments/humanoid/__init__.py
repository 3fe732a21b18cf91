"""Motions of the humanoid from DeepMimic's hand-made reward."""
