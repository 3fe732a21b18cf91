"""A method of a table: an algorithm, and what it changes of the study's settings."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple


class Method(NamedTuple):
    """One row of a table.

    :param algorithm: class that is trained
    :param changes: settings or arguments by name, in place of the study's
    """

    algorithm: type[Any]
    changes: Mapping[str, Any] = MappingProxyType({})
