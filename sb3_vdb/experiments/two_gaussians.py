"""Discriminators between two Gaussians under different information limits (VDB paper, figure 2)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch as th
from rich.progress import track

from sb3_vdb.discriminators.unit import CodeUnit
from sb3_vdb.experiments.framework.plots import new_figure
from sb3_vdb.experiments.framework.table import show, write_tables
from sb3_vdb.experiments.framework.versions import present_versions
from sb3_vdb.networks.trunks import DenseTrunk
from sb3_vdb.vdb import DualVariable, discriminator_loss

LIMITS: tuple[float | None, ...] = (None, 1.0, 0.5, 0.1, 0.02)
MEANS = ((-1.0, -0.6), (1.0, 0.6))  # of the generator's samples and of the real ones
STD = 0.25
EXTENT = 2.4  # half the side of the picture
GRID = 61
ARROWS = 12
FLAT = 1e-2  # gradient of D below which it counts as vanished


class Field(NamedTuple):
    """A trained discriminator over the plane.

    :param limit: I_c in nats; None for no bottleneck
    :param kl: divergence reached at the end, in nats
    :param beta: dual variable at the end
    :param values: D at the mean code, shape (GRID, GRID)
    :param gradients: of D with respect to x, shape (GRID, GRID, 2)
    """

    limit: float | None
    kl: float
    beta: float
    values: npt.NDArray[np.float32]
    gradients: npt.NDArray[np.float32]

    @property
    def flat_share(self) -> float:
        """Share of the plane where the gradient has vanished."""
        return float((np.linalg.norm(self.gradients, axis=-1) < FLAT).mean())


def train(limit: float | None, steps: int = 4000, seed: int = 0) -> Field:
    """Train one discriminator.

    :param limit: I_c in nats; None for no bottleneck
    :param steps: updates of 2 x 256 samples
    :param seed: random seed
    """
    th.manual_seed(seed)
    unit = CodeUnit(DenseTrunk((2,)), None if limit is None else 8)
    dual = None if limit is None else DualVariable(limit, beta=0.1, beta_step_size=1e-2)
    optimizer = th.optim.Adam(unit.parameters(), lr=1e-3)
    means = th.tensor(MEANS)
    kl = th.zeros(1)
    for _ in range(steps):
        fake, real = means[:, None] + STD * th.randn(2, 256, 2)
        output = unit(th.cat([real, fake]), sample=True)
        logits_real, logits_fake = output.values.split(256)
        loss = discriminator_loss(
            logits_real,
            logits_fake,
            kl=output.kl,
            beta=0.0 if dual is None else dual.beta,
            information_limit=limit,
        )
        optimizer.zero_grad()
        loss.total().backward()
        optimizer.step()
        if dual is not None:
            dual.update(output.kl)
        kl = 0.99 * kl + 0.01 * output.kl.detach().mean()
    axis = th.linspace(-EXTENT, EXTENT, GRID)
    points = th.cartesian_prod(axis, axis).requires_grad_()
    values = th.sigmoid(unit(points, sample=False).values)
    (gradients,) = th.autograd.grad(values.sum(), points)
    return Field(
        limit,
        float(kl),
        0.0 if dual is None else dual.beta,
        values.detach().view(GRID, GRID).T.numpy(),
        gradients.view(GRID, GRID, 2).transpose(0, 1).numpy(),
    )


def plot(fields: list[Field], path: Path) -> None:
    """Plot decision surfaces and gradient fields, one panel a limit."""
    axis = np.linspace(-EXTENT, EXTENT, GRID)
    skip = slice(GRID // (2 * ARROWS), None, GRID // ARROWS)
    rng = np.random.default_rng(0)
    with new_figure(path, (2.5 * len(fields) + 0.6, 3.1)) as figure:
        panels: Any = figure.subplots(1, len(fields), sharey=True)
        image: Any = None
        for axes, field in zip(panels, fields, strict=True):
            image = axes.pcolormesh(
                axis, axis, field.values, cmap="RdBu", vmin=0, vmax=1, shading="auto"
            )
            gradients = field.gradients[skip, skip]
            axes.quiver(
                axis[skip], axis[skip], gradients[..., 0], gradients[..., 1], scale=8, width=0.006
            )
            for mean, colour in zip(MEANS, ("tab:red", "tab:blue"), strict=True):
                samples = np.array(mean) + STD * rng.standard_normal((60, 2))
                axes.plot(*samples.T, ".", color=colour, ms=2.5, mec="white", mew=0.2)
            name = "no bottleneck" if field.limit is None else f"I_c = {field.limit:g} nats"
            axes.set_title(f"{name}\nflat: {field.flat_share:.0%} of the plane")
            axes.set_aspect("equal")
        figure.colorbar(image, ax=list(panels), label="D(x)", shrink=0.8)


def two_gaussians(out: Path, seed: int = 0, docs: Path | None = None) -> list[Path]:
    """Train a discriminator for each limit and write ``two_gaussians.png`` and ``.csv``.

    :param out: where the files go
    :param seed: random seed
    :param docs: where they go as well
    :return: the picture
    """
    made_with = present_versions()
    fields = [train(limit, seed=seed) for limit in track(LIMITS, "training")]
    rows = [
        {
            "information_limit": "none" if each.limit is None else each.limit,
            "kl": round(each.kl, 4),
            "beta": round(each.beta, 3),
            "flat_share": round(each.flat_share, 3),
        }
        for each in fields
    ]
    table = pd.DataFrame(rows)
    show(table)
    for target in filter(None, (out, docs)):
        write_tables(target, {"two_gaussians": table}, made_with)
        plot(fields, target / "two_gaussians.png")
    return [out / "two_gaussians.png"]
