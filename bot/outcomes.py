"""The six outcomes that a request can end with, and nothing else."""

from enum import StrEnum


class Outcome(StrEnum):
    """What came of a request for one label; the words are those of the trail."""

    ACCEPTED = "accepted"
    """The MPC took it. Whether a mail goes out is not said: its answer is "intentionally vacuous"."""
    REJECTED = "rejected"
    """The MPC said no."""
    UNAVAILABLE = "unavailable"
    """It was surely not processed; nothing was sent."""
    UNKNOWN = "unknown"
    """It may have been processed, so it must not be asked again by itself."""
    INVALID = "invalid"
    """It is not a label; it never reached the MPC."""
    DENIED = "denied"
    """A rule of this installation refused it; it never reached the MPC."""
