"""The one exception for input a user can mend, which both halves share, and how its message quotes what was found."""

from embedding.errors import InputError, quoted, shortened

__all__ = ["InputError", "quoted", "shortened"]
