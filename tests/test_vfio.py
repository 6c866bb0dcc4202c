# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""A device is given to a program in the guest, by VFIO groups, by iommufd, without an IOMMU."""

import pytest
from boots import assert_passed

NO_RESET = "vfio_group/a reset of the device leaves it usable"
FAULT_LOG = "the kernel log names the device and the address of a blocked write"

# What QEMU cannot show: its edu has no reset, its AMD IOMMU blocks a page without an event.
INTEL_SKIPS = {NO_RESET}
AMD_SKIPS = {NO_RESET, f"vfio_group/{FAULT_LOG}", f"vfio_cdev/{FAULT_LOG}"}

REMAPPED = "interrupts are remapped"
NOT_REMAPPED = "interrupts are not remapped"

EXPECTED = {
    "intel": (NOT_REMAPPED, INTEL_SKIPS),
    "intel-caching": (REMAPPED, INTEL_SKIPS),
    "intel-scalable": (NOT_REMAPPED, INTEL_SKIPS),
    "intel-pt": (NOT_REMAPPED, INTEL_SKIPS),
    "amd": (NOT_REMAPPED, AMD_SKIPS),
    "amd-intremap": (REMAPPED, AMD_SKIPS),
    "amd-pt": (NOT_REMAPPED, AMD_SKIPS),
    "virtio": (NOT_REMAPPED, {NO_RESET}),
}
# The last shows that the disk works after it was given away and back.
WITH_IOMMU = ["vfio_group", "vfio_cdev", "dma"]
# The first looks whether the kernel is tainted.
NO_IOMMU_CDEV = "vfio_noiommu_cdev"
WITHOUT_IOMMU = [NO_IOMMU_CDEV, "vfio_noiommu", "dma"]


def wanted(machine):
    """The arguments of its boot."""
    if machine == "none":
        return machine, "all", WITHOUT_IOMMU
    return machine, "all", [NO_IOMMU_CDEV, *WITH_IOMMU] if machine == "intel" else WITH_IOMMU


def stock_without_iommu():
    return "none", "stock", WITHOUT_IOMMU


def begin(boots, with_full):
    for machine in [*EXPECTED, "none"]:
        boots.begin(*wanted(machine))
    if with_full:
        boots.begin(*stock_without_iommu())


def result_of(run):
    assert_passed(run)
    return run.result


def skips(result):
    return {path for path, check in result.walk() if check.skip}


def base_lacks(base):
    """6.12 gives a device without an IOMMU no node of its own."""
    return {NO_IOMMU_CDEV} if base.name == "6.12" else set()


@pytest.mark.older(machine=["intel", "amd"])
@pytest.mark.parametrize("machine", EXPECTED)
def test_device_is_assigned(base, begun, machine):
    interrupts, expected_skips = EXPECTED[machine]
    result = result_of(begun.run(*wanted(machine)))
    assert skips(result) == expected_skips | (base_lacks(base) if machine == "intel" else set())
    for program in ("vfio_group", "vfio_cdev"):
        assert interrupts in result.child(program).diagnostics


def test_device_is_assigned_without_iommu(base, begun):
    assert skips(result_of(begun.run(*wanted("none")))) == base_lacks(base)


@pytest.mark.full
def test_stock_assigns_it_without_iommu(base, begun):
    assert skips(result_of(begun.run(*stock_without_iommu()))) == base_lacks(base)
