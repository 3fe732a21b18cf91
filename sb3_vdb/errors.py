"""Errors of training and of files that have a name."""


class NonFiniteError(FloatingPointError):
    """A loss or reward is not finite; the message names the term and the checkpoint that was
    written.
    """


class DamagedFileError(ValueError):
    """A file is truncated, changed or of another kind; the message names it and the remedy."""
