# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""Machines of other architectures, whose IOMMU drivers the series does not touch: they ask
for the group of a PCI function the way they did, or make groups themselves."""

import guest
import pytest
from boots import assert_partition, assert_passed, assert_reasons

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

BOOTS = [(machine, stage) for machine in ARCHES for stage in ("stock", "all")]

LIMITS = guest.Limits(first_byte=300, silence=180, total=900)


def wanted(machine, stage):
    """The arguments of its boot."""
    return machine, stage, ARCHES[machine], (), LIMITS


def begin(boots, with_full):
    for machine, stage in BOOTS if with_full else []:
        boots.begin(*wanted(machine, stage))


# Each takes a kernel.
pytestmark = pytest.mark.full


def on(boots):
    return pytest.mark.parametrize("machine, stage", boots)


@on(BOOTS)
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


@on([("arm64", "all"), ("powerpc64", "all")])
def test_series_partition(begun, machine, stage):
    run = begun.run(*wanted(machine, stage))
    assert_partition(run, "groups")
    assert_reasons(run)


@on(BOOTS)
def test_disk_is_translated(begun, machine, stage):
    run = begun.run(*wanted(machine, stage))
    assert run.result.child("dma").data() == [["disk", SHOWN[machine]]]


@on([("arm64", "stock"), ("arm64", "all")])
def test_arm_knows_interrupts_apart(begun, machine, stage):
    result = begun.run(*wanted(machine, stage)).result
    for program in ("vfio_group", "vfio_cdev"):
        assert "interrupts are remapped" in result.child(program).diagnostics
