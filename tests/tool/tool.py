# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""What the tests of iommu-groups share that run it on the host: tools/iommu of the series."""

import functools
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOP = HERE.parent.parent
# census is run by hand as well
sys.path.append(str(TOP / "scripts"))

import bases  # noqa: E402

AGREE, DIFFER, TROUBLE, UNDECIDED = 0, 1, 2, 3
LIMIT = 20


@functools.cache
def program():
    """IOMMU_GROUPS=PATH names another one, such as one with a defect that must be found."""
    other = os.environ.get("IOMMU_GROUPS")
    if other:
        return Path(other)
    return Path(bases.newest().made("mktool"))


@functools.cache
def kernel_file(path):
    """The text of a file of the kernel that the program is of: its own tree, or the branch series."""
    own = program().resolve().parents[2] / path
    if own.exists():
        return own.read_text()
    for tree in (TOP / "build" / "linux", *sorted((TOP / "build").glob("*/linux"))):
        shown = subprocess.run(["git", "-C", tree, "show", f"series:{path}"], capture_output=True, text=True)
        if shown.returncode:
            shown = subprocess.run(["git", "-C", tree, "show", f"HEAD:{path}"], capture_output=True, text=True)
        if not shown.returncode:
            return shown.stdout
    raise AssertionError(f"there is no kernel tree with {path}")


def run(*arguments, text=None):
    data = text.encode() if isinstance(text, str) else text
    done = subprocess.run([program(), *arguments], input=data, capture_output=True, timeout=LIMIT)
    done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
    assert done.returncode in (AGREE, DIFFER, TROUBLE, UNDECIDED), done.stderr
    return done
