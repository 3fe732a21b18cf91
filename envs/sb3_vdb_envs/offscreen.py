"""Off-screen OpenGL without a display: which library to use, and what to do where there is none."""

from __future__ import annotations

import atexit
import ctypes.util
import importlib
import os
import sys
import weakref
from typing import Any

from gymnasium.error import DependencyNotInstalled

LIBRARIES = {"egl": "EGL", "osmesa": "OSMesa"}  # shared libraries by MuJoCo's names of back ends
BACK_ENDS = (*LIBRARIES, "glfw")
REMEDY = (
    "install one of the Debian packages libegl1 (with libgl1-mesa-dri) or libosmesa6, "
    "or set MUJOCO_GL to egl, osmesa or glfw"
)

_contexts: weakref.WeakSet[Any] = weakref.WeakSet()


def back_end() -> str:
    """Back end of OpenGL: what ``MUJOCO_GL`` says, else the first that is installed.

    :return: ``"egl"``, ``"osmesa"`` or ``"glfw"``
    :raises ValueError: ``MUJOCO_GL`` names none of them
    :raises DependencyNotInstalled: no library is installed
    """
    wanted = os.environ.get("MUJOCO_GL", "").lower().strip()
    if wanted:
        if wanted not in BACK_ENDS:
            raise ValueError(f"MUJOCO_GL must be one of {', '.join(BACK_ENDS)}, got {wanted!r}")
        return wanted
    for name, library in LIBRARIES.items():
        if ctypes.util.find_library(library):
            return name
    if sys.platform != "linux" or os.environ.get("DISPLAY"):
        return "glfw"
    raise DependencyNotInstalled(
        f"no OpenGL library is installed for off-screen pictures: {REMEDY}"
    )


def make_context(width: int, height: int) -> Any:
    """An OpenGL context for off-screen pictures, made current.

    :param width: pixels
    :param height: pixels
    :raises DependencyNotInstalled: the back end does not work here
    """
    name = back_end()
    os.environ.setdefault("MUJOCO_GL", name)
    try:
        context = importlib.import_module(f"mujoco.{name}").GLContext(width, height)
        context.make_current()
    except Exception as error:
        raise DependencyNotInstalled(
            f"off-screen pictures with {name} do not work here ({type(error).__name__}: {error}); "
            f"{REMEDY}"
        ) from error
    if not _contexts:  # after MuJoCo's own exit handler was registered, so that this runs before it
        atexit.unregister(_free_contexts)
        atexit.register(_free_contexts)
    _contexts.add(context)
    return context


def _free_contexts() -> None:
    """Free what nobody closed, before the interpreter takes OpenGL apart."""
    for context in list(_contexts):
        context.free()
