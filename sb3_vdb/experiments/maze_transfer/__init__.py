"""Reward transfer between mazes (VDB paper, section 5.2 and appendix D)."""
