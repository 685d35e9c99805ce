"""`python -m tools.export`: `flatsort export` from a checkout."""

from tracker.commands.main import run

if __name__ == "__main__":
    run("export")
