"""`python -m tools.embed`: `flatsort embed` from a checkout."""

from tracker.commands.main import run

if __name__ == "__main__":
    run("embed")
