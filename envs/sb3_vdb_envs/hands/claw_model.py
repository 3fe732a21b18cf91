"""The D'Claw and its valve for MuJoCo, made of primitives.

Lengths, masses, gains and limits are those of ROBEL's D'Claw (Ahn et al. 2019, Apache-2.0); shapes
are boxes, capsules and cylinders in place of its meshes. Finger tips stand where ROBEL's do to
about 1 mm, and valves have its masses and inertias.
"""

from __future__ import annotations

import math
from typing import NamedTuple

TIMESTEP = 0.0025  # s
N_FINGERS, N_FINGER_JOINTS = 3, 3
N_JOINTS = N_FINGERS * N_FINGER_JOINTS
RESET_POSE = (0.0, -math.pi / 3, math.pi / 3) * N_FINGERS  # rad
VALVE_RGBA = ".5 0 0 1"  # dark red, as the V-MAIL authors have it


class Prongs(NamedTuple):
    """A kind of valve: its capsules, m and rad."""

    azimuths: tuple[float, ...]
    half_length: float
    centre: float  # distance from the axis


PRONGS = {
    3: Prongs(tuple(2 * math.pi * i / 3 for i in range(3)), 0.035, 0.038),
    4: Prongs((0.0, math.pi / 2), 0.074, 0.0),  # two capsules that cross
}
FINGER_AZIMUTHS = (math.pi / 3, -math.pi / 3, math.pi)

# A finger hangs along -z; x points outwards, y counter-clockwise. Metres, kilograms.
_FINGER = """
<body name="base{i}" pos="{x:.9g} {y:.9g} .318" euler="0 0 {azimuth:.9g}">
  <geom class="motor" pos="0 0 .012" mass=".093" contype="0" conaffinity="0"/>
  <body name="proximal{i}">
    <joint name="joint{i}1" axis="1 0 0" range="-.45 1.35"/>
    <geom class="motor" pos="0 0 -.045" mass=".093"/>
    <geom class="link" fromto="0 0 -.01 0 0 -.06" mass=".012"/>
    <body name="middle{i}" pos="0 0 -.0675">
      <joint name="joint{i}2" axis="0 1 0" range="-2 2"/>
      <geom class="motor" pos="0 0 -.046" mass=".093"/>
      <geom class="link" fromto="0 0 -.01 0 0 -.06" mass=".012"/>
      <body name="distal{i}" pos="0 0 -.068">
        <joint name="joint{i}3" axis="0 1 0" range="-2 2"/>
        <geom class="link" fromto="0 0 -.01 0 0 -.03" mass=".014"/>
        <geom class="tip" pos="0 0 -.053" mass=".018"/>
        <site name="tip{i}" pos="0 0 -.076" size=".002" group="4"/>
      </body>
    </body>
  </body>
</body>"""
_PRONG = (
    '<geom class="valve" type="capsule" size=".021 {half_length}" '
    'pos="{x:.9g} {y:.9g} .054" euler="0 {tilt:.9g} {azimuth:.9g}"/>'
)
_MODEL = """
<mujoco model="dclaw">
  <compiler angle="radian" eulerseq="XYZ"/>
  <option timestep="{timestep}" cone="elliptic" jacobian="dense" iterations="50" tolerance="1e-10"/>
  <visual><headlight ambient=".4 .4 .4" diffuse="0 0 0" specular="0 0 0"/></visual>
  <default>
    <geom condim="4" margin=".0005" rgba=".25 .25 .28 1"/>
    <joint damping=".1" armature=".001" limited="true"/>
    <position kp="2"/>
    <default class="motor"><geom type="box" size=".0175 .015 .024"/></default>
    <default class="link">
      <geom type="capsule" size=".007" rgba=".5 .5 .55 1" contype="0" conaffinity="0"/>
    </default>
    <default class="tip">
      <geom type="capsule" size=".011 .02" friction=".2 .005 .0001" rgba=".85 .85 .85 1"/>
    </default>
    <default class="valve">
      <geom density="1000" friction=".2 .005 .0001" rgba="{valve_rgba}"/>
    </default>
  </default>
  <asset>
    <texture name="sky" type="skybox" builtin="flat" rgb1=".75 .8 .85" width="8" height="8"/>
    <texture name="floor" type="2d" builtin="checker" rgb1=".82 .82 .8" rgb2=".72 .72 .7"
             width="64" height="64"/>
    <material name="floor" texture="floor" texrepeat="8 8" reflectance="0"/>
  </asset>
  <worldbody>
    <light directional="true" diffuse=".3 .3 .3" pos="0 0 2" dir="0 0 -1"/>
    <light directional="true" diffuse=".3 .3 .3" pos="-2 1 2" dir="1 -.5 -1" castshadow="false"/>
    <light directional="true" diffuse=".3 .3 .3" pos="-2 -1 2" dir="1 .5 -1" castshadow="false"/>
    <geom name="floor" type="plane" size="1 1 .1" material="floor"/>
    <geom name="plate" type="cylinder" size=".075 .004" pos="0 0 .342" rgba=".6 .7 .8 .3"
          contype="0" conaffinity="0"/>
    <geom name="valve_base" type="box" size=".0175 .0175 .018" pos="0 0 .028"/>
    <body name="valve" pos="0 0 .048">
      <joint name="valve" axis="0 0 1" limited="false"/>
      <geom name="hub" class="valve" type="cylinder" size=".02 .0275" pos="0 0 .027"/>
      {prongs}
    </body>
    {fingers}
  </worldbody>
  <contact>{excluded}</contact>
  <actuator>{actuators}</actuator>
</mujoco>"""
CONTROL_LIMITS = (0.48, 1.57, 1.57)  # rad, of a finger's position targets


def model_xml(n_prongs: int) -> str:
    """Describe the claw over a valve.

    :param n_prongs: 3 or 4
    """
    kind = PRONGS[n_prongs]
    prongs = "".join(
        _PRONG.format(
            half_length=kind.half_length,
            x=kind.centre * math.cos(azimuth),
            y=kind.centre * math.sin(azimuth),
            tilt=math.pi / 2,
            azimuth=azimuth,
        )
        for azimuth in kind.azimuths
    )
    fingers = "".join(
        _FINGER.format(
            i=i + 1, x=0.06 * math.cos(azimuth), y=0.06 * math.sin(azimuth), azimuth=azimuth
        )
        for i, azimuth in enumerate(FINGER_AZIMUTHS)
    )
    actuators = "".join(
        f'<position joint="joint{i + 1}{k + 1}" ctrlrange="-{limit} {limit}"/>'
        for i in range(N_FINGERS)
        for k, limit in enumerate(CONTROL_LIMITS)
    )
    excluded = "".join(f'<exclude body1="valve" body2="base{i + 1}"/>' for i in range(N_FINGERS))
    return _MODEL.format(
        timestep=TIMESTEP,
        valve_rgba=VALVE_RGBA,
        prongs=prongs,
        fingers=fingers,
        actuators=actuators,
        excluded=excluded,
    )
