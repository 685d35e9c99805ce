"""What pyproject.toml cannot say: the compiled core, which may be absent, presets in a wheel, PyPI's page."""

from __future__ import annotations

import os
import re
import runpy
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

PRESETS = {"configs/tracker": "tracker/presets", "configs/embedding": "embedding/presets"}
SANITIZERS = os.environ.get("FLATSORT_SANITIZE", "")  # "address,undefined": a debug build


def compiled_core() -> list[Extension]:
    """The tracker's extension; none where nanobind and NumPy, which it is written with, are not at hand."""
    try:
        import nanobind
        import numpy
    except ImportError:
        return []
    source = Path(nanobind.source_dir())
    include = [nanobind.include_dir(), str(source), str(source.parent / "ext" / "robin_map" / "include")]
    include.append(numpy.get_include())
    headers = [str(path) for path in sorted(Path("tracker/core").rglob("*.hpp"))]
    sources = ["tracker/core/compiled/module.cpp", str(source / "nb_combined.cpp")]
    return [extension("tracker.core.compiled._native", sources, depends=headers, include_dirs=include)]


def extension(name: str, sources: list[str], **others: list[str]) -> Extension:
    """One that may fail to be built: NumPy runs where there is no compiler."""
    # No contraction to fused operations: every number is to be what NumPy makes of it.
    options = ["/std:c++17", "/O2", "/EHsc", "/fp:precise"]
    if sys.platform != "win32":
        options = ["-std=c++17", "-O3", "-g0", "-ffp-contract=off", "-fvisibility=hidden", "-fno-strict-aliasing"]
    link: list[str] = []
    if SANITIZERS:
        options += ["-g", "-O1", "-fno-omit-frame-pointer", f"-fsanitize={SANITIZERS}", "-fno-sanitize-recover=all"]
        link = [f"-fsanitize={SANITIZERS}"]
    return Extension(
        name,
        sources=sources,
        define_macros=[("NDEBUG", "1")] if not SANITIZERS else [],
        extra_compile_args=options,
        extra_link_args=link,
        language="c++",
        optional=True,
        **others,
    )


class BuildPresets(build_py):
    """In a checkout the presets are read from configs/; in a wheel they travel inside the packages."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        for source, target in PRESETS.items():
            self.copy_tree(source, str(Path(self.build_lib) / target))


class BuildCore(build_ext):
    """Says what is going on where the compiler fails."""

    def run(self) -> None:
        super().run()
        if any(not Path(self.get_ext_fullpath(extension.name)).exists() for extension in self.extensions):
            print(
                "flatsort: not everything was compiled; NumPy runs instead (a C++17 compiler is missing?)",
                file=sys.stderr,
            )


def page_on_pypi() -> str:
    """README.md, its relative links led to the repository that `[project.urls]` names, or made text while none is."""
    project = Path("pyproject.toml").read_text("utf-8")
    version = re.search(r'^version = "(.+)"', project, re.MULTILINE)
    repository = re.search(r'^Repository = "(.+)"', project, re.MULTILINE)
    for_pypi = runpy.run_path("tools/site/links.py")["for_pypi"]
    return str(for_pypi(Path("README.md").read_text("utf-8"), repository and repository[1], version and version[1]))


STATISTICS = extension("embedding.descriptors.compiled._native", ["embedding/descriptors/compiled/statistics.cpp"])


setup(
    ext_modules=[*compiled_core(), STATISTICS],
    cmdclass={"build_py": BuildPresets, "build_ext": BuildCore},
    long_description=page_on_pypi(),
    long_description_content_type="text/markdown",
)
