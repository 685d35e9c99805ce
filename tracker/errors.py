"""The one exception for input a user can mend, which both halves share."""

from embedding.errors import InputError

__all__ = ["InputError"]
