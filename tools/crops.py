"""`python -m tools.crops`: `flatsort crops` from a checkout."""

from tracker.commands.main import run

if __name__ == "__main__":
    run("crops")
