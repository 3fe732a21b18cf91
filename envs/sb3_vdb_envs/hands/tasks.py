"""The table of the claw's tasks; read while Gymnasium 0.29 is itself being imported."""

from __future__ import annotations

from typing import NamedTuple


class ClawRow(NamedTuple):
    """One task of the claw: its valve, and which way to turn it."""

    name: str  # in the id
    n_prongs: int
    direction: int  # 1 counter-clockwise seen from above, -1 clockwise

    @property
    def title(self) -> str:
        """Name for people."""
        way = "counter-clockwise" if self.direction > 0 else "clockwise"
        return f"D'Claw turns a valve with {self.n_prongs} prongs {way}"


CLAW_TASKS = (
    ClawRow("DClawScrew3CW", 3, -1),
    ClawRow("DClawScrew3CCW", 3, 1),
    ClawRow("DClawScrew4CW", 4, -1),
    ClawRow("DClawScrew4CCW", 4, 1),
)
CLAW_STEPS, BAODING_STEPS = 200, 100  # control steps of an episode
