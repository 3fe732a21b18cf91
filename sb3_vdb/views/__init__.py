"""Views: what a discriminator sees of a transition, which need not be what the policy observes."""

from sb3_vdb.views.absorbing import AbsorbingView, absorbing_view
from sb3_vdb.views.difference import Difference
from sb3_vdb.views.observations import (
    Join,
    ObservationView,
    Picture,
    Vector,
    check_starts,
    default_view,
)
from sb3_vdb.views.picture_difference import PictureDifference
from sb3_vdb.views.seen import EncodedTransitions, Inputs, Seen
from sb3_vdb.views.view import MOMENTS, Moment, TransitionEncoder, View

__all__ = [
    "MOMENTS",
    "AbsorbingView",
    "Difference",
    "EncodedTransitions",
    "Inputs",
    "Join",
    "Moment",
    "ObservationView",
    "Picture",
    "PictureDifference",
    "Seen",
    "TransitionEncoder",
    "Vector",
    "View",
    "absorbing_view",
    "check_starts",
    "default_view",
]
