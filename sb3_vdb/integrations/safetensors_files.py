"""Recovered rewards and shipped policies as `safetensors`: the tensors as they are, everything else
as JSON in the header.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch as th

from sb3_vdb import pretrained, recovered_reward
from sb3_vdb.baselines import DeepMimicPolicy
from sb3_vdb.files import damaged, reading, with_default_suffix, write_bytes, write_text
from sb3_vdb.integrations.extras import needed
from sb3_vdb.recovered_reward import RecoveredReward
from sb3_vdb.tensor_files import check_content

SUFFIX = ".safetensors"
CONTENT, TENSOR, TUPLE = "sb3_vdb", "tensor:", "tuple"  # entries of the header


def to_safetensors(
    made: RecoveredReward | DeepMimicPolicy, path: str | Path, card: str | None = None
) -> Path:
    """Write a reward or a policy.

    :param made: a recovered reward, or a policy of :func:`~sb3_vdb.pretrained.load_pretrained`
    :param path: of the file; it gets the suffix ``.safetensors`` if it has none
    :param card: Markdown text that is written beside it, with the suffix ``.md``
    :return: the path
    :raises ImportError: `safetensors` is missing
    :raises ValueError: something else is given, or it holds what JSON cannot
    """
    if isinstance(made, RecoveredReward):
        file_format, version = recovered_reward.FORMAT, recovered_reward.VERSION
        content = made.content()
    elif isinstance(made, DeepMimicPolicy):
        file_format, version = pretrained.FORMAT, pretrained.VERSION
        content = pretrained.policy_content(made)
    else:
        raise ValueError(
            f"a RecoveredReward or a DeepMimicPolicy can be written, got {type(made).__name__}; "
            "use the `save` of SB3's algorithms for others"
        )
    tensors: dict[str, th.Tensor] = {}
    content = {"format": file_format, "version": version, **content}
    header = json.dumps(_plain(content, "", tensors))
    path = with_default_suffix(path, SUFFIX)
    write_bytes(path, needed("safetensors.torch").save(tensors, {CONTENT: header}))
    if card is not None:
        write_text(path.with_suffix(".md"), card)
    return path


def reward_from_safetensors(path: str | Path, device: th.device | str = "cpu") -> RecoveredReward:
    """Read a reward that :func:`to_safetensors` wrote.

    :param path: of the file
    :param device: where its networks go
    :raises ImportError: `safetensors` is missing
    :raises DamagedFileError: truncated, changed, or a file of another kind
    """
    content = _read(path, device)
    kind = recovered_reward
    check_content(content, str(path), kind.FORMAT, kind.VERSION, kind.ENTRIES)
    return RecoveredReward.of_content(content, str(path), device)


def policy_from_safetensors(
    path: str | Path, env_id: str, device: th.device | str = "cpu"
) -> DeepMimicPolicy:
    """Read a policy that :func:`to_safetensors` wrote.

    :param path: of the file
    :param env_id: environment whose spaces it has
    :param device: where its networks go
    :raises ImportError: `safetensors` is missing
    :raises DamagedFileError: truncated, changed, or a file of another kind
    """
    content = _read(path, device)
    check_content(content, str(path), pretrained.FORMAT, pretrained.VERSION, pretrained.ENTRIES)
    return pretrained.policy_of_content(content, str(path), env_id, device)


def _read(path: str | Path, device: th.device | str) -> Any:
    path = with_default_suffix(path, SUFFIX)
    opened = needed("safetensors").safe_open
    with reading(path), opened(str(path), framework="pt", device=str(device)) as file:
        header = (file.metadata() or {}).get(CONTENT)
        if header is None:
            raise damaged(str(path), "it was not written by sb3_vdb", "name another file")
        return _restored(json.loads(header), file)


def _plain(value: Any, name: str, tensors: dict[str, th.Tensor]) -> Any:
    """Give a value as JSON has it, and take its tensors out.

    :param value: tensors and plain values, nested
    :param name: of the value
    :param tensors: get those that are found
    """
    if isinstance(value, th.Tensor):
        tensors[name] = value.detach().cpu().clone().contiguous()
        return {TENSOR: name}
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise ValueError(f"`{name}` has names that are no text, which a header cannot hold")
        named = {key: f"{name}.{key}".lstrip(".") for key in value}
        return {key: _plain(value[key], named[key], tensors) for key in value}
    if isinstance(value, list | tuple):
        items = [_plain(each, f"{name}.{i}", tensors) for i, each in enumerate(value)]
        return items if isinstance(value, list) else {TUPLE: items}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise ValueError(f"`{name}` is a {type(value).__name__}, which a header cannot hold")


def _restored(value: Any, file: Any) -> Any:
    """Undo :func:`_plain`."""
    if isinstance(value, list):
        return [_restored(each, file) for each in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {TENSOR}:
        return file.get_tensor(value[TENSOR])
    if set(value) == {TUPLE}:
        return tuple(_restored(each, file) for each in value[TUPLE])
    return {key: _restored(each, file) for key, each in value.items()}
