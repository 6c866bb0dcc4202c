# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""A device is given to a program in the guest, by VFIO groups, by iommufd, without an IOMMU."""

from concurrent.futures import ThreadPoolExecutor

import guest
import pytest

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
# The last shows that the disk works after it was given away and back.
WITH_IOMMU = ["vfio_group", "vfio_cdev", "dma"]
WITHOUT_IOMMU = ["vfio_noiommu", "dma"]
PROCESSORS = 2


@pytest.fixture(scope="module")
def boots(kernel):
    pool = ThreadPoolExecutor(PROCESSORS)
    boots = {machine: pool.submit(guest.boot, machine, kernel, WITH_IOMMU) for machine in EXPECTED}
    boots["none"] = pool.submit(guest.boot, "none", kernel, WITHOUT_IOMMU)
    yield boots
    pool.shutdown(cancel_futures=True)


def passed(run):
    if run.state == "skip":
        pytest.skip("; ".join(run.reasons))
    tail = guest.console_tail(run) if run.state in ("timeout", "crash", "no result") else []
    assert run.state == "pass", "\n".join([run.state, *run.reasons, *tail, str(run.folder)])
    return run.result


def skips(result):
    return {path for path, check in result.walk() if check.skip}


@pytest.mark.parametrize("machine", EXPECTED)
def test_device_is_assigned(boots, machine):
    interrupts, expected_skips = EXPECTED[machine]
    result = passed(boots[machine].result())
    assert skips(result) == expected_skips
    for program in ("vfio_group", "vfio_cdev"):
        assert interrupts in result.child(program).diagnostics


def test_device_is_assigned_without_iommu(boots):
    assert not skips(passed(boots["none"].result()))
