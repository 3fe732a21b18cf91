"""The difference to a demonstrated motion at the same phase: a view in which the expert is zero."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch as th

from sb3_vdb.transitions import Observations
from sb3_vdb.views.observations import ObservationView, Space, check_flat, flatten, select
from sb3_vdb.views.seen import Seen


@dataclass(frozen=True, eq=False)
class Difference(ObservationView):
    """Sees by how much a state differs from a motion at the state's own phase, without the phase.

    The expert is zero at every phase, and a state that is out of phase is far from it in every
    direction: a discriminator keeps the motion's time. Entries are divided by their root mean
    square, so that zero stays zero. With this view and no bottleneck, GAIL is ADD (Zhang et al.
    2025) but for its loss.

    It uses more than the VDB paper's discriminator: the motion at the phase, where the paper's
    phase-functioned network knows the phase alone.

    :param motion: observations of the demonstrator at evenly spaced phases, from the first one to
        the last (or, where it loops, up to the last but one), shape (n_phases, dim)
    :param clock: column of the observation that tells phase or time
    :param span: value of the clock at the first phase and at the last
    :param loops: whether the motion begins again after the last phase; else it stays there
    :param quaternions: columns at which unit quaternions begin; of a quaternion and its negative,
        which are one rotation, the one nearer to the motion's is compared
    :param key: part of a Dict space; None where the space is no Dict
    :raises ValueError: the motion is no table of finite numbers, or has no such column
    """

    expert_is_zero: ClassVar[bool] = True

    motion: npt.NDArray[np.float32]
    clock: int = 0
    span: tuple[float, float] = (-1.0, 1.0)
    loops: bool = True
    quaternions: tuple[int, ...] = ()
    key: str | None = None

    def __post_init__(self) -> None:
        motion = np.ascontiguousarray(self.motion, dtype=np.float32)
        if motion.ndim != 2 or len(motion) < 2 or not np.isfinite(motion).all():
            raise ValueError(
                "`motion` must be a table of finite numbers of shape (n_phases, dim) with at least "
                f"two phases, got shape {motion.shape}"
            )
        dim = motion.shape[1]
        if not -dim <= self.clock < dim:
            raise ValueError(f"`clock` is {self.clock}, and observations have {dim} columns")
        first, last = self.span
        if not (np.isfinite([first, last]).all() and first < last):
            raise ValueError(f"`span` must be two rising numbers, got {self.span}")
        if any(not 0 <= start <= dim - 4 for start in self.quaternions):
            raise ValueError(
                f"`quaternions` {self.quaternions} must be columns with three more behind each, of "
                f"{dim}"
            )
        object.__setattr__(self, "motion", motion)
        object.__setattr__(self, "clock", self.clock % dim)

    @classmethod
    def to_cycle(
        cls,
        observations: npt.ArrayLike,
        clock: int,
        loops: bool,
        n_phases: int = 1024,
        span: tuple[float, float] | None = None,
        quaternions: Sequence[int] = (),
        key: str | None = None,
    ) -> Difference:
        """Make the view of one demonstrated cycle, interpolated between its samples.

        :param observations: along the motion, with a rising clock, shape (n, dim)
        :param clock: column that tells phase or time
        :param loops: whether the motion begins again behind the last sample, which then stands for
            the first one; its clock may already be the first one's
        :param n_phases: phases of the table
        :param span: of the whole cycle, for example (-1, 1), which the demonstration has to cover
            to a sample; None takes the demonstration's own
        :param quaternions: columns at which unit quaternions begin
        :param key: part of a Dict space
        :raises ValueError: the clock does not rise, there are fewer than two samples, or they do
            not cover the cycle
        """
        rows = np.asarray(observations, dtype=np.float64)
        if rows.ndim != 2 or len(rows) < 2:
            raise ValueError(
                f"one cycle must have shape (n, dim) with at least two samples, got {rows.shape}"
            )
        rows = rows.copy()
        times = rows[:, clock]
        if loops and len(times) > 2 and times[-1] <= times[0]:  # the clock has wrapped
            times[-1] = 2.0 * times[-2] - times[-3]
        if not (np.diff(times) > 0.0).all():
            i = int(np.argmin(np.diff(times) > 0.0))
            raise ValueError(
                f"the clock, column {clock}, must rise along the demonstration and does not "
                f"between samples {i} and {i + 1} ({times[i]:g}, {times[i + 1]:g}); give one "
                "cycle, or another column"
            )
        for start in quaternions:
            _align(rows[:, start : start + 4])
        even = np.linspace(times[0], times[-1], n_phases, endpoint=not loops)
        motion = np.stack([np.interp(even, times, column) for column in rows.T], axis=1)
        for start in quaternions:
            motion[:, start : start + 4] /= np.linalg.norm(
                motion[:, start : start + 4], axis=1, keepdims=True
            )
        covered = (float(times[0]), float(times[-1]))
        _check_covers(covered, span, float(np.diff(times).max()))
        return cls(motion.astype(np.float32), clock, covered, loops, tuple(quaternions), key)

    def encode(self, observations: Observations, space: Space, device: th.device) -> Seen:
        """See the differences; see :meth:`ObservationView.encode`."""
        values, part = select(observations, space, self.key)
        check_flat(part, "observation")
        flat = flatten(values, part, device)
        motion = th.as_tensor(self.motion, device=device)
        if flat.shape[1] != motion.shape[1]:
            raise ValueError(
                f"the motion has {motion.shape[1]} columns, the observations have "
                f"{flat.shape[1]}; make it in an environment with the same arguments"
            )
        reference = motion[self._rows(flat[:, self.clock])]
        difference = flat - reference
        for start in self.quaternions:
            one, other = flat[:, start : start + 4], reference[:, start : start + 4]
            opposite = (one * other).sum(dim=1, keepdim=True) < 0.0
            difference[:, start : start + 4] = th.where(opposite, -one, one) - other
        columns = [i for i in range(flat.shape[1]) if i != self.clock]
        return Seen.of(difference[:, columns].contiguous())

    def _rows(self, clock: th.Tensor) -> th.Tensor:
        """Find the nearest phase of the table, shape (batch,)."""
        n, (first, last) = len(self.motion), self.span
        share = (clock - first) / (last - first)
        if self.loops:
            return (share * n).round().long() % n
        return (share * (n - 1)).round().long().clamp(0, n - 1)

    def keys(self, space: Space) -> tuple[str, ...] | None:
        """Name the part, of a Dict space."""
        return None if self.key is None else (self.key,)

    def centred_entries(self, space: Space) -> th.Tensor:
        """Mark all entries: the expert's zero stays zero."""
        return th.ones(self.motion.shape[1] - 1, dtype=th.bool)


def _check_covers(
    covered: tuple[float, float], span: tuple[float, float] | None, spacing: float
) -> None:
    """Refuse a demonstration that is shorter than its cycle.

    :param covered: clock of the first sample and of the last
    :param span: of the whole cycle; None where nobody says
    :param spacing: largest step of the clock between two samples
    :raises ValueError: naming both
    """
    if span is None:
        return
    if covered[0] > span[0] + spacing or covered[1] < span[1] - spacing:
        raise ValueError(
            f"the demonstration's clock goes from {covered[0]:g} to {covered[1]:g}, and the cycle "
            f"from {span[0]:g} to {span[1]:g}; give a whole cycle, or leave `span` out"
        )


def _align(quaternions: npt.NDArray[Any]) -> None:
    """Give each quaternion the sign that is nearer to the one before, in place."""
    for i in range(1, len(quaternions)):
        if quaternions[i] @ quaternions[i - 1] < 0.0:
            quaternions[i] *= -1.0
