"""The one exception for input a user can mend, and how its message quotes what was found."""

from __future__ import annotations

LONGEST_QUOTE = 80  # characters of a value or of another program's words in a message


class InputError(ValueError):
    """Bad input from outside: a file, a key of a configuration, a data set that does not fit the model.

    The message is one line that says where, what was found and what was expected. Commands print it and end with
    exit code 2.
    """


class TrainingError(RuntimeError):
    """A run that cannot go on: the message names the step and the likely cause. Its last good checkpoint stays."""


def shortened(text: object) -> str:
    """Text as part of a message: on one line, and cut after so many characters that the line can be read."""
    line = " ".join(str(text).split())
    return line if len(line) <= LONGEST_QUOTE else f"{line[: LONGEST_QUOTE - 3]}..."


def quoted(value: object) -> str:
    """A value as it would be written in Python, cut likewise."""
    try:
        return shortened(repr(value))
    except (ValueError, RecursionError):  # Python writes no integer of more than 4,300 digits
        return f"a {type(value).__name__} too large to print"


class FeatureError(InputError):
    """A descriptor gave what is no feature, such as NaN.

    Attributes:
        picture: which of the images that were described together, from 0.
    """

    def __init__(self, message: str, picture: int) -> None:
        super().__init__(message)
        self.picture = picture
