# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""Boots of machines with a disk: the partition, the contract, DMA, and the stages of the series.

A kernel is booted once on a machine; the tests below look at what that boot left.
"""

import functools
import re
import subprocess

import bases
import guest
import pytest
from boots import assert_partition, assert_passed, assert_reasons

# What the kernel does without the series as well, and what only the series does.
OLD = ["groups", "tool", "dma", "abi"]
NEW = [*OLD, "removal_log"]
# What depends least on the machine and takes longest; of the series only.
ON_TWO_MACHINES = ["uevents"]
WITHOUT_IOMMU = ["groups", "tool", "dma", "noiommu"]
SHORT = ["groups", "dma"]


def stages(base):
    return range(1, len(base.patches()) + 1)


def first_patch_where(base, pattern):
    """The number of the first patch with a line like that."""
    line = re.compile(pattern, re.MULTILINE)
    return next((number for number, path in enumerate(base.patches(), 1) if line.search(path.read_text())), None)


@functools.cache
def turns(base):
    """The patches that take the old groups away, and that bring AMD-Vi and VT-d back."""
    patterns = [
        r"^--- /dev/null\n\+\+\+ b/drivers/iommu/group/core\.c$",
        r"^\+\s+\.group_key\s*= amd_iommu_group_key,$",
        r"^\+\s+\.group_key\s*= intel_iommu_group_key,$",
    ]
    return [first_patch_where(base, pattern) for pattern in patterns]


# What the kernel says on a machine that is what its name says.
SAYS = {
    "amd": "AMD-Vi: Disabling interrupt remapping",
    "amd-intremap": "AMD-Vi: Interrupt remapping enabled",
    "amd-pt": "iommu: Default domain type: Passthrough",
    "intel": "DMAR: Intel(R) Virtualization Technology for Directed I/O",
    "intel-caching": "DMAR: IOMMU batching disallowed due to virtualization",
    "intel-pt": "iommu: Default domain type: Passthrough",
    "intel-scalable": "DMAR: Enable scalable mode if hardware supports",
}
MACHINES = sorted([*SAYS, "none"])
WITH_IOMMU = sorted(SAYS)


def programs_for(machine, stage):
    if stage not in ("stock", "all"):
        return SHORT
    if machine == "none":
        return WITHOUT_IOMMU
    if stage == "stock":
        return OLD
    return NEW + ON_TWO_MACHINES if machine in ("intel", "amd") else NEW


def wanted(machine, stage):
    """The arguments of its boot."""
    return machine, stage, programs_for(machine, stage)


def again(machine):
    """The arguments of a second boot of the series."""
    return machine, "all", SHORT


def kunit():
    # test_isolation has the many random hierarchies
    words = ["kunit.enable=1", "kunit.autorun=1", "iommu_group_pci_test.count=50"]
    return "intel", "all", ["kunit"], words, guest.Limits(), guest.AT_ONCE


def shown_stages(base):
    """The first x patches that the plain run boots: the fixes, what the PCI core gets, and the turns."""
    return sorted({*base.ends_of_blocks()[:2], *filter(None, turns(base))})


def stage_parameters():
    for base in bases.every():
        for stage in stages(base):
            marks = [] if stage in shown_stages(base) else pytest.mark.full
            yield pytest.param(base, stage, id=f"{base}-{stage}", marks=marks)


def begin(boots, with_full):
    for stage in ["stock", *(stages if with_full else shown_stages)(boots.base), "all"]:
        for machine in MACHINES if stage in ("stock", "all") else ("intel", "amd"):
            boots.begin(*wanted(machine, stage))
    boots.begin(*again("intel"))
    boots.begin(*again("amd"))
    boots.begin(*kunit())


def assert_listed(run, kind):
    assert_partition(run, kind)
    assert entries(run) == len(run.partition().groups)


def assert_no_groups(run):
    assert run.result.child("groups").ok
    assert entries(run) == 0
    assert run.numbered_groups() == {}
    assert {"disk", "edu", "host-bridge"} <= run.ungrouped()


def entries(run):
    """How many entries /sys/kernel/iommu_groups had."""
    [count] = [int(words[1]) for words in run.result.data() if words[0] == "directory"]
    return count


def type_of_disk(run):
    """The type of the disk's domain as the first run of the test `dma` saw it."""
    return run.result.child("dma").data()[0][1]


def assert_disk_type(run):
    if run.machine.endswith("-pt"):
        assert type_of_disk(run) == "identity"
    else:
        assert type_of_disk(run) in ("DMA", "DMA-FQ")


# The kernel as it is without the series.


@pytest.mark.parametrize("machine", MACHINES)
def test_stock_passes_what_it_can(begun, machine):
    assert_passed(begun.run(*wanted(machine, "stock")))


@pytest.mark.parametrize("machine", MACHINES)
def test_stock_partition(begun, machine):
    assert_listed(begun.run(*wanted(machine, "stock")), "stock")


@pytest.mark.parametrize("machine", WITH_IOMMU)
def test_stock_disk_is_translated(begun, machine):
    assert_disk_type(begun.run(*wanted(machine, "stock")))


@pytest.mark.parametrize("machine", MACHINES)
def test_machine_is_what_its_name_says(begun, machine):
    console = begun.run(*wanted(machine, "stock")).console
    assert SAYS.get(machine, "") in console
    assert ("DMAR: Intel" in console) == machine.startswith("intel")
    assert ("AMD-Vi: " in console) == machine.startswith("amd")
    assert ("DMAR-IR: Enabled IRQ remapping" in console) == (machine == "intel-caching")


# The first x patches, for every x in full.


@pytest.mark.older
def test_the_series_has_its_stages(base):
    core, amd, vtd = turns(base)
    assert core and amd and vtd, "no patch that adds group/core.c, none for AMD-Vi or none for VT-d"
    assert core < amd < vtd


@pytest.mark.parametrize("base, stage", stage_parameters(), indirect=["base"], scope="session")
@pytest.mark.parametrize("machine", ["intel", "amd"])
def test_stage(base, begun, machine, stage):
    run = begun.run(*wanted(machine, stage))
    assert_passed(run)
    core, amd, vtd = turns(base)
    if core <= stage < (amd if machine == "amd" else vtd):
        assert_no_groups(run)
        assert type_of_disk(run) == "ungrouped"
    else:
        assert_listed(run, "stock" if stage < core else "groups")
        assert_disk_type(run)


# The whole series.


# An older base shows in short that it does the same.
on_older = pytest.mark.older(machine=["intel", "amd"])


@on_older
@pytest.mark.parametrize("machine", MACHINES)
def test_series_passes(begun, machine):
    assert_passed(begun.run(*wanted(machine, "all")))


@on_older
@pytest.mark.parametrize("machine", MACHINES)
def test_series_partition(begun, machine):
    assert_listed(begun.run(*wanted(machine, "all")), "groups")


@on_older
@pytest.mark.parametrize("machine", WITH_IOMMU)
def test_series_tells_reasons(begun, machine):
    assert_reasons(begun.run(*wanted(machine, "all")))


@on_older
@pytest.mark.parametrize("machine", WITH_IOMMU)
def test_series_disk_is_translated(begun, machine):
    assert_disk_type(begun.run(*wanted(machine, "all")))


def test_a_machine_without_iommu_has_no_groups(begun):
    assert_no_groups(begun.run(*wanted("none", "all")))


@pytest.mark.parametrize("machine", ["intel", "amd"])
def test_numbers_are_the_same_at_every_boot(begun, machine):
    first = begun.run(*wanted(machine, "all"))
    second = begun.run(*again(machine))
    assert first.numbered_groups() == second.numbered_groups() != {}


@pytest.mark.parametrize("machine", ["intel", "amd"])
def test_numbers_are_those_of_stock(begun, machine):
    """C12 asks for it on one kernel, but people who store numbers also upgrade."""
    stock, series = begun.run(*wanted(machine, "stock")), begun.run(*wanted(machine, "all"))
    assert stock.numbered_groups() == series.numbered_groups() != {}


@pytest.mark.older
def test_kunit(begun):
    run = begun.run(*kunit())
    assert_passed(run)
    suite = run.result.child("kunit").child("iommu-group")
    assert suite and suite.children
    assert not [path for path, result in suite.walk() if result.skip]


def test_the_kernels_parser_reads_the_results(begun, base):
    """tools/testing/kunit/kunit.py of the tree finds in a result file as many passed tests as scripts/verdict.py."""
    for arguments in [wanted("intel", "all"), kunit()]:
        run = begun.run(*arguments)
        command = [base.linux / "tools/testing/kunit/kunit.py", "parse", run.folder / "result.ktap"]
        done = subprocess.run(["python3", *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        ended = [result for _, result in run.result.walk() if not result.children and result is not run.result]
        skipped = sum(result.skip is not None for result in ended)
        words = dict(re.findall(r"(passed|failed|skipped|errors): (\d+)", done.stdout.splitlines()[-1]))
        assert words == {"passed": str(len(ended) - skipped), **({"skipped": str(skipped)} if skipped else {})}, done.stdout[-2000:]
