"""dm_control's tasks, observed as states and as pixels.

The table of ids reads :mod:`~sb3_vdb_envs.suite.tasks` while Gymnasium 0.29 is itself still being
imported; therefore this file imports no environment.
"""
