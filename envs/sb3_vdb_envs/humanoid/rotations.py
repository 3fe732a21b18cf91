"""Rotations for whole batches: unit quaternions (w, x, y, z) in the last axis, and rotation
vectors.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

SMALL_ANGLE = 1e-8  # rad; below it the series sin(a)/a = 1 is exact in double precision


def arctan2(y: Array, x: Array) -> Array:
    """Compute :func:`numpy.arctan2` so that it rounds the same way for one character and for many:
    NumPy's vector and scalar code differ in the last bit, and it chooses by the layout of the
    arrays.
    """
    return np.arctan2(np.asarray(y, order="C"), np.asarray(x, order="C"))


def squared_length(vector: Array) -> Array:
    """Compute sums of squares in the last axis of three, in C order (see :func:`arctan2`; a general
    sum would fuse multiplications and additions or not, by the layout).
    """
    x, y, z = vector[..., 0], vector[..., 1], vector[..., 2]
    return np.asarray(x * x + y * y + z * z, order="C")


def length(vector: Array) -> Array:
    """Compute lengths in the last axis of three."""
    return np.sqrt(squared_length(vector))


def multiply(first: Array, second: Array) -> Array:
    """Compute the Hamilton product: the rotation ``second`` followed by ``first``.

    :param first: quaternions, shape (..., 4)
    :param second: quaternions, shape (..., 4)
    :return: quaternions, shape (..., 4)
    """
    aw, ax, ay, az = (first[..., i] for i in range(4))
    bw, bx, by, bz = (second[..., i] for i in range(4))
    product = np.empty(np.broadcast_shapes(first.shape, second.shape))
    product[..., 0] = aw * bw - ax * bx - ay * by - az * bz
    product[..., 1] = aw * bx + ax * bw + ay * bz - az * by
    product[..., 2] = aw * by - ax * bz + ay * bw + az * bx
    product[..., 3] = aw * bz + ax * by - ay * bx + az * bw
    return product


def conjugate(quaternion: Array) -> Array:
    """Invert unit quaternions, shape (..., 4)."""
    return quaternion * np.array([1.0, -1.0, -1.0, -1.0])


def cross(first: Array, second: Array) -> Array:
    """Compute the vector product in the last axis; :func:`numpy.cross` is several times slower for
    batches.
    """
    ax, ay, az = first[..., 0], first[..., 1], first[..., 2]
    bx, by, bz = second[..., 0], second[..., 1], second[..., 2]
    product = np.empty(np.broadcast_shapes(first.shape, second.shape))
    product[..., 0] = ay * bz - az * by
    product[..., 1] = az * bx - ax * bz
    product[..., 2] = ax * by - ay * bx
    return product


def rotate(quaternion: Array, vector: Array) -> Array:
    """Turn vectors by quaternions.

    :param quaternion: shape (..., 4)
    :param vector: shape (..., 3)
    :return: shape (..., 3)
    """
    axis = quaternion[..., 1:]
    twice = 2.0 * cross(axis, vector)
    return vector + quaternion[..., :1] * twice + cross(axis, twice)


def rotation_vector(quaternion: Array) -> Array:
    """Compute the logarithm: axis times angle, the angle in [0, pi].

    :param quaternion: shape (..., 4)
    :return: shape (..., 3), rad
    """
    axis = quaternion[..., 1:]
    sine = length(axis)
    cosine = quaternion[..., 0]
    angle = 2.0 * arctan2(sine, np.abs(cosine))
    factor = np.where(sine > SMALL_ANGLE, angle / np.maximum(sine, SMALL_ANGLE), 2.0)
    return axis * (np.where(cosine < 0.0, -factor, factor))[..., None]


def from_rotation_vector(vector: Array) -> Array:
    """Compute the exponential map, the inverse of :func:`rotation_vector`.

    :param vector: axis times angle, shape (..., 3), rad
    :return: shape (..., 4)
    """
    angle = length(vector)
    factor = np.where(
        angle > SMALL_ANGLE, np.sin(0.5 * angle) / np.maximum(angle, SMALL_ANGLE), 0.5
    )
    quaternion = np.empty((*vector.shape[:-1], 4))
    quaternion[..., 0] = np.cos(0.5 * angle)
    quaternion[..., 1:] = vector * factor[..., None]
    return quaternion


def geodesic(first: Array, second: Array) -> Array:
    """Compute the angle of the rotation between two orientations, in [0, pi] rad.

    :param first: shape (..., 4)
    :param second: shape (..., 4)
    :return: shape (...)
    """
    difference = multiply(conjugate(first), second)
    return 2.0 * arctan2(length(difference[..., 1:]), np.abs(difference[..., 0]))


def slerp(first: Array, second: Array, share: Array) -> Array:
    """Interpolate spherically along the shorter way.

    :param first: shape (..., 4)
    :param second: shape (..., 4)
    :param share: 0 gives ``first`` and 1 ``second``, shape (...)
    :return: shape (..., 4)
    """
    step = rotation_vector(multiply(conjugate(first), second))
    return multiply(first, from_rotation_vector(step * share[..., None]))


def yaw(quaternion: Array) -> Array:
    """Compute the direction in which the turned x axis points, about the vertical z axis.

    :param quaternion: shape (..., 4)
    :return: rad in (-pi, pi], shape (...)
    """
    w, x, y, z = (quaternion[..., i] for i in range(4))
    return arctan2(2.0 * (x * y + w * z), 1.0 - 2.0 * (y * y + z * z))


def about_vertical(angle: Array) -> Array:
    """Make rotations about the z axis.

    :param angle: rad, shape (...)
    :return: shape (..., 4)
    """
    quaternion = np.zeros((*np.shape(angle), 4))
    quaternion[..., 0], quaternion[..., 3] = np.cos(0.5 * angle), np.sin(0.5 * angle)
    return quaternion


def tangent_and_normal(quaternion: Array) -> Array:
    """Compute six numbers that vary continuously with the rotation: the turned x and z axes.

    :param quaternion: shape (..., 4)
    :return: shape (..., 6)
    """
    w, x, y, z = (quaternion[..., i] for i in range(4))
    columns = np.empty((*quaternion.shape[:-1], 6))
    columns[..., 0] = 1.0 - 2.0 * (y * y + z * z)
    columns[..., 1] = 2.0 * (x * y + w * z)
    columns[..., 2] = 2.0 * (x * z - w * y)
    columns[..., 3] = 2.0 * (x * z + w * y)
    columns[..., 4] = 2.0 * (y * z - w * x)
    columns[..., 5] = 1.0 - 2.0 * (x * x + y * y)
    return columns
