"""Libraries that only some readers need, imported when they are used."""

from __future__ import annotations

from importlib import import_module
from typing import Any

EXTRAS = {
    "minari": "data",
    "h5py": "data",
    "datasets": "data",
    "pyarrow": "data",
    "imitation": "imitation",
    "safetensors": "hub",
    "huggingface_hub": "hub",
    "rl_zoo3": "zoo",
    "wandb": "wandb",
}


def needed(module: str) -> Any:
    """Import a module of an optional library.

    :param module: dotted name; its first part is in ``EXTRAS``
    :return: the module
    :raises ImportError: naming the extra that brings it
    """
    library = module.partition(".")[0]
    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(
            f'this needs {library} ({error}): pip install "sb3-vdb[{EXTRAS[library]}]"'
        ) from error
