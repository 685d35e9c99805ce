"""The command line: options in, calls of the other rooms out.

Imports everything below it, what takes long on use.
Public: `main.main` and `main.track`, the console commands; `main` of each module, one command.
"""
