"""Off-screen OpenGL without a display: which library to use, and what to do where there is none."""

from __future__ import annotations

import atexit
import ctypes
import ctypes.util
import functools
import importlib
import os
import sys
import threading
import weakref
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium.error import DependencyNotInstalled

from sb3_vdb_envs.dependencies import require

LIBRARIES = {"egl": "EGL", "osmesa": "OSMesa"}  # shared libraries by MuJoCo's names of back ends
EGL_PLATFORM_DEVICE, MAX_DEVICES = 0x313F, 10  # of eglext.h
MAX_GEOMS = 2000  # that a picture may show
BACK_ENDS = (*LIBRARIES, "glfw")
SWITCHED_OFF = ("disable", "disabled", "off", "false", "0")
REMEDY = (
    "install one of the Debian packages libegl1 (with libgl1-mesa-dri) or libosmesa6, "
    "or set MUJOCO_GL to egl, osmesa or glfw"
)

_contexts: weakref.WeakSet[Any] = weakref.WeakSet()


def back_end() -> str:
    """Choose the back end of OpenGL: what ``MUJOCO_GL`` says, else the first that is installed; EGL
    must also have a device that opens.

    Asked before any OpenGL library is loaded, so it also tells Mesa's software renderer, unless
    ``LP_NUM_THREADS`` is set, to render in the calling thread: on small pictures its own threads
    cost a third of the speed.

    :return: ``"egl"``, ``"osmesa"`` or ``"glfw"``
    :raises ValueError: ``MUJOCO_GL`` names none of them
    :raises DependencyNotInstalled: no library is installed
    """
    os.environ.setdefault("LP_NUM_THREADS", "0")
    wanted = os.environ.get("MUJOCO_GL", "").lower().strip()
    if wanted in SWITCHED_OFF:
        raise DependencyNotInstalled(f"MUJOCO_GL={wanted} switches pictures off; {REMEDY}")
    if wanted:
        if wanted not in BACK_ENDS:
            raise ValueError(f"MUJOCO_GL must be one of {', '.join(BACK_ENDS)}, got {wanted!r}")
        return wanted
    for name, library in LIBRARIES.items():
        path = ctypes.util.find_library(library)
        if path and (name != "egl" or _egl_has_a_display(path)):
            return name
    if sys.platform != "linux" or os.environ.get("DISPLAY"):
        return "glfw"
    raise DependencyNotInstalled(
        f"no OpenGL library is installed for off-screen pictures: {REMEDY}"
    )


@functools.cache
def _egl_has_a_display(library: str) -> bool:
    """Say whether a device of EGL can be initialised, as MuJoCo is going to: the library may be
    there without a driver.
    """
    try:
        egl = ctypes.CDLL(library)
        egl.eglGetProcAddress.restype = ctypes.c_void_p
        addresses = [
            egl.eglGetProcAddress(name)
            for name in (b"eglQueryDevicesEXT", b"eglGetPlatformDisplayEXT")
        ]
    except (OSError, AttributeError):
        return False
    if not all(addresses):
        return False
    pointer, integer = ctypes.c_void_p, ctypes.c_int
    query = ctypes.CFUNCTYPE(integer, integer, pointer, pointer)(addresses[0])
    open_display = ctypes.CFUNCTYPE(pointer, integer, pointer, pointer)(addresses[1])
    devices, n = (pointer * MAX_DEVICES)(), integer()
    if not query(MAX_DEVICES, ctypes.cast(devices, pointer), ctypes.cast(ctypes.byref(n), pointer)):
        return False
    egl.eglInitialize.argtypes = [pointer, pointer, pointer]
    displays = (open_display(EGL_PLATFORM_DEVICE, device, None) for device in devices[: n.value])
    return any(display and egl.eglInitialize(display, None, None) for display in displays)


def make_context(width: int, height: int) -> Any:
    """Make an OpenGL context for off-screen pictures, and make it the current one.

    :param width: pixels
    :param height: pixels
    :raises DependencyNotInstalled: the back end does not work here
    """
    name = back_end()
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


class OffscreenRenderer:
    """Renders a MuJoCo model without a display; OpenGL is opened by the first picture.

    What the model says about quality (shadows, tessellation, samples) counts when OpenGL is opened.
    A renderer belongs to the thread that renders with it.

    :param model: ``mujoco.MjModel``
    :param height: pixels
    :param width: pixels
    """

    def __init__(self, model: Any, height: int, width: int) -> None:
        self._mujoco = require("mujoco", "humanoid")
        self._model, self.height, self.width = model, height, width
        self._context: Any = None
        self.camera, self.option = self._mujoco.MjvCamera(), self._mujoco.MjvOption()
        self._thread = 0

    def _open(self) -> None:
        mujoco, model = self._mujoco, self._model
        model.vis.global_.offwidth, model.vis.global_.offheight = self.width, self.height
        context = make_context(self.width, self.height)
        try:
            scene = mujoco.MjvScene(model, MAX_GEOMS)
            render_context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100.value)
            mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, render_context)
        except Exception as error:
            context.free()
            raise DependencyNotInstalled(
                f"OpenGL opens but cannot render {self.width} x {self.height} pixels here "
                f"({type(error).__name__}: {error}); {REMEDY}"
            ) from error
        self._scene, self._render_context = scene, render_context
        self._view = mujoco.MjrRect(0, 0, self.width, self.height)
        self._pixels = np.empty((self.height, self.width, 3), dtype=np.uint8)
        self._context, self._thread = context, threading.get_ident()

    def render(self, data: Any) -> npt.NDArray[np.uint8]:
        """Render a state of the model, shape (height, width, 3).

        :param data: ``mujoco.MjData`` with positions worked out
        :raises RuntimeError: another thread rendered the first picture
        """
        if self._context is None:
            self._open()
        if self._thread != threading.get_ident():
            raise RuntimeError(
                "this environment rendered its first picture in another thread, to which OpenGL is "
                "bound; use an environment in one thread, or make one in each"
            )
        mujoco = self._mujoco
        self._context.make_current()
        mujoco.mjv_updateScene(
            self._model, data, self.option, None, self.camera,
            mujoco.mjtCatBit.mjCAT_ALL.value, self._scene,
        )  # fmt: skip
        mujoco.mjr_render(self._view, self._scene, self._render_context)
        mujoco.mjr_readPixels(self._pixels, None, self._view, self._render_context)
        return self._pixels[::-1].copy()  # OpenGL counts rows from below

    def upload_heights(self) -> None:
        """Hand height fields that have changed to OpenGL."""
        if self._context is not None and self._model.nhfield:
            self._context.make_current()
            for i in range(self._model.nhfield):
                self._mujoco.mjr_uploadHField(self._model, self._render_context, i)

    def close(self) -> None:
        """Free OpenGL; closing twice is legal, and the next picture opens it again."""
        if self._context is None:
            return
        if self._thread == threading.get_ident():  # elsewhere it goes with the context
            self._context.make_current()
            self._render_context.free()
        self._context.free()
        self._context = None


def _free_contexts() -> None:
    """Free what nobody closed, before the interpreter takes OpenGL apart."""
    for context in list(_contexts):
        context.free()
