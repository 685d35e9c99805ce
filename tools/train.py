"""`python -m tools.train`: `flatsort train` from a checkout."""

from tracker.commands.main import run

if __name__ == "__main__":
    run("train")
