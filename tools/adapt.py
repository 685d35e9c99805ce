"""`python -m tools.adapt`: `flatsort adapt` from a checkout."""

from tracker.commands.main import run

if __name__ == "__main__":
    run("adapt")
