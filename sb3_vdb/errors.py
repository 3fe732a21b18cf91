"""Errors of training that have a name."""


class NonFiniteError(FloatingPointError):
    """A loss or reward is not finite; the message names the term and the checkpoint that was
    written.
    """
