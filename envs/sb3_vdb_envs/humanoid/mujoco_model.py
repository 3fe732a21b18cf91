"""The character as a MuJoCo model.

The parts that decide whether simulation is stable and faithful, and why they are as they are:

* proportional and derivative gain both sit in the actuator, whose force is limited as a whole, as
  in DeepMimic. ``implicitfast`` integrates the derivative part implicitly; at the force limit
  MuJoCo drops it, and the light feet would chatter without ``ARMATURE``.
* a ball joint has three actuators, one per axis, whose lengths are the joint's rotation vector.
* the solver's iterations, the pyramidal cone and self-collision are MuJoCo's usual ones.
"""

from __future__ import annotations

from collections.abc import Callable
from xml.etree import ElementTree

import numpy as np

from sb3_vdb_envs.humanoid import character
from sb3_vdb_envs.humanoid.character import JOINTS, Joint

ARMATURE = 0.02  # kg m^2, added inertia of every joint axis; the least that never diverged
SOLVER_ITERATIONS, LINE_SEARCH_ITERATIONS = 20, 10
AXES = ("1 0 0", "0 1 0", "0 0 1")


def _text(values: object) -> str:
    return " ".join(f"{value:.9g}" for value in np.ravel(np.asarray(values, dtype=np.float64)))


def add_joint(body: ElementTree.Element, joint: Joint, prefix: str) -> None:
    """Add the joint that moves a body.

    :param body: gets the joint
    :param joint: which
    :param prefix: of its name
    """
    name = prefix + joint.name
    if joint.kind == "free":
        ElementTree.SubElement(body, "freejoint", name=name)
    elif joint.kind == "ball":
        ElementTree.SubElement(body, "joint", name=name, type="ball", armature=str(ARMATURE))
    elif joint.kind == "hinge":
        add_hinge(body, name, character.HINGE_LIMITS[joint.name.split("_")[1]])


def add_hinge(
    body: ElementTree.Element, name: str, limits: tuple[float, float] | None = None
) -> None:
    """Add a hinge about the axis of knees and elbows.

    :param body: gets the hinge
    :param name: of the hinge
    :param limits: least and largest angle, rad; None for none
    """
    axis = _text(character.HINGE_AXIS)
    hinge = ElementTree.SubElement(
        body, "joint", name=name, type="hinge", axis=axis, armature=str(ARMATURE)
    )
    if limits is not None:
        hinge.set("limited", "true")
        hinge.set("range", _text(limits))


def add_body(
    parent: ElementTree.Element,
    index: int,
    prefix: str,
    colours: dict[str, str],
    group: int = 0,
    add_joint: Callable[[ElementTree.Element, Joint, str], None] = add_joint,
) -> ElementTree.Element:
    """Add a body and all that hangs from it.

    :param parent: element that gets the body
    :param index: of the joint that moves it
    :param prefix: of all names, so that a scene can hold two characters
    :param colours: of the parts that begin with "left", "right", and of the others ("middle")
    :param group: MuJoCo's geom group, by which parts are hidden
    :param add_joint: adds the joint of each body
    :return: the body
    """
    joint = JOINTS[index]
    position = (0, 0, 1) if joint.kind == "free" else joint.attach
    name = prefix + joint.name
    body = ElementTree.SubElement(parent, "body", name=name, pos=_text(position))
    add_joint(body, joint, prefix)
    colour = colours.get(joint.name.split("_")[0], colours["middle"])
    ElementTree.SubElement(
        body,
        "geom",
        name=name,
        type=joint.shape,
        size=_text(joint.size),
        pos=_text(joint.centre),
        mass=_text(joint.mass),
        rgba=colour,
        group=str(group),
    )
    for child, other in enumerate(JOINTS):
        if other.parent == index:
            add_body(body, child, prefix, colours, group, add_joint)
    return body


def add_actuator(root: ElementTree.Element, joint: Joint, gear: str) -> None:
    """Add a position actuator with the joint's gains and torque limit.

    :param root: gets the actuator
    :param joint: what it turns
    :param gear: about which axis
    """
    ElementTree.SubElement(
        root,
        "position",
        joint=joint.name,
        kp=_text(joint.stiffness),
        kv=_text(joint.damping),
        gear=gear,
        forcelimited="true",
        forcerange=_text((-joint.torque_limit, joint.torque_limit)),
    )


MIDDLE, LEFT, RIGHT = "0.75 0.72 0.68 1", "0.25 0.45 0.70 1", "0.80 0.35 0.25 1"
COLOURS = {"middle": MIDDLE, "left": LEFT, "right": RIGHT}


def model_xml(timestep: float) -> str:
    """Describe the character on a plane for MuJoCo, with actuators in the order of the targets.

    :param timestep: s
    """
    root, world, actuators = on_a_plane(timestep)
    add_body(world, 0, "", COLOURS)
    for index in character.ACTUATED:
        joint = JOINTS[index]
        for axis in AXES if joint.kind == "ball" else ("1",):
            add_actuator(actuators, joint, f"{axis} 0 0 0" if joint.kind == "ball" else axis)
    return ElementTree.tostring(root, encoding="unicode")


def on_a_plane(
    timestep: float,
) -> tuple[ElementTree.Element, ElementTree.Element, ElementTree.Element]:
    """Describe the ground and how MuJoCo integrates.

    :param timestep: s
    :return: the whole description, what is to get bodies, and what is to get actuators
    """
    root = ElementTree.Element("mujoco", model="humanoid")
    ElementTree.SubElement(root, "compiler", angle="radian", autolimits="false")
    ElementTree.SubElement(
        root,
        "option",
        timestep=f"{timestep:.17g}",
        integrator="implicitfast",
        gravity=_text((0, 0, -character.GRAVITY)),
        iterations=str(SOLVER_ITERATIONS),
        ls_iterations=str(LINE_SEARCH_ITERATIONS),
    )
    # what diverges must be seen, and not be put back into the zero pose behind our back
    ElementTree.SubElement(
        root.find("option"),  # type: ignore[arg-type]
        "flag",
        autoreset="disable",
    )
    default = ElementTree.SubElement(root, "default")
    ElementTree.SubElement(default, "geom", friction=_text(character.CONTACT_FRICTION), condim="3")
    world = ElementTree.SubElement(root, "worldbody")
    ElementTree.SubElement(world, "geom", name="ground", type="plane", size="0 0 1")
    return root, world, ElementTree.SubElement(root, "actuator")
