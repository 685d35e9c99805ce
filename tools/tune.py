"""`python -m tools.tune`: `flatsort tune` from a checkout."""

from tracker.commands.main import run

if __name__ == "__main__":
    run("tune")
