# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""tools/iommu of the series by the conventions of tools/, and what stands beside the program."""

import os
import re
import shutil
import subprocess

import pytest
from tool import program

INSTALLED = {
    "usr/bin/iommu-groups",
    "usr/share/man/man8/iommu-groups.8",
    "usr/share/bash-completion/completions/iommu-groups",
}


@pytest.fixture
def tools(tmp_path):
    """A copy of the sources, with nothing built."""
    tree = program().parent.parent
    shutil.copytree(tree, tmp_path / "tools", symlinks=True)
    make(tmp_path / "tools", "-C", "iommu", "clean")
    return tmp_path / "tools"


def make(tools, *arguments, **environment):
    done = subprocess.run(
        ["make", "-s", *map(str, arguments)],
        cwd=tools, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def files(directory):
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}


def test_in_tree(tools, tmp_path):
    before = files(tools / "iommu")
    assert not {name for name in before if name.endswith((".o", ".cmd"))}
    flags = "-Wmissing-prototypes -Wstrict-prototypes -Wold-style-definition"
    assert "warning" not in make(tools, "-C", "iommu", "CC=gcc", CFLAGS=flags)
    assert subprocess.run([tools / "iommu/iommu-groups", "--help"], stdout=subprocess.PIPE).returncode == 0
    make(tools, "-C", "iommu", "install", f"DESTDIR={tmp_path / 'root'}")
    assert files(tmp_path / "root") == INSTALLED
    make(tools, "-C", "iommu", "clean")
    assert files(tools / "iommu") == before


@pytest.mark.parametrize("variable", ["O", "OUTPUT"])
def test_out_of_tree(tools, tmp_path, variable):
    before = files(tools)
    out = tmp_path / "out"
    out.mkdir()
    make(tools, "-C", "iommu", f"{variable}={out}/")
    assert (out / "iommu-groups").is_file()
    assert files(tools) - before <= {"build/fixdep"}
    make(tools, "-C", "iommu", f"{variable}={out}/", "clean")
    assert not {name for name in files(out) if "fixdep" not in name}


def test_clang_has_no_warning(tools):
    assert "warning" not in make(tools, "-C", "iommu", "CC=clang", CFLAGS="-Wmissing-prototypes -Wunused-macros")


def test_without_libpci(tools):
    done = subprocess.run(
        ["make", "-s", "-C", "iommu", "CC=gcc -nostdinc"], cwd=tools, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert done.returncode != 0
    [line] = done.stdout.splitlines()
    assert "libpci is missing, install the package libpci-dev" in line


def options(text):
    return set(re.findall(r"--[a-z]+", text.replace("\\-", "-")))


def test_manual_and_completion_know_all_options():
    helped = options(subprocess.run([program(), "--help"], stdout=subprocess.PIPE, text=True).stdout)
    beside = program().parent
    assert {"--why", "--verify", "--dump"} <= helped
    assert options((beside / "iommu-groups.8").read_text()) == helped
    assert options((beside / "iommu-groups.bash-completion").read_text()) == helped


def test_manual_has_no_errors():
    if not shutil.which("man"):
        pytest.skip("man is not installed")
    done = subprocess.run(
        ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", program().parent / "iommu-groups.8"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )
    assert done.stderr == ""


def complete(words):
    script = (
        'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
        'COMPREPLY=(); _iommu_groups; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    completion = program().parent / "iommu-groups.bash-completion"
    done = subprocess.run(["bash", "-c", script, "bash", completion, *words], stdout=subprocess.PIPE, text=True, check=True)
    return set(done.stdout.split())


def test_completion():
    assert complete(["iommu-groups", "--v"]) == {"--verify"}
    assert complete(["iommu-groups", "--policy", ""]) == {"compat", "safe", "strict"}
    assert complete(["iommu-groups", "--verify", "--j"]) == {"--json"}
