"""Reward transfer between mazes (VDB paper, section 5.2 and appendix D): settings, phases, the
demonstration job, the paper's table, pictures and reports.
"""
