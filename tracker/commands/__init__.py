"""The command line: options in, calls of the other rooms out.

Imports everything below it, what takes long on use.
"""
