# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""Nonsense that is written or called, and devices that go while they are in use."""

import re

import guest
import pytest
from boots import assert_partition, assert_passed, assert_reasons

# How many inputs each program tries at least: all garbage goes to each of the groups, of
# which a machine without an IOMMU has one, by VFIO.  The last shows that the disk works after
# all that.
BAD = {
    "intel": {"bad_ioctls": 2000, "bad_input": 20000, "dma": 0},
    "amd": {"bad_ioctls": 2000, "bad_input": 20000, "dma": 0},
    "none": {"bad_input": 2000, "dma": 0},
}
# It leaves devices, which groups lists.
REMOVAL = ["removal_in_use", "groups"]
UNPLUGGED = ["intel-hotplug", "amd-hotplug"]
# Five seconds pass before each device leaves.
LIMITS = guest.Limits(silence=120, total=600)


def bad(machine, stage="all"):
    return machine, stage, list(BAD[machine]), (), LIMITS


def unplugged(machine, stage="all"):
    return machine, stage, REMOVAL, (), LIMITS


def begin(boots, with_full):
    for stage in ["all", "stock"] if with_full else ["all"]:
        for machine in BAD:
            boots.begin(*bad(machine, stage))
        for machine in UNPLUGGED:
            boots.begin(*unplugged(machine, stage))


def tried(run, program):
    """How many inputs the program says that it tried."""
    return int(re.search(r"tried (\d+)", "\n".join(run.result.child(program).diagnostics)).group(1))


@pytest.mark.parametrize("machine", BAD)
def test_bad_input_is_refused(begun, machine):
    run = begun.run(*bad(machine))
    assert_passed(run)
    for program, least in BAD[machine].items():
        assert not least or tried(run, program) >= least


@pytest.mark.full
@pytest.mark.parametrize("machine", BAD)
def test_stock_refuses_it_with_the_same_errors(begun, machine):
    assert_passed(begun.run(*bad(machine, "stock")))


@pytest.mark.parametrize("machine", UNPLUGGED)
def test_devices_in_use_are_unplugged(begun, machine):
    run = begun.run(*unplugged(machine))
    assert_passed(run)
    assert_partition(run, "groups")
    assert_reasons(run)


@pytest.mark.full
@pytest.mark.parametrize("machine", UNPLUGGED)
def test_stock_unplugs_them_as_well(begun, machine):
    run = begun.run(*unplugged(machine, "stock"))
    assert_passed(run)
    assert_partition(run, "stock")


def test_twins_differ_in_the_iommu_only():
    intel, amd = (guest.config_of(machine).read_text().split("\n\n") for machine in UNPLUGGED)
    assert [part for part in intel[1:] if "intel-iommu" not in part] == [
        part for part in amd[1:] if "amd-iommu" not in part
    ]
