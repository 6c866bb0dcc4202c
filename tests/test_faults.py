# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""Faults and load, on kernels that check themselves: KASAN, lockdep, kmemleak and others in one,
KCSAN in another.  What these find is a splat in the log, which fails the boot."""

import guest
import pytest
from boots import assert_passed

# Their kernels take as long to build as all the rest needs.
pytestmark = pytest.mark.full

MACHINES = ["intel", "amd"]
SLOW = guest.Limits(first_byte=300, silence=300, total=1800)
SLOWER = guest.Limits(first_byte=300, silence=3600, total=36000)

# Rounds behind root ports; a tenth as many on a conventional bus.
ROUNDS = 40
ROUNDS_IN_FULL = 10000
PORTS = 8


def load_devices(machine):
    """Root ports to plug devices into, and a disk with virtual functions."""
    for number in range(1, PORTS + 1):
        port = {"id": f"load-{number}", "bus": "pcie.0", "addr": f"{0xF + number:x}.0", "chassis": 96 + number, "slot": 96 + number}
        yield from ("-device", ",".join(["pcie-root-port", *(f"{name}={value}" for name, value in port.items())]))
    # QEMU's AMD IOMMU gives no DMA to what is behind a port from the beginning
    if machine == "intel":
        yield from ("-device", "pcie-root-port,id=disk-port,bus=pcie.0,addr=18.0,chassis=120,slot=120")
        yield from ("-device", "nvme-subsys,id=load-subsystem")
        yield from (
            "-device",
            "nvme,id=load-disk,bus=disk-port,serial=load,subsys=load-subsystem,"
            "sriov_max_vfs=8,sriov_vq_flexible=16,sriov_vi_flexible=8,max_ioqpairs=24,msix_qsize=24",
        )


# The emulated serial port is slow; warnings are still told.
QUIET = ["printk.ignore_loglevel=0", "loglevel=5"]
FAULTS = ["kunit.enable=1", "kunit.filter_glob=iommu-group-faults", "iommu_group_load.fail=1"]
KUNIT = ["kunit.enable=1", "kunit.filter_glob=iommu-group"]


def faults(machine):
    programs = ["kunit", "fail_nth", "leaks"]
    return {"machine": machine, "stage": "all-tests", "programs": programs, "append": [*QUIET, *FAULTS], "limits": SLOWER, "flavour": "debug"}


def load(machine, rounds=ROUNDS, flavour="debug"):
    programs = {"debug": ["hotplug_load", "leaks"], "kcsan": ["kcsan", "kunit_again", "hotplug_load"]}[flavour]
    return {
        "machine": machine,
        "stage": "all-tests",
        "programs": programs,
        "append": [*QUIET, f"hotplug_load={rounds}", *(KUNIT if flavour == "kcsan" else [])],
        "limits": SLOW if rounds == ROUNDS else SLOWER,
        "accel": guest.AT_ONCE,
        "flavour": flavour,
        "more_qemu": list(load_devices(machine)),
    }


def everything(machine):
    """What the other tests run on a kernel without checkers."""
    programs = ["kunit", "groups", "uevents", "vfio_group", "vfio_cdev", "refusals", "anchor", "group_uevents", "dma", "leaks"]
    return {"machine": machine, "stage": "all-tests", "programs": programs, "append": [*QUIET, *KUNIT], "limits": SLOW, "flavour": "debug"}


def begin(boots, with_full):
    if not with_full:
        return
    for machine in MACHINES:
        boots.begin(**faults(machine))
        boots.begin(**load(machine))
        boots.begin(**everything(machine))
        boots.begin(**load(machine, flavour="kcsan"))
        boots.begin(**load(machine, ROUNDS_IN_FULL))


def skips(run):
    return {path for path, check in run.result.walk() if check.skip}


@pytest.mark.parametrize("machine", MACHINES)
def test_every_allocation_fails_once(begun, machine):
    run = begun.run(**faults(machine))
    assert_passed(run)
    assert not skips(run)
    failed = [int(words[1]) for words in run.result.child("fail_nth").data() if words[0] == "faults"]
    assert len(failed) == 8 and min(failed) > 0


def assert_load_was_held(run, rounds):
    assert_passed(run)
    counts = {words[0]: list(map(int, words[1:])) for words in run.result.child("hotplug_load").data()}
    assert counts["hotplugs"] == [rounds, rounds // 10]
    assert counts["watches"][0] > 0


@pytest.mark.parametrize("machine", MACHINES)
def test_hotplug_under_load(begun, machine):
    assert_load_was_held(begun.run(**load(machine)), ROUNDS)


@pytest.mark.parametrize("machine", MACHINES)
def test_hotplug_under_load_in_full(begun, machine):
    assert_load_was_held(begun.run(**load(machine, ROUNDS_IN_FULL)), ROUNDS_IN_FULL)


@pytest.mark.parametrize("machine", MACHINES)
def test_no_data_race(begun, machine):
    assert_load_was_held(begun.run(**load(machine, flavour="kcsan")), ROUNDS)


@pytest.mark.parametrize("machine", MACHINES)
def test_checkers_find_nothing(begun, machine):
    assert_passed(begun.run(**everything(machine)))
