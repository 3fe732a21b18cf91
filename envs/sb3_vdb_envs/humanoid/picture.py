"""Pictures of the humanoid beside the motion that it imitates."""

from __future__ import annotations

from typing import Any, Protocol
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt

from sb3_vdb_envs.dependencies import require
from sb3_vdb_envs.humanoid import character
from sb3_vdb_envs.humanoid.kinematics import CharacterState, forward_kinematics
from sb3_vdb_envs.humanoid.mujoco_model import COLOURS, add_body
from sb3_vdb_envs.offscreen import OffscreenRenderer

IMAGE_HEIGHT = 360
ASPECT = 16 / 9
SHIFT = np.array([[-1.3, 0.0, 0.0]])  # m from the character to the motion, in the picture
DISTANCE, AZIMUTH, ELEVATION = 3.8, 80.0, -10.0  # of the camera: m and degrees
LOOK_AT_HEIGHT = 0.85  # m
GHOST = {"middle": "0.62 0.66 0.70 1", "left": "0.52 0.57 0.62 1", "right": "0.72 0.75 0.78 1"}
PREFIXES, MOTION_GROUP = ("character_", "motion_"), 1


class Picture(Protocol):
    """Renders a character and the motion."""

    def render(self, state: CharacterState, target: CharacterState) -> npt.NDArray[np.uint8]:
        """Render one character (in its colours) and, left of it, the motion (grey).

        :param state: batch of one
        :param target: batch of one
        :return: shape (height, width, 3)
        """

    def close(self) -> None:
        """Release what rendering needs."""


def image_size(height: int) -> tuple[int, int]:
    """Compute height and width in even numbers of pixels, as video formats want them.

    :raises ValueError: less than 32 pixels
    """
    if height < 32:
        raise ValueError(f"`render_height` must be at least 32 pixels, got {height}")
    return 2 * round(height / 2), 2 * round(height * ASPECT / 2)


def _scene_xml(height: int, width: int) -> str:
    """Describe both characters without physics, a checked floor, sky and a light that follows."""
    root = ElementTree.Element("mujoco")
    ElementTree.SubElement(root, "compiler", angle="radian", autolimits="false")
    visual = ElementTree.SubElement(root, "visual")
    ElementTree.SubElement(visual, "global", offwidth=str(width), offheight=str(height), fovy="38")
    ElementTree.SubElement(visual, "quality", shadowsize="1024")
    ElementTree.SubElement(visual, "headlight", ambient=".45 .45 .45", diffuse=".35 .35 .35")
    asset = ElementTree.SubElement(root, "asset")
    ElementTree.SubElement(
        asset, "texture", type="skybox", builtin="gradient", rgb1="0.93 0.95 0.97",
        rgb2="0.75 0.81 0.88", width="64", height="256",
    )  # fmt: skip
    ElementTree.SubElement(
        asset, "texture", name="checks", type="2d", builtin="checker", rgb1="0.95 0.95 0.95",
        rgb2="0.85 0.86 0.88", width="128", height="128",
    )  # fmt: skip
    ElementTree.SubElement(
        asset, "material", name="floor", texture="checks", texrepeat="1 1", texuniform="true"
    )
    world = ElementTree.SubElement(root, "worldbody")
    ElementTree.SubElement(
        world, "geom", type="plane", size="0 0 1", material="floor", contype="0", conaffinity="0"
    )
    root_body = add_body(world, 0, PREFIXES[0], COLOURS)
    ElementTree.SubElement(
        root_body, "light", mode="track", pos="-1 -2 3", dir=".25 .4 -1", diffuse=".5 .5 .5"
    )
    add_body(world, 0, PREFIXES[1], GHOST, group=MOTION_GROUP)
    return ElementTree.tostring(root, encoding="unicode")


class MujocoPicture:
    """Renders off screen with MuJoCo's renderer; OpenGL is opened by the first picture.

    :param height: pixels; the width follows as 16:9
    :param azimuth: direction of view about the vertical, degrees; 90 looks from the right side
    """

    def __init__(self, height: int = IMAGE_HEIGHT, azimuth: float = AZIMUTH) -> None:
        self.height, self.width = image_size(height)
        self.azimuth = azimuth
        self._renderer: OffscreenRenderer | None = None

    def _open(self) -> OffscreenRenderer:
        mujoco = require("mujoco", "humanoid")
        self._mujoco = mujoco
        self._model = mujoco.MjModel.from_xml_string(_scene_xml(self.height, self.width))
        self._data = mujoco.MjData(self._model)
        renderer = OffscreenRenderer(self._model, self.height, self.width)
        renderer.camera.distance, renderer.camera.elevation = DISTANCE, ELEVATION
        renderer.camera.azimuth = self.azimuth
        return renderer

    def render(self, state: CharacterState, target: CharacterState | None) -> npt.NDArray[np.uint8]:
        """Render one character and the motion (None hides it), shape (height, width, 3)."""
        self._renderer = renderer = self._renderer or self._open()
        renderer.option.geomgroup[MOTION_GROUP] = target is not None
        self._place(PREFIXES[0], state)
        middle = state.root_position[0, 0]
        if target is not None:
            self._place(PREFIXES[1], target._replace(root_position=target.root_position + SHIFT))
            middle = middle + SHIFT[0, 0] / 2
        self._mujoco.mj_kinematics(self._model, self._data)
        self._mujoco.mj_comPos(self._model, self._data)
        self._mujoco.mj_camlight(self._model, self._data)
        renderer.camera.lookat[:] = (middle, state.root_position[0, 1], LOOK_AT_HEIGHT)
        return renderer.render(self._data)

    def _place(self, prefix: str, state: CharacterState) -> None:
        """Put the coordinates of a character into the scene."""
        position = self._data.qpos
        for i, joint in enumerate(character.MOVING):
            address = self._model.joint(prefix + character.NAMES[joint]).qposadr[0]
            quaternion = state.rotations[0, i]
            if character.JOINTS[joint].kind == "hinge":
                sine = quaternion[1:] @ character.HINGE_AXIS
                position[address] = 2.0 * np.arctan2(sine, quaternion[0])
            elif character.JOINTS[joint].kind == "free":
                position[address : address + 3] = state.root_position[0]
                position[address + 3 : address + 7] = quaternion
            else:
                position[address : address + 4] = quaternion

    def close(self) -> None:
        """Free the OpenGL context."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None


class BulletPicture:
    """Renders with Bullet's software renderer, which needs no OpenGL.

    :param height: pixels; the width follows as 16:9
    """

    def __init__(self, height: int = IMAGE_HEIGHT) -> None:
        self.height, self.width = image_size(height)
        self._bullet: Any = None

    def _open(self) -> None:
        pybullet = require("pybullet", "bullet")
        client = require("pybullet_utils.bullet_client", "bullet")
        bullet = client.BulletClient(connection_mode=pybullet.DIRECT)
        floor = bullet.createVisualShape(
            pybullet.GEOM_BOX, halfExtents=[40, 40, 0.01], rgbaColor=[0.82, 0.84, 0.86, 1]
        )
        self._floor = bullet.createMultiBody(0, -1, floor, [0, 0, -0.01])
        self._parts = [_visual_bodies(bullet, colours) for colours in (COLOURS, GHOST)]
        self._bullet = bullet

    def render(self, state: CharacterState, target: CharacterState) -> npt.NDArray[np.uint8]:
        """Render one character and the motion, shape (height, width, 3)."""
        if self._bullet is None:
            self._open()
        behind = target._replace(root_position=target.root_position + SHIFT)
        for parts, one in zip(self._parts, (state, behind), strict=True):
            bodies = forward_kinematics(one)
            for part, centre, rotation in zip(
                parts, bodies.centres[0], bodies.rotations[0], strict=True
            ):
                self._bullet.resetBasePositionAndOrientation(part, centre, np.roll(rotation, -1))
        x, y = state.root_position[0, :2]
        view = self._bullet.computeViewMatrixFromYawPitchRoll(
            [x + SHIFT[0, 0] / 2, y, LOOK_AT_HEIGHT], DISTANCE, AZIMUTH - 90, ELEVATION, 0, 2
        )
        projection = self._bullet.computeProjectionMatrixFOV(38, self.width / self.height, 0.1, 60)
        pixels = self._bullet.getCameraImage(
            self.width, self.height, view, projection, lightDirection=[-1, -2, 4], shadow=1,
            renderer=self._bullet.ER_TINY_RENDERER,
        )[2]  # fmt: skip
        image = np.asarray(pixels, dtype=np.uint8).reshape(self.height, self.width, 4)
        return image[..., :3].copy()

    def close(self) -> None:
        """Close Bullet's client."""
        if self._bullet is not None:
            self._bullet.disconnect()
            self._bullet = None


def _visual_bodies(bullet: Any, colours: dict[str, str]) -> list[int]:
    """Make the 15 bodies of a character as shapes that can only be seen."""
    bodies = []
    for joint in character.JOINTS:
        colour = colours.get(joint.name.split("_")[0], colours["middle"])
        arguments: dict[str, Any] = {"rgbaColor": [float(value) for value in colour.split()]}
        if joint.shape == "box":
            shape = bullet.GEOM_BOX
            arguments["halfExtents"] = list(joint.size)
        elif joint.shape == "capsule":
            shape = bullet.GEOM_CAPSULE
            arguments |= {"radius": joint.size[0], "length": 2 * joint.size[1]}
        else:
            shape = bullet.GEOM_SPHERE
            arguments["radius"] = joint.size[0]
        bodies.append(bullet.createMultiBody(0, -1, bullet.createVisualShape(shape, **arguments)))
    return bodies
