"""Objects as plain values for files: a class is named by its import path, an object by its class
and its arguments.

A file makes no module run: a class comes from this package, SB3, sb3-contrib or ``torch.nn``, or
from a module that the program has imported itself. The file's views are made with its arguments,
and whoever reads it makes its discriminator and trunk.
"""

from __future__ import annotations

import importlib
import inspect
import sys
import warnings
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import torch as th
from torch import nn

CLASS, ARGUMENTS, ARRAY = "class", "arguments", "array"  # keys of what is described
PLAIN = (bool, int, float, str)
# packages whose modules a file may name although nobody has imported them
TRUSTED = ("sb3_vdb", "stable_baselines3", "sb3_contrib", "torch.nn")
SCRIPT = "__main__"


def class_path(kind: type) -> str:
    """Give the import path of a class, ``"module:Class"``.

    :raises ValueError: the class cannot be imported, because a function defines it
    """
    if "<locals>" in kind.__qualname__:
        raise ValueError(
            f"the class {kind.__qualname__} is defined inside a function, so that no file can name "
            "it; define it at the top level of a module"
        )
    return f"{kind.__module__}:{kind.__qualname__}"


def warn_of_script(kind: type) -> None:
    """Warn of a class that only the running script can load from a file.

    :param kind: a class that a file names
    """
    if kind.__module__ == SCRIPT:
        warnings.warn(
            f"the class {kind.__qualname__} is defined in the script that runs, so that only this "
            "script can load files that name it; move it to a module that other scripts can import",
            stacklevel=3,
        )


def find_class(path: str, bases: type | tuple[type, ...], source: str) -> type:
    """Find the class that a file names, without running a module that nobody asked for.

    :param path: of :func:`class_path`
    :param bases: it has to be a subclass of one of these
    :param source: what names it, for the messages
    :raises ValueError: there is no such class, it is of another kind, or its module is neither
        imported nor of a package in :data:`TRUSTED`
    """
    module, _, name = path.partition(":")
    is_trusted = any(f"{module}.".startswith(f"{package}.") for package in TRUSTED)
    if not is_trusted and module not in sys.modules:
        raise ValueError(
            f"{source} names the class {path}, whose module is not imported; if you know it and "
            f"trust it, write `import {module}` before loading the file"
        )
    try:
        kind: Any = importlib.import_module(module)
        for part in name.split("."):
            kind = inspect.getattr_static(kind, part)  # runs no code of the module
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        remedy = "install the version of the module that defines it"
        if module == SCRIPT:
            remedy = (
                "another script defined it; move it to a module that both scripts import, and "
                "train again"
            )
        raise ValueError(
            f"{source} names the class {path}, which cannot be imported here ({error}); {remedy}"
        ) from error
    if not (isinstance(kind, type) and issubclass(kind, bases)):
        expected = bases if isinstance(bases, tuple) else (bases,)
        names = " or ".join(each.__name__ for each in expected)
        raise ValueError(f"{source} names {path}, which is no {names}")
    return kind


def to_plain(value: Any) -> Any:
    """Describe a value by plain ones: numbers, strings, tensors, lists and dictionaries.

    :param value: plain values, numpy's numbers, arrays, classes, frozen dataclasses of such values,
        and containers
    :raises ValueError: a value of another kind
    """
    if value is None or isinstance(value, th.Tensor):
        return value
    if isinstance(value, np.generic):  # some are numbers of Python as well
        return to_plain(value.item()) if type(value.item()) in PLAIN else float(value)
    for kind in PLAIN:
        if isinstance(value, kind):
            return kind(value)
    if isinstance(value, np.ndarray):
        return {ARRAY: th.from_numpy(value.copy())}
    if isinstance(value, (list, tuple)):
        return [to_plain(each) for each in value]
    if isinstance(value, Mapping):
        wrong = [name for name in value if not isinstance(name, str) or name in (CLASS, ARRAY)]
        if wrong:
            raise ValueError(
                f"a dictionary with the name {wrong[0]!r} cannot be written to a file; names are "
                f'strings other than "{CLASS}" and "{ARRAY}"'
            )
        return {str(name): to_plain(each) for name, each in value.items()}
    if isinstance(value, type):
        warn_of_script(value)
        return {CLASS: class_path(value)}
    if is_dataclass(value):
        warn_of_script(type(value))
        arguments = {each.name: to_plain(getattr(value, each.name)) for each in fields(value)}
        return {CLASS: class_path(type(value)), ARGUMENTS: arguments}
    raise ValueError(
        f"{value!r} of type {type(value).__name__} cannot be written to a file; use numbers, "
        "strings, arrays, classes, or frozen dataclasses of these"
    )


def from_plain(value: Any, bases: tuple[type, ...], source: str) -> Any:
    """Rebuild what :func:`to_plain` described; sequences come back as tuples.

    :param value: the description
    :param bases: dataclasses whose subclasses a description may have objects of; classes without
        arguments may be networks as well
    :param source: of the description, for the messages
    :raises ValueError: it names a class of another kind
    """
    if isinstance(value, (list, tuple)):
        return tuple(from_plain(each, bases, source) for each in value)
    if not isinstance(value, dict):
        return value
    if ARRAY in value:
        return value[ARRAY].cpu().numpy()
    if CLASS not in value:
        return {name: from_plain(each, bases, source) for name, each in value.items()}
    if ARGUMENTS not in value:
        return find_class(value[CLASS], (*bases, nn.Module), source)
    kind = find_class(value[CLASS], bases, source)
    return make(kind, from_plain(value[ARGUMENTS], bases, source), source)


def make(kind: type, arguments: Mapping[str, Any], source: str, *first: Any) -> Any:
    """Make an object of a class with the arguments that a file gives.

    :param kind: of :func:`find_class`
    :param arguments: keyword arguments
    :param source: what gives them, for the messages
    :param first: positional arguments, which the file does not give
    :raises ValueError: the class takes other arguments
    """
    try:
        inspect.signature(kind).bind(*first, **arguments)
    except TypeError as error:
        raise ValueError(
            f"{source} describes a {kind.__name__} with other arguments than it takes here "
            f"({error}); use the version of it that wrote the file"
        ) from error
    return kind(*first, **arguments)
