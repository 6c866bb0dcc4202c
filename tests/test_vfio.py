# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""A device is given to a program in the guest, by VFIO groups, by iommufd, without an IOMMU."""

import pytest

import guest

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
}


def passed(machine, kernel, tests):
    run = guest.boot(machine, kernel, tests)
    if run.state == "skip":
        pytest.skip(run.reasons[0])
    assert run.state == "pass", "\n".join([run.state, *run.reasons, str(run.folder)])
    return run


def skips(run):
    return {path for path, result in run.result.walk() if result.skip}


@pytest.mark.parametrize("machine", EXPECTED)
def test_device_is_assigned(machine, kernel):
    interrupts, expected_skips = EXPECTED[machine]
    # The disk was given away and back: it works as before.
    run = passed(machine, kernel, ["vfio_group", "vfio_cdev", "dma"])
    assert skips(run) == expected_skips
    for program in ("vfio_group", "vfio_cdev"):
        assert interrupts in run.result.child(program).diagnostics


def test_device_is_assigned_without_iommu(kernel):
    run = passed("none", kernel, ["vfio_noiommu"])
    assert not skips(run)
