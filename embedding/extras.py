"""Packages that a plain `pip install flatsort` leaves out: who needs one says so before it works."""

from __future__ import annotations

from importlib.util import find_spec

from embedding.errors import InputError

# Package -> the extra that brings it.
EXTRAS = {
    "torch": "adapt",
    "torchvision": "detect",
    "jinja2": "report",
    "matplotlib": "plot",
    "motmetrics": "check",
    "trackeval": "check",
    "onnx": "onnx",
    "optuna": "tune",
    "prometheus_client": "serve",
    "pyarrow": "parquet",
    "ray": "ray",
    "faiss": "faiss",
    "fsspec": "s3",
    "gcsfs": "gs",
    "s3fs": "s3",
    "tensorboard": "training",
}


def is_installed(package: str) -> bool:
    """Whether it could be imported; it is not."""
    return find_spec(package) is not None


def require_package(package: str, what: str) -> None:
    """InputError where a package is missing that `what` cannot do without; nothing is imported.

    Args:
        package: a key of `EXTRAS`.
        what: begins the message: an option, a command, a file.

    Example:
        >>> require_package("numpy", "--table tracks.csv")
    """
    if not is_installed(package):
        raise InputError(f"{what}: needs {package}, which is not installed: pip install 'flatsort[{EXTRAS[package]}]'")
