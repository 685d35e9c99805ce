"""`python -m tools.calibrate`: `flatsort calibrate` from a checkout."""

from tracker.commands.main import run

if __name__ == "__main__":
    run("calibrate")
