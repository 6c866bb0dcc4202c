# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""What the tests of iommu-groups share that run it on the host: tools/iommu of the series."""

import functools
import os
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOP = HERE.parent.parent

AGREE, DIFFER, TROUBLE, UNDECIDED = 0, 1, 2, 3
LIMIT = 20


@functools.cache
def program():
    """IOMMU_GROUPS=PATH names another one, such as one with a defect that must be found."""
    other = os.environ.get("IOMMU_GROUPS")
    if other:
        return Path(other)
    built = subprocess.run([TOP / "scripts" / "mktool"], stdout=subprocess.PIPE, text=True)
    assert built.returncode == 0, "scripts/mktool failed"
    return Path(built.stdout.splitlines()[-1])


def run(*arguments, text=None):
    data = text.encode() if isinstance(text, str) else text
    done = subprocess.run([program(), *arguments], input=data, capture_output=True, timeout=LIMIT)
    done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
    assert done.returncode in (AGREE, DIFFER, TROUBLE, UNDECIDED), done.stderr
    return done
