"""Run a command line: one line and exit code 2 for bad input, options that take several values."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import typer

from embedding.progress import say
from tracker.errors import InputError
from tracker.run.processes.ending import ending_in_order, exit_code, is_interrupted

# click's base class of usage errors; typer carries its own copy of click or needs the real one, by version
USAGE_ERROR: Any = typer.BadParameter.__mro__[2]
INTERRUPTED = 130  # the shell's exit code for Ctrl-C


def let_threads_sleep() -> None:
    """Let the threads of numerical libraries not spin, unless the environment says otherwise.

    OpenMP's sleep where they wait for each other. BLAS gets one: our matrices are small, several threads only burn the
    cores that decoding could use (15 CPU seconds in place of 8 on MOT16-09). To be called before NumPy is imported.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if "OMP_NUM_THREADS" not in os.environ:
        for variable in ("OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
            os.environ.setdefault(variable, "1")


def run_command(
    command: Callable[..., Any],
    name: str,
    arguments: Sequence[str] | None = None,
    many_values: Sequence[str] = (),
    bare_values: Mapping[str, Sequence[str]] | None = None,
    usage: str | None = None,
) -> NoReturn:
    """Parse the arguments, run, exit.

    Args:
        command: a function with typer's annotations.
        name: what messages begin with.
        arguments: those of the process if None.
        many_values: options that take all values up to the next option.
        bare_values: options that may stand without a value, and the values they know; the first is meant then.
        usage: what the help says to type, `name` if None.
    """
    with ending_in_order():
        sys.exit(_status(command, name, arguments, many_values, bare_values or {}, usage))


def _status(
    command: Callable[..., Any],
    name: str,
    arguments: Sequence[str] | None,
    many_values: Sequence[str],
    bare_values: Mapping[str, Sequence[str]],
    usage: str | None,
) -> int:
    """The exit code of a run."""
    app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
    app.command(context_settings={"help_option_names": ["-h", "--help"]})(command)
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        given = fill_bare(spread_values(given, many_values), bare_values)
        status = app(args=given, prog_name=usage or name, standalone_mode=False)
        if sys.stdout is not None:  # None where it is closed
            sys.stdout.flush()  # here, where a reader who has gone can still be dealt with
    except USAGE_ERROR as error:
        fail(name, error.format_message())
    except InputError as error:
        fail(name, str(error))
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter complains when it ends
        status = 1
    except OSError as error:  # a name too long, a disk gone: the system's own words
        fail(name, f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except (KeyboardInterrupt, typer.Abort):
        status = INTERRUPTED
    if status == INTERRUPTED and is_interrupted():  # by which signal
        status = exit_code()
    if isinstance(status, int) and status >= INTERRUPTED - 1:  # some versions of typer return it without a word
        say(f"{name}: interrupted")
    return status if isinstance(status, int) else 0


def fail(name: str, message: str) -> NoReturn:
    """End with one line and exit code 2."""
    say(f"{name}: {' '.join(message.split())}")
    sys.exit(2)


def fill_bare(arguments: Sequence[str], bare_values: Mapping[str, Sequence[str]]) -> list[str]:
    """`--link clip.mp4` as `--link on clip.mp4`: an option without one of its values has the first."""
    filled: list[str] = []
    for place, argument in enumerate(arguments):
        filled.append(argument)
        known = bare_values.get(argument)
        if known is not None and (place + 1 == len(arguments) or arguments[place + 1] not in known):
            filled.append(known[0])
    return filled


def spread_values(arguments: Sequence[str], many_values: Sequence[str]) -> list[str]:
    """`--seq A B` as `--seq A --seq B`, which is how the option parser wants it."""
    spread: list[str] = []
    option = None
    first = True
    for argument in arguments:
        if argument.startswith("-"):
            option = argument if argument in many_values else None
            first = True
        elif option is not None:
            if not first:
                spread.append(option)
            first = False
        spread.append(argument)
    return spread
