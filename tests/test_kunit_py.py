# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""The KUnit suite by the kernel's own tool, on a kernel that is a process of the host."""

import fcntl
import re
import subprocess

import pytest

SUITE = "iommu-group"


@pytest.mark.full
def test_kunit_py(base):
    with open(base.place / "src.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run(["git", "-C", base.src, "checkout", "-q", "--force", "--detach", base.branch], check=True)
        tool = ["/usr/bin/python3", "tools/testing/kunit/kunit.py", "run", f"--build_dir={base.place}/out/kunit"]
        options = ["--kunitconfig=drivers/iommu", "--jobs=2", "--make_options", "CC=ccache gcc", "--raw_output=kunit"]
        done = subprocess.run([*tool, *options], cwd=base.src, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
    assert re.search(rf"^ok \d+ {SUITE}$", done.stdout, re.MULTILINE), done.stdout[-3000:]
