"""Where in a picture a discriminator looks: the gradient of its logit at every pixel."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch as th

from sb3_vdb.discriminators import Discriminator
from sb3_vdb.transitions import Transitions


def saliency(discriminator: Discriminator, transitions: Transitions) -> npt.NDArray[np.float32]:
    """Compute how much the logit changes with every pixel of what is seen, at the mean codes: the
    largest magnitude over the channels (Simonyan et al. 2014), as in the VDB paper's figure 5.

    Where the view sees means over the cells of grids, a pixel has its share of their gradients.

    :param discriminator: sees pictures
    :param transitions: raw, n of them
    :return: per grey level of a pixel, shape (n, height, width)
    :raises ValueError: the discriminator sees no pictures
    """
    view, space = discriminator.observation_view, discriminator.observation_space
    batch = discriminator.encode(transitions)
    vectors = [batch.observations.vectors, batch.next_observations.vectors]
    for each in vectors:
        each.requires_grad_()
    output = discriminator(batch, sample=False, inputs_require_grad=True)
    logits = output.logits_expert_is_high.sum()
    pictures = [each for each in output.inputs if each.ndim > 2]
    of_pictures = th.autograd.grad(logits, pictures, retain_graph=True) if pictures else ()
    maps = [each / 255.0 for each in of_pictures]  # inputs are scaled to a range of 1
    gradients = th.autograd.grad(logits, vectors, allow_unused=True)
    spread = [view.pixel_gradients(each, space) for each in gradients if each is not None]
    maps += [each for each in spread if each is not None]
    if not maps:
        raise ValueError(
            f"the discriminator sees {view} and no picture, so that there is no map of one"
        )
    largest = [each.abs().amax(dim=1) for each in maps]
    return th.stack(largest).amax(dim=0).cpu().numpy()
