"""The lower bound of the VDB paper's Theorem A.1: why the bottleneck's gradients do not vanish."""

from __future__ import annotations

import math


def embedding_log_likelihood_bound(information_limit: float, code_dim: int) -> float:
    """log C(I_c): no encoding's mean is less likely under any other encoding.

    If E(z|x) = N(mu(x), s^2 I) with one s for all inputs and KL[E(z|x) || N(0, I)] <= I_c for each
    of them, then E(mu(y)|x) >= C(I_c) for all x and y. C falls with I_c and tends to
    (4 pi)^(-code_dim / 2) > 0 as I_c goes to 0. (A step of the printed proof has a sign the wrong
    way round; 1 - t + t log t >= 0 for t = s^-2 gives the same eq. 14.)

    :param information_limit: I_c in nats, of every single input, not negative
    :param code_dim: dimension K of the code
    :return: natural logarithm of the bound on the density
    :raises ValueError: an argument is out of range
    """
    if not information_limit >= 0.0:
        raise ValueError(f"`information_limit` must not be negative, got {information_limit}")
    if code_dim < 1:
        raise ValueError(f"`code_dim` must be positive, got {code_dim}")
    least_variance = math.exp(-2.0 * information_limit / code_dim - 1.0)
    largest_variance = 4.0 * information_limit / code_dim + 2.0
    return -4.0 * information_limit / least_variance - 0.5 * code_dim * math.log(
        2.0 * math.pi * largest_variance
    )
