"""Experts of the dm_control tasks, for demonstrations in pixels."""
