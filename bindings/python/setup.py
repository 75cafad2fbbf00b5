"""What pyproject.toml cannot say: with the C library inside, a wheel is for one platform, yet for any Python 3."""

from __future__ import annotations

from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel


class Package(Distribution):
    """One that is binary if the library has been put into it."""

    def has_ext_modules(self) -> bool:  # noqa: D102
        return Path(__file__).with_name("wxtoken").joinpath("libwxtoken.so.0").exists()


class Wheel(bdist_wheel):
    """One that no version of Python is in."""

    def get_tag(self) -> tuple[str, str, str]:  # noqa: D102
        return "py3", "none", super().get_tag()[2]


setup(distclass=Package, cmdclass={"bdist_wheel": Wheel})
