# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""The kernel's own tests, tools/testing/selftests/iommu: iommu_groups of the series, and those of iommufd."""

import re
import subprocess
from pathlib import Path

import guest
import pytest
import verdict
from boots import assert_passed

# What iommu_groups does not find on a machine, and in a kernel.
NO_NAME = {"groups.have_a_name_of_one_line"}
NO_REASON = {"groups.have_a_reason", "groups.are_anchored_in_a_member"}
NO_REASON_MOCK = {"mock_group.is_there_for_one_device", "mock_group.has_uevents"}
MOCK_GROUP = {
    "mock_group.has_the_lowest_free_number_while_it_exists",
    "mock_group.refuses_a_type_while_it_is_owned",
    *NO_REASON_MOCK,
}
SKIPPED = {
    ("intel", "all"): NO_NAME | MOCK_GROUP,
    ("intel", "stock"): NO_NAME | MOCK_GROUP | NO_REASON,
    ("amd", "all"): NO_NAME | MOCK_GROUP,
    ("amd", "stock"): NO_NAME | MOCK_GROUP | NO_REASON,
}
SKIPPED_WITH_MOCK = {"all-tests": set(), "stock": NO_REASON_MOCK}

# What 6.12.117 does not pass of the others.
FAILS_ON_STOCK = {
    "iommufd": {
        "iommufd_ioas.no_domain.area_auto_iova",
        *(
            f"iommufd_ioas.{variant}.{test}"
            for variant in ("mock_domain", "two_mock_domain", "mock_domain_limit")
            for test in ("get_hw_info", "area_auto_iova")
        ),
    },
    "iommufd_fail_nth": set(),
}
PROGRAMS = ["iommu_groups", *FAILS_ON_STOCK]
PATIENT = guest.Limits(first_byte=300, silence=600, total=3600)


def on(machine, stage):
    return machine, stage, ["selftests"]


def all_programs(stage):
    """iommufd pins 128 MiB and maps as much in huge pages.  No IOMMU that 6.12 knows by no firmware
    node, as AMD-Vi and VT-d, may be there: it would be asked for the mock device."""
    more_memory = {"flavour": "kcsan", "more_qemu": ("-m", "1G")}
    return ("none", stage, ["selftests"], ["selftests=" + ",".join(PROGRAMS)], PATIENT), more_memory


def begin(boots, with_full):
    for machine, stage in SKIPPED:
        boots.begin(*on(machine, stage))
    boots.begin(*on("none", "all"))
    for stage in SKIPPED_WITH_MOCK if with_full else []:
        arguments, named = all_programs(stage)
        boots.begin(*arguments, **named)


def verdicts_of(run, program):
    """Test of the program -> `ok', `not ok' or `skip'."""
    tests = run.result.child("selftests").child(program).children
    return {test.name: "skip" if test.skip else "ok" if test.ok else "not ok" for test in tests}


def having(verdicts, wanted):
    return {name for name, verdict in verdicts.items() if verdict == wanted}


@pytest.mark.parametrize("machine, stage", SKIPPED)
def test_iommu_groups(begun, machine, stage):
    run = begun.run(*on(machine, stage))
    assert_passed(run)
    assert having(verdicts_of(run, "iommu_groups"), "skip") == SKIPPED[machine, stage]


def test_iommu_groups_without_groups(begun):
    run = begun.run(*on("none", "all"))
    assert_passed(run)
    assert having(verdicts_of(run, "iommu_groups"), "ok") == {"global.devices_are_linked_to_their_group"}


@pytest.mark.full
@pytest.mark.parametrize("stage", SKIPPED_WITH_MOCK)
def test_iommu_groups_with_a_mock_device(begun, stage):
    arguments, named = all_programs(stage)
    verdicts = verdicts_of(begun.run(*arguments, **named), "iommu_groups")
    assert not having(verdicts, "not ok")
    # There is no group but that of the mock device
    assert having(verdicts, "skip") & MOCK_GROUP == SKIPPED_WITH_MOCK[stage]
    assert having(verdicts, "ok") & MOCK_GROUP == MOCK_GROUP - SKIPPED_WITH_MOCK[stage]


@pytest.mark.full
@pytest.mark.parametrize("program", FAILS_ON_STOCK)
@pytest.mark.parametrize("stage", SKIPPED_WITH_MOCK)
def test_no_more_fails_than_on_stock(begun, stage, program):
    arguments, named = all_programs(stage)
    run = begun.run(*arguments, **named)
    assert not verdict.splats(run.console)
    # All that it planned
    assert run.result.child("selftests").child(program).problems == []
    verdicts = verdicts_of(run, program)
    assert having(verdicts, "not ok") == FAILS_ON_STOCK[program]
    # None is skipped
    assert having(verdicts, "ok") == set(verdicts) - FAILS_ON_STOCK[program]


# A sysfs with an IOMMU that isolates all but the functions of one device, made of plain files.
FAKE_SYSFS = """
set -e
umask 022
mkdir -p bus/pci/devices bus/pci/drivers/nvme kernel/iommu_groups
device() {
	mkdir -p devices/pci0000:00/$1
	ln -s ../../../devices/pci0000:00/$1 bus/pci/devices/$1
	ln -s ../../../kernel/iommu_groups/$2 devices/pci0000:00/$1/iommu_group
	mkdir -p kernel/iommu_groups/$2/devices
	ln -s ../../../../devices/pci0000:00/$1 kernel/iommu_groups/$2/devices/$1
}
device 0000:00:01.0 0
device 0000:00:02.0 1
device 0000:00:02.1 1
ln -s ../../../bus/pci/drivers/nvme devices/pci0000:00/0000:00:01.0/driver
for group in 0 1; do
	cd kernel/iommu_groups/$group
	echo DMA-FQ >type
	echo isolated >reason
	echo x >name
	echo 0x0000000000001000 0x0000000000001fff direct >reserved_regions
	echo 0x00000000fee00000 0x00000000feefffff msi >>reserved_regions
	ln -s devices/0000:00:0$((group + 1)).0 anchor
	chmod 444 name reason reserved_regions
	cd ../../..
done
"""
# These need a kernel: a plain file takes what is written.
REFUSALS = {
    "groups.refuse_a_type_that_is_none",
    "groups.refuse_a_type_from_the_unprivileged",
    "groups.refuse_a_type_while_a_driver_is_bound",
}
# What is wrong, done to the fake, and the one test besides those that must find it.
DEFECTS = {
    "long link": (
        "ln -sfn ../../../devices/../kernel/iommu_groups/0 devices/pci0000:00/0000:00:01.0/iommu_group",
        "global.devices_are_linked_to_their_group",
    ),
    "absolute link": (
        "ln -sfn /sys/kernel/iommu_groups/0 devices/pci0000:00/0000:00:01.0/iommu_group",
        "global.devices_are_linked_to_their_group",
    ),
    "no member": (
        "rm kernel/iommu_groups/1/devices/0000:00:02.1",
        "global.devices_are_linked_to_their_group",
    ),
    "twice a member": (
        "cp -d kernel/iommu_groups/1/devices/0000:00:02.1 kernel/iommu_groups/1/devices/0000:00:02.1.0",
        "global.devices_are_linked_to_their_group",
    ),
    "padded number": (
        "cp -a kernel/iommu_groups/0 kernel/iommu_groups/00; rm kernel/iommu_groups/00/anchor kernel/iommu_groups/00/devices/*",
        "groups.are_directories_named_by_numbers",
    ),
    "mode of the directory": ("chmod 700 kernel/iommu_groups/0", "groups.are_directories_named_by_numbers"),
    "mode of devices": ("chmod 700 kernel/iommu_groups/0/devices", "groups.have_files_with_modes"),
    "mode of name": ("chmod 644 kernel/iommu_groups/0/name", "groups.have_files_with_modes"),
    "mode of reason": ("chmod 644 kernel/iommu_groups/0/reason", "groups.have_files_with_modes"),
    "mode of reserved_regions": ("chmod 644 kernel/iommu_groups/1/reserved_regions", "groups.have_files_with_modes"),
    "mode of type": ("chmod 600 kernel/iommu_groups/1/type", "groups.have_files_with_modes"),
    "anchor is a directory": (
        "cd kernel/iommu_groups/1; ln -sfn /sys/devices/pci0000:00/0000:00:02.0 devices/0000:00:02.0; rm anchor; mkdir anchor",
        {"groups.have_files_with_modes", "groups.are_anchored_in_a_member"},
    ),
    "misnamed member": (
        "cd kernel/iommu_groups/1/devices; mv 0000:00:02.1 0000:00:02.10",
        "groups.are_linked_to_their_devices",
    ),
    "member of another group": (
        "cp -d kernel/iommu_groups/1/devices/0000:00:02.1 kernel/iommu_groups/0/devices",
        "groups.are_linked_to_their_devices",
    ),
    "member without a device": (
        "ln -s nowhere kernel/iommu_groups/0/devices/0000:00:03.0",
        "groups.are_linked_to_their_devices",
    ),
    "unknown type": ("echo dma >kernel/iommu_groups/1/type", "groups.have_a_type"),
    "type without newline": ("printf DMA >kernel/iommu_groups/1/type", "groups.have_a_type"),
    "unsorted regions": (
        "cd kernel/iommu_groups/1; tac reserved_regions >r; cat r >reserved_regions",
        "groups.have_reserved_regions_in_order",
    ),
    "region that ends before it starts": (
        "echo 0x00000000fef00000 0x00000000feefffff msi >>kernel/iommu_groups/1/reserved_regions",
        "groups.have_reserved_regions_in_order",
    ),
    "short numbers": (
        "echo 0xfef00000 0xfeffffff msi >>kernel/iommu_groups/1/reserved_regions",
        "groups.have_reserved_regions_in_order",
    ),
    "unknown region": (
        "sed -i s/direct/mapped/ kernel/iommu_groups/1/reserved_regions",
        "groups.have_reserved_regions_in_order",
    ),
    "half a region": (
        "printf 0x00000000fef00000 >>kernel/iommu_groups/0/reserved_regions",
        "groups.have_reserved_regions_in_order",
    ),
    "name of two lines": ("echo y >>kernel/iommu_groups/0/name", "groups.have_a_name_of_one_line"),
    "empty name": ("echo >kernel/iommu_groups/0/name", "groups.have_a_name_of_one_line"),
    "unknown reason": ("echo because >kernel/iommu_groups/0/reason", "groups.have_a_reason"),
    "no reason": ("rm kernel/iommu_groups/0/reason", "groups.have_a_reason"),
    "anchor elsewhere": (
        "ln -sfn ../1/devices/0000:00:02.0 kernel/iommu_groups/0/anchor",
        "groups.are_anchored_in_a_member",
    ),
    "anchor without a device": ("ln -sfn nowhere kernel/iommu_groups/0/anchor", "groups.are_anchored_in_a_member"),
}


@pytest.fixture
def iommu_groups(base):
    return Path(base.made("mkselftests")) / "iommu_groups"


def verdicts_on(sysfs, defect, *command):
    """Test -> `ok', `not ok' or `skip', as the selftest finds a fake sysfs with a defect."""
    if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
        pytest.skip("unshare -m is not allowed here")
    subprocess.run(["sh", "-c", FAKE_SYSFS + defect], cwd=sysfs, check=True)
    inside = 'mount --bind "$0" /sys && exec "$@"'
    run = subprocess.run(
        ["unshare", "-m", "sh", "-c", inside, sysfs, *command],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    found = re.findall(r"^(ok|not ok) \d+ (\S+)( # SKIP .*)?$", run.stdout, re.MULTILINE)
    assert found, run.stdout
    return {name: "skip" if skip else verdict for verdict, name, skip in found}


def test_selftest_accepts_what_is_right(iommu_groups, tmp_path):
    verdicts = verdicts_on(tmp_path, "", iommu_groups)
    others = {name: verdict for name, verdict in verdicts.items() if name not in REFUSALS}
    assert {verdict for name, verdict in others.items() if not name.startswith("mock_group.")} == {"ok"}


@pytest.mark.parametrize("test", sorted(REFUSALS))
def test_selftest_finds_that_nothing_is_refused(iommu_groups, tmp_path, test):
    assert verdicts_on(tmp_path, "", iommu_groups, "-t", test.split(".")[1]) == {test: "not ok"}


@pytest.mark.parametrize("defect", DEFECTS)
def test_selftest_finds(iommu_groups, tmp_path, defect):
    wanted = DEFECTS[defect][1]
    verdicts = verdicts_on(tmp_path, DEFECTS[defect][0], iommu_groups)
    found = {name for name, verdict in verdicts.items() if verdict == "not ok"} - REFUSALS
    assert found == (wanted if isinstance(wanted, set) else {wanted})
