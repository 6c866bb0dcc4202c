# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""The gates for every patch and for the series, and that each gate can fail."""

import fcntl
import importlib.machinery
import importlib.util
import os
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parent.parent
CHECK_PATCH = TOP / "scripts" / "check-patch"

loader = importlib.machinery.SourceFileLoader("check_patch", str(CHECK_PATCH))
check_patch = importlib.util.module_from_spec(importlib.util.spec_from_loader("check_patch", loader))
loader.exec_module(check_patch)

import bases  # noqa: E402


def passes(base, *arguments):
    done = subprocess.run([CHECK_PATCH, "--base", base.name, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout


def of_each_base(name, values):
    """Parameters `base' and NAME, which has other values on each base."""
    pairs = [(base, value) for base in bases.every() for value in values(base)]
    parameters = [pytest.param(base, value, id=f"{base}-{getattr(value, 'stem', value)}") for base, value in pairs]
    return pytest.mark.parametrize(f"base, {name}", parameters, indirect=["base"], scope="session")


@of_each_base("path", lambda base: base.patches())
def test_patch(base, path):
    for gate in ("apply", "checkpatch", "kernel-doc", "abi"):
        passes(base, "--gate", gate, str(base.patches().index(path) + 1))


def prefixes():
    """The plain run compiles what the last patch of a block changes, --full each patch."""
    for base in bases.every():
        for number, path in enumerate(base.patches(), 1):
            marks = [] if number in base.ends_of_blocks() else pytest.mark.full
            yield pytest.param(base, number, id=f"{base}-{path.stem}", marks=marks)


@pytest.mark.parametrize("base, number", prefixes(), indirect=["base"], scope="session")
def test_patch_compiles(base, number):
    passes(base, "--gate", "build", str(number))


LONG = {"iommu-api-off-vmlinux", "clang-oldest", *check_patch.USERS}


@of_each_base("gate", lambda base: [gate for gate in check_patch.series_gates(base) if gate not in LONG])
def test_series(base, gate):
    passes(base, "--gate", gate, "series")


@pytest.mark.full
@of_each_base("gate", lambda base: [gate for gate in check_patch.series_gates(base) if gate in LONG])
def test_series_in_full(base, gate):
    passes(base, "--gate", gate, "series")


WRONG_CALLS = {
    ("no-such.patch",): "'no-such.patch' is no patch: it must be a file of patches/, its number, series or all",
    ("0",): "'0' is no patch",
    ("1", "--gate", "clang"): "gate clang checks the whole series, not '1'",
    ("series", "--gate", "apply"): "gate apply checks one patch, not 'series'",
    ("--gate", "nosuch"): "there is no gate nosuch on base",
}


@pytest.mark.parametrize("arguments", WRONG_CALLS, ids=" ".join)
def test_a_call_that_checks_nothing_is_refused(arguments):
    done = subprocess.run([CHECK_PATCH, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2 and done.stdout == ""
    assert WRONG_CALLS[arguments] in done.stderr and done.stderr.count("\n") == 1


def test_a_patch_is_named_by_its_file():
    path = bases.newest().patches()[0]
    for name in (path.name, path, path.relative_to(TOP)):
        passes(bases.newest(), "--gate", "apply", str(name))


BARE = bases.newest().bare_branch
IOMMU_C = "drivers/iommu/iommu.c"
IOMMU_H = "include/linux/iommu.h"
ABI = "Documentation/ABI/testing/sysfs-kernel-iommu_groups"

# What is added to the end of a file, and what the gate must say of it.
FAULTS = {
    "checkpatch": (IOMMU_C, "\nstatic int iommu_fault(int a)\n{\n\tif(a) return 1;\n\treturn 0;\n}\n", "trailing statements"),
    "build": (IOMMU_C, "\nint iommu_fault(int a)\n{\n\treturn a;\n}\n", "no previous prototype for .iommu_fault"),
    "kernel-doc": (
        IOMMU_H,
        "\n/**\n * iommu_fault() - has another parameter\n * @b: it is a\n */\nint iommu_fault(int a);\n",
        "parameter.*not described in 'iommu_fault'",
    ),
    "abi": (ABI, "\nWhere:\t\t/sys/fault\nDescription:\tand no What\n", "sysfs-kernel-iommu_groups"),
}


@pytest.fixture(scope="module")
def tree():
    """Of the newest base, which check_patch has when it begins."""
    with open(bases.newest().place / "src.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        check_patch.use(bases.newest())
        check_patch.check_out(BARE)
        yield bases.newest().src


def faulty_patch(tree, directory, file, addition):
    """A patch to the base that adds something to the end of a file."""
    check_patch.check_out(BARE)
    path = tree / file
    path.write_text(path.read_text() + addition)
    me = ["-c", "user.name=me", "-c", "user.email=me@localhost"]
    check_patch.git(*me, "commit", "-q", "-a", "-m", "iommu: Add a fault\n\nA gate must see it.", cwd=tree)
    commit = check_patch.git("rev-parse", "HEAD", cwd=tree).strip()
    patch = check_patch.git("format-patch", "-1", "-o", directory, commit, cwd=tree).strip()
    before = check_patch.git("rev-parse", BARE).strip()
    return check_patch.Patch(1, Path(patch), before, commit)


@pytest.mark.parametrize("gate", FAULTS)
def test_gate_sees_a_fault(tree, tmp_path, gate):
    file, addition, finding = FAULTS[gate]
    patch = faulty_patch(tree, tmp_path, file, addition)
    with pytest.raises(check_patch.Failed, match=finding):
        check_patch.PATCH_GATES[gate][1](patch)


def test_configuration_is_made_again_only_when_it_would_differ(tree, tmp_path):
    fragment, config = tmp_path / "fragment", tmp_path / "out" / ".config"

    def configured(commit, line, path=os.environ["PATH"]):
        fragment.write_text(f"{line}\n")
        command = [TOP / "scripts" / "configure", bases.newest().name, tmp_path / "out", commit, "allnoconfig", fragment]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "PATH": path})
        return config.read_text().splitlines()

    off = "# CONFIG_SYSVIPC is not set"
    assert off in configured(BARE, off)
    no_make = tmp_path / "make"
    no_make.write_text("#!/bin/sh\nexit 1\n")
    no_make.chmod(0o755)
    assert off in configured(BARE, off, f"{tmp_path}:{os.environ['PATH']}")
    config.write_text("")
    assert off in configured(BARE, off)
    assert "CONFIG_SYSVIPC=y" in configured(BARE, "CONFIG_SYSVIPC=y")
    symbol = faulty_patch(tree, tmp_path, "init/Kconfig", "\nconfig IOMMU_FAULT\n\tdef_bool y\n")
    assert "CONFIG_IOMMU_FAULT=y" in configured(symbol.commit, "CONFIG_SYSVIPC=y")


def test_gate_sees_what_sparse_says(tree, tmp_path):
    valid = tree / "scripts" / "checker-valid.sh"
    if valid.exists() and subprocess.run([valid, "sparse"], capture_output=True, text=True).stdout.strip() != "1":
        pytest.skip("this kernel's make leaves out a sparse as old as this one, so the gate `build' has no findings of it")
    fault = "\nstatic void __user *iommu_fault_pointer;\n\nvoid *iommu_fault(void);\nvoid *iommu_fault(void)\n{\n\treturn iommu_fault_pointer;\n}\n"
    with pytest.raises(check_patch.Failed, match="different address spaces"):
        check_patch.gate_build(faulty_patch(tree, tmp_path, IOMMU_C, fault))


def test_gate_sees_what_does_not_compile(tree, tmp_path):
    with pytest.raises(check_patch.Failed, match="does not build"):
        check_patch.gate_build(faulty_patch(tree, tmp_path, IOMMU_C, "\nint iommu_fault(\n"))


# Whoever includes the header has it and does not use it.
FAULTY_HEADER = "\nstatic int iommu_fault(void)\n{\n\treturn 0;\n}\n"


@pytest.mark.full
@pytest.mark.parametrize("name", check_patch.USERS)
def test_gate_of_users_sees_a_fault(tree, tmp_path, name):
    patch = faulty_patch(tree, tmp_path, IOMMU_H, FAULTY_HEADER)
    kernel, objects, _ = check_patch.USERS[name]
    user = next(path for path in objects if path.startswith(("arch/", "drivers/vhost/")))
    with pytest.raises(check_patch.Failed, match="iommu_fault. defined but not used"):
        check_patch.compare_kernels(kernel, patch.before, patch.commit, [user])


@pytest.mark.full
def test_gate_of_users_sees_an_empty_configuration(tree):
    """It compiles the objects that are named, but no driver."""
    kernel, objects, drivers = check_patch.USERS["s390x"]
    empty = check_patch.Users(kernel._replace(name="s390x-empty", target="allnoconfig", fragments=[]), [], drivers)
    with pytest.raises(check_patch.Failed, match="not compiled: drivers/iommu/iommufd/device.o"):
        check_patch.compare_users(empty, BARE, BARE)


def test_objects_of_a_base_have_their_source_there_only():
    for (name, users), objects in check_patch.DRIVERS_OF_BASE.items():
        assert users in check_patch.USERS
        sources = [str(Path(path).with_suffix(".c")) for path in objects]
        for base in bases.every():
            found = check_patch.git("ls-tree", "--name-only", base.bare_branch, *sources).split()
            assert found == (sorted(sources) if base.name == name else [])


@pytest.mark.full
def test_gate_of_users_demands_the_objects_of_a_base(tree, monkeypatch):
    kernel = check_patch.USERS["riscv64"].kernel._replace(name="riscv64-empty", target="allnoconfig", fragments=[])
    monkeypatch.setitem(check_patch.DRIVERS_OF_BASE, (bases.newest().name, kernel.name), ["drivers/iommu/riscv/iommu.o"])
    with pytest.raises(check_patch.Failed, match="not compiled: drivers/iommu/riscv/iommu.o"):
        check_patch.compare_users(check_patch.Users(kernel, [], []), BARE, BARE)


def test_gate_names_the_package_of_a_missing_compiler():
    kernel = check_patch.everything("vax", check_patch.cross("vax", "vax-linux-gnu-"))
    with pytest.raises(check_patch.Failed, match="install the package gcc-vax-linux-gnu "):
        check_patch.compare_kernels(kernel, BARE, BARE, [])


def test_gate_sees_a_patch_that_needs_fuzz(tree, tmp_path):
    patch = faulty_patch(tree, tmp_path, IOMMU_C, "\n/* the end */\n")
    lines = patch.path.read_text().splitlines(keepends=True)
    first = next(number for number, line in enumerate(lines) if line.startswith("@@")) + 1
    lines[first] = " not in Linux\n"
    patch.path.write_text("".join(lines))
    with pytest.raises(check_patch.Failed, match="FAILED"):
        check_patch.gate_apply(patch)


def test_gate_sees_a_patch_unlike_its_commit(tree, tmp_path):
    one = faulty_patch(tree, tmp_path, IOMMU_C, "\n/* one */\n")
    (tmp_path / "other").mkdir()
    other = faulty_patch(tree, tmp_path / "other", IOMMU_C, "\n/* other */\n")
    one.commit = other.commit
    with pytest.raises(check_patch.Failed, match="other files than its commit"):
        check_patch.gate_apply(one)


def test_gate_sees_a_file_without_owner(tree):
    assert check_patch.without_iommu_owner({"lib/sort.c": True, IOMMU_C: True}) == ["lib/sort.c"]
    assert check_patch.without_iommu_owner({"drivers/pci/search.c": False}) == []


def test_moved_lines_are_no_new_finding():
    before = ["a.c:1:2: warning: one", "b.c:5: warning: two"]
    after = ["b.c:9: warning: two", "  note", "a.c:7:1: warning: one"]
    check_patch.demand_nothing_new(check_patch.findings("\n".join(before)), check_patch.findings("\n".join(after)))
    with pytest.raises(check_patch.Failed):
        check_patch.demand_nothing_new(check_patch.findings(before[0]), check_patch.findings("\n".join(before)))
