# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""Programs of Debian that read the ABI of groups: they work, and answer the same with and
without the series.

What they answered is in tests/readers/answers/MACHINE, with the machine's names of devices in place of
addresses; each test leaves what it got in the folder of its boot."""

import difflib
import re
from pathlib import Path

import guest
import pytest
from boots import assert_passed

ANSWERS = Path(__file__).resolve().parent / "readers" / "answers"
MACHINES = ["intel", "amd"]
READERS = ["lspci", "udevadm", "driverctl", "dpdk-devbind", "qemu", "testpmd", "libvirt"]
STAGES = ["stock", "all"]
BOOTS = [(machine, stage) for machine in MACHINES for stage in STAGES]
# The machines remap no interrupts, without which VFIO wants to be told that this is accepted.
WORDS = ["vfio_iommu_type1.allow_unsafe_interrupts=1"]
LIMITS = guest.Limits(first_byte=300, silence=300, total=1800)


def read(machine, stage):
    return machine, stage, READERS, WORDS, LIMITS


# The initramfs is large; DPDK takes no processor without SSE4.2.
HOW = {"maker": "mkreaders", "more_qemu": ("-m", "2G", "-cpu", "Nehalem")}


def begin(boots, with_full):
    for machine, stage in BOOTS if with_full else []:
        boots.begin(*read(machine, stage), **HOW)


def spellings(address):
    """How the readers write a PCI address, most of it first."""
    domain, bus, slot, function = re.split("[:.]", address)
    xml = f"<address domain='0x{domain}' bus='0x{bus}' slot='0x{slot}' function='0x{function}'/>"
    return [xml, address, address.replace(":", "_").replace(".", "_")]


def answers(run, reader):
    """What a reader answered in the guest, by the names of devices."""
    told = run.result.child(reader).diagnostics if run.result.child(reader) else []
    text = "".join(f"{line.removeprefix('answer:')[1:]}\n" for line in told if line.startswith("answer:"))
    for address, name in run.addresses.items():
        for spelling in spellings(address):
            text = text.replace(spelling, name)
    return text


def recorded(machine, reader):
    lines = (ANSWERS / machine / f"{reader}.txt").read_text().splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("#"))


def on_each_boot(test):
    return pytest.mark.full(pytest.mark.parametrize("machine, stage", BOOTS)(test))



@on_each_boot
def test_readers_work(begun, machine, stage):
    assert_passed(begun.run(*read(machine, stage), **HOW))


@pytest.mark.parametrize("reader", READERS)
@on_each_boot
def test_answers_are_as_recorded(begun, machine, stage, reader):
    run = begun.run(*read(machine, stage), **HOW)
    expected, found = recorded(machine, reader), answers(run, reader)
    (run.folder / f"{reader}.answers").write_text(found)
    difference = difflib.unified_diff(expected.splitlines(), found.splitlines(), "recorded", "found", lineterm="")
    assert found == expected, "\n".join([*difference, str(run.folder)])


def recorded_groups(pattern, text):
    """Names of devices by the number beside them, in the recorded answers."""
    groups = {}
    for name, number in re.findall(pattern, text, re.MULTILINE):
        groups.setdefault(number, set()).add(name)
    return frozenset(frozenset(names) for names in groups.values())


@pytest.mark.parametrize(
    "reader, pattern",
    [
        ("lspci", r"^(\S+) .*\n\tIOMMU group (\d+)$"),
        ("lspci", r"^Slot:\t(\S+)\n(?:Driver:.*\n)?IOMMUGroup:\t(\d+)$"),
        ("libvirt", r"^== virsh nodedev-dumpxml pci_(\S+)\n *<iommuGroup number='(\d+)'>$"),
    ],
    ids=["lspci -v", "lspci -vmm", "libvirt"],
)
@pytest.mark.parametrize("machine", MACHINES)
def test_recorded_groups_are_those_of_the_machine(machine, reader, pattern):
    expected = guest.read_partition(guest.expectation(machine, "groups"))
    assert recorded_groups(pattern, recorded(machine, reader)) == expected.groups


@pytest.mark.parametrize("machine", MACHINES)
def test_libvirt_recorded_the_members_of_each_group(machine):
    block = r"^== virsh nodedev-dumpxml pci_(\S+)\n *<iommuGroup number='\d+'>\n(.*?) *</iommuGroup>$"
    found = re.findall(block, recorded(machine, "libvirt"), re.MULTILINE | re.DOTALL)
    expected = guest.read_partition(guest.expectation(machine, "groups"))
    assert {name: frozenset(members.split()) for name, members in found} == {
        name: group for group in expected.groups for name in group
    }
