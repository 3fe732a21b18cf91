"""Hands: the D'Claw at a valve, and the Adroit hand with two Baoding balls.

The table of ids reads :mod:`~sb3_vdb_envs.hands.tasks` while Gymnasium 0.29 is itself still being
imported; therefore this file imports no environment.
"""
