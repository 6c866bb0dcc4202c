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
WITHOUT_IOMMU = ["vfio_noiommu", "dma"]


def wanted(machine):
    """The arguments of its boot."""
    return machine, "all", WITHOUT_IOMMU if machine == "none" else WITH_IOMMU


def begin(boots, _with_full):
    for machine in [*EXPECTED, "none"]:
        boots.begin(*wanted(machine))


def result_of(run):
    assert_passed(run)
    return run.result


def skips(result):
    return {path for path, check in result.walk() if check.skip}


@pytest.mark.parametrize("machine", EXPECTED)
def test_device_is_assigned(begun, machine):
    interrupts, expected_skips = EXPECTED[machine]
    result = result_of(begun.run(*wanted(machine)))
    assert skips(result) == expected_skips
    for program in ("vfio_group", "vfio_cdev"):
        assert interrupts in result.child(program).diagnostics


def test_device_is_assigned_without_iommu(begun):
    assert not skips(result_of(begun.run(*wanted("none"))))
