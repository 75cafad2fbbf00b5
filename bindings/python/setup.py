"""The parts of the build that pyproject.toml cannot express: building the extension, and the tag of a wheel.

With the C library or the extension inside, a wheel is for one platform. With the extension it is for CPython 3.10 and
later, through the stable ABI. Without it, the wheel is for any Python 3.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from setuptools import Distribution, Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import build_native  # noqa: E402

SOURCE = "wxtoken/_native.c"
# build_wheel.py omits the source to build a wheel without the extension.
IS_NATIVE = build_native.can_load() and (HERE / SOURCE).exists()


class Native(build_ext):
    """The extension, built by build_native.py."""

    def build_extension(self, ext: Extension) -> None:  # noqa: D102
        try:
            build_native.build(Path(self.get_ext_fullpath(ext.name)), HERE / SOURCE)
        except build_native.Failed as e:
            raise CompileError(str(e)) from None


class Package(Distribution):
    """A distribution that is binary also if it contains the library."""

    def has_ext_modules(self) -> bool:  # noqa: D102
        return super().has_ext_modules() or (HERE / "wxtoken" / "libwxtoken.so.0").exists()


class Wheel(bdist_wheel):
    """A wheel whose tag matches its contents. If the extension could not be built, the wheel is built without it."""

    def get_tag(self) -> tuple[str, str, str]:  # noqa: D102
        built = any(Path(self.bdist_dir, "wxtoken").glob("_native.*.so"))
        return (*(("cp310", "abi3") if built else ("py3", "none")), super().get_tag()[2])


extension = Extension(
    "wxtoken._native",
    [SOURCE],
    py_limited_api=True,
    # Without a compiler, the package uses ctypes. A release requires the extension.
    optional=os.environ.get("WXTOKEN_NATIVE") != "required",
)
setup(
    distclass=Package,
    cmdclass={"bdist_wheel": Wheel, "build_ext": Native},
    ext_modules=[extension] if IS_NATIVE else [],
)
