"""The one exception for input a user can mend."""

from __future__ import annotations


class InputError(ValueError):
    """Bad input from outside: a file, a key of a configuration, a data set that does not fit the model.

    The message is one line that says where, what was found and what was expected. Commands print it and end with
    exit code 2.
    """


class TrainingError(RuntimeError):
    """A run that cannot go on: the message names the step and the likely cause. Its last good checkpoint stays."""
