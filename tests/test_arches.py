# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""Machines of other architectures, whose IOMMU drivers the series does not touch: they ask
for the group of a PCI function the way they did, or make groups themselves."""

import guest
import pytest
from boots import assert_partition, assert_passed, assert_reasons

pytestmark = pytest.mark.full

# On Arm VFIO puts into groups what no driver of the host has, so groups are listed before.
ARCHES = {
    "arm64": ["groups", "dma", "vfio_group", "vfio_cdev"],
    "powerpc64": ["groups", "dma"],
}
SAYS = {
    "arm64": "arm-smmu-v3 9050000.smmuv3: ",
    "powerpc64": "Hardware name: IBM pSeries (emulated by qemu)",
}
SHOWN = {"arm64": "DMA", "powerpc64": "unknown"}
# QEMU's edu has no reset.
SKIPS = {"arm64": {"vfio_group/a reset of the device leaves it usable"}, "powerpc64": set()}

LIMITS = guest.Limits(first_byte=300, silence=180, total=900)


def wanted(machine, stage):
    """The arguments of its boot."""
    return machine, stage, ARCHES[machine], (), LIMITS


def begin(boots, with_full):
    if with_full:
        for machine in ARCHES:
            for stage in ("stock", "all"):
                boots.begin(*wanted(machine, stage))


@pytest.mark.parametrize("stage", ["stock", "all"])
@pytest.mark.parametrize("machine", ARCHES)
def test_passes(begun, machine, stage):
    run = begun.run(*wanted(machine, stage))
    assert_passed(run)
    assert SAYS[machine] in run.console
    assert {path for path, check in run.result.walk() if check.skip} == SKIPS[machine]


def test_stock_partition(begun):
    assert_partition(begun.run(*wanted("powerpc64", "stock")), "stock")


def test_arm_splits_what_is_below_a_switch_without_the_series(begun):
    """Further than this it depends on whose driver binds first, so there is no arm64.stock."""
    groups = begun.run(*wanted("arm64", "stock")).partition().groups
    assert [group for group in groups if "below-switch-1" in group]
    assert not [group for group in groups if {"below-switch-1", "below-switch-2"} <= group]


@pytest.mark.parametrize("machine", ARCHES)
def test_series_partition(begun, machine):
    run = begun.run(*wanted(machine, "all"))
    assert_partition(run, "groups")
    assert_reasons(run)


@pytest.mark.parametrize("stage", ["stock", "all"])
@pytest.mark.parametrize("machine", ARCHES)
def test_disk_is_translated(begun, machine, stage):
    run = begun.run(*wanted(machine, stage))
    assert run.result.child("dma").data() == [["disk", SHOWN[machine]]]


@pytest.mark.parametrize("stage", ["stock", "all"])
def test_arm_knows_interrupts_apart(begun, stage):
    result = begun.run(*wanted("arm64", stage)).result
    for program in ("vfio_group", "vfio_cdev"):
        assert "interrupts are remapped" in result.child(program).diagnostics
