# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""Faults and load, on kernels that check themselves: KASAN, lockdep, kmemleak and others in one,
KCSAN in another.  What these find is a splat in the log, which fails the boot."""

import guest
import pytest
from boots import assert_passed

MACHINES = ["intel", "amd"]
SLOW = guest.Limits(first_byte=300, silence=300, total=1800)
SLOWER = guest.Limits(first_byte=300, silence=7200, total=36000)

# How often devices come and go: behind root ports, and on a conventional bus.
WAYS = ["port_load", "conventional_load"]
ROUNDS = {"port_load": 40, "conventional_load": 4}
ROUNDS_IN_FULL = {"port_load": 10000, "conventional_load": 1000}
PORTS = 8
# In the plain run, so many allocations are not made to fail before the next one is.
STEP = 47


def load_devices(machine, way):
    """Root ports to plug devices into, hotplug that is PCIe's and PCI's own, and a disk with virtual functions."""
    yield from ("-global", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off")
    if way == "port_load":
        for number in range(1, PORTS + 1):
            place = f"bus=pcie.0,addr={0xF + number:x}.0,chassis={96 + number},slot={96 + number}"
            yield from ("-device", f"pcie-root-port,id=load-{number},{place}")
    disk_bus = "pcie.0"
    # QEMU's AMD IOMMU gives no DMA to what is behind a port from the beginning
    if machine == "intel":
        disk_bus = "disk-port"
        yield from ("-device", "pcie-root-port,id=disk-port,bus=pcie.0,addr=19.0,chassis=120,slot=120")
    yield from ("-device", "nvme-subsys,id=load-subsystem")
    yield from (
        "-device",
        f"nvme,id=load-disk,bus={disk_bus},serial=load,subsys=load-subsystem,"
        "sriov_max_vfs=7,sriov_vq_flexible=14,sriov_vi_flexible=7,max_ioqpairs=24,msix_qsize=24",
    )


# The emulated serial port is slow; warnings are still told.
QUIET = ["printk.ignore_loglevel=0", "loglevel=5"]
# Eight at one controller wait for each other, on a busy host longer than the 30 s of other tests.
PATIENT = ["sysctl.kernel.hung_task_timeout_secs=120"]
FAULTS = ["kunit.enable=1", "kunit.autorun=1", "kunit.filter_glob=iommu-group-faults", "iommu_group_load.fail=1"]
KUNIT = ["kunit.enable=1", "kunit.autorun=1", "kunit.filter_glob=iommu-group"]
# Of so many accesses of a processor one is watched.  Of 4000, as the kernel has it, the races in
# KUnit are over before it was one of ours: a counter without a lock in iommu_group_get() stays unseen.
WATCHFUL = ["kcsan.skip_watch=20"]


def faults(machine, step=1):
    return {
        "machine": machine,
        "stage": "all-tests",
        "programs": ["kunit", "fail_nth", "leaks"],
        "append": [*QUIET, *FAULTS, f"fail_nth={step}"],
        "limits": SLOWER if step == 1 else SLOW,
        "flavour": "debug",
    }


def load(machine, way, rounds=ROUNDS, flavour="debug"):
    programs = {"debug": ["hotplug_load", "leaks"], "kcsan": ["kcsan", "kunit_again", "hotplug_load"]}[flavour]
    return {
        "machine": machine,
        "stage": "all-tests",
        "programs": programs,
        "append": [*QUIET, f"{way}={rounds[way]}", *([*KUNIT, *WATCHFUL] if flavour == "kcsan" else PATIENT)],
        "limits": SLOW if rounds == ROUNDS else SLOWER,
        # A thread of the host for each processor finds more races, and takes longer when the host is busy
        "accel": guest.AT_ONCE if flavour == "kcsan" else guest.IN_TURN,
        "flavour": flavour,
        "more_qemu": list(load_devices(machine, way)),
    }


# What the other tests run on kernels without checkers, and on which machines.  Without what
# takes the disk's driver away: 6.12's nvme frees its character device while somebody has it.
CHECKED = {
    **dict.fromkeys(
        MACHINES,
        ["kunit", "groups", "uevents", "refusals", "anchor", "group_uevents", "bad_ioctls", "bad_input", "dma", "leaks"],
    ),
    **dict.fromkeys(["intel-hotplug", "amd-hotplug"], ["removal_in_use", "leaks"]),
}
# The one of them that found something in 6.12 and takes two minutes is in the plain run
CHECKED_IN_PLAIN = ["intel-hotplug"]
RACED = [(machine, way) for machine in MACHINES for way in WAYS]
# Few rounds; and without hotplug of conventional buses, whose driver would have the DMA of a group
CHECKED_WORDS = ["group_uevents=10", "initcall_blacklist=shpcd_init"]


def checked(machine):
    return {
        "machine": machine,
        "stage": "all-tests",
        "programs": CHECKED[machine],
        "append": [*QUIET, *CHECKED_WORDS, *(KUNIT if "kunit" in CHECKED[machine] else [])],
        "limits": SLOW,
        "flavour": "debug",
    }


# These boots sleep much of their time.  Modules take their turns by name, so test_gates uses the processors meanwhile.
def begin(boots, with_full):
    for machine in MACHINES:
        boots.begin(**faults(machine, STEP))
        boots.begin(**load(machine, "port_load"))
        boots.begin(**load(machine, "conventional_load"))
    for machine in CHECKED if with_full else CHECKED_IN_PLAIN:
        boots.begin(**checked(machine))
    if not with_full:
        return
    for machine, way in RACED:
        boots.begin(**load(machine, way, flavour="kcsan"))
    for machine in MACHINES:
        boots.begin(**faults(machine))
        for way in WAYS:
            boots.begin(**load(machine, way, ROUNDS_IN_FULL))


def assert_all_failed(run):
    assert_passed(run)
    assert not [path for path, check in run.result.walk() if check.skip]
    failed = [int(words[1]) for words in run.result.child("fail_nth").data() if words[0] == "faults"]
    assert len(failed) == 10 and min(failed) > 0


@pytest.mark.parametrize("machine", MACHINES)
def test_allocations_fail(begun, machine):
    assert_all_failed(begun.run(**faults(machine, STEP)))


@pytest.mark.full
@pytest.mark.parametrize("machine", MACHINES)
def test_every_allocation_fails_once(begun, machine):
    assert_all_failed(begun.run(**faults(machine)))


def assert_load_was_held(run, way, rounds):
    assert_passed(run)
    counts = {words[0]: list(map(int, words[1:])) for words in run.result.child("hotplug_load").data()}
    assert counts["hotplugs"] == [rounds[other] if other == way else 0 for other in WAYS]
    assert counts["watches"][0] > 0
    assert not [path for path, check in run.result.walk() if check.skip]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("machine", MACHINES)
def test_hotplug_under_load(begun, machine, way):
    assert_load_was_held(begun.run(**load(machine, way)), way, ROUNDS)


@pytest.mark.full
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("machine", MACHINES)
def test_hotplug_under_load_in_full(begun, machine, way):
    assert_load_was_held(begun.run(**load(machine, way, ROUNDS_IN_FULL)), way, ROUNDS_IN_FULL)


@pytest.mark.full
@pytest.mark.parametrize("machine, way", RACED)
def test_no_data_race(begun, machine, way):
    assert_load_was_held(begun.run(**load(machine, way, flavour="kcsan")), way, ROUNDS)


@pytest.mark.parametrize(
    "machine", [pytest.param(machine, marks=() if machine in CHECKED_IN_PLAIN else pytest.mark.full) for machine in CHECKED]
)
def test_checkers_find_nothing(begun, machine):
    assert_passed(begun.run(**checked(machine)))
