"""Copies of environments that go on where the original is."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

Kind = TypeVar("Kind")


def deep_copy(original: Kind, memo: dict[int, Any], **replaced: Any) -> Kind:
    """Copy an object with everything it has, random generators included; for ``__deepcopy__``.

    Gymnasium's ``EzPickle`` would make a new one from the arguments of the constructor.

    :param original: what is copied
    :param memo: of :func:`copy.deepcopy`
    :param replaced: attributes that the copy has another value of
    """
    copied = object.__new__(type(original))
    memo[id(original)] = copied
    for name, value in vars(original).items():
        vars(copied)[name] = replaced[name] if name in replaced else copy.deepcopy(value, memo)
    return copied
