"""`python -m tools.evaluate`: `flatsort evaluate` from a checkout."""

from tracker.commands.main import run

if __name__ == "__main__":
    run("evaluate")
