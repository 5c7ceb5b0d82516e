# SPDX-License-Identifier: Apache-2.0
"""conftest - which build the boundary tests look at: --build DIRECTORY (default: build)"""
import pathlib

import pytest

import rules


def pytest_addoption(parser):
    parser.addoption("--build", default=str(rules.TOP / "build"),
                     help="a finished build directory")


@pytest.fixture(scope="session")
def build(request):
    path = pathlib.Path(request.config.getoption("--build")).resolve()
    if not (path / "src" / "layers").is_dir():
        pytest.exit(f"{path} is no build of this tree: run make first", 2)
    return path
