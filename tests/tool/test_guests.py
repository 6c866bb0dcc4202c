# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""iommu-groups in the machines of qemu-configs/: with the series it agrees, without it finds what is wrong.

The boots are those of test_boots and test_machines.
"""

import json

import guest
import pytest
import test_boots
import test_machines
from tool import AGREE, DIFFER, TROUBLE

def boot(machine, stage):
    """The arguments of a boot that there is."""
    module = test_machines if machine in test_machines.PROGRAMS else test_boots
    return (module.full if module is test_machines else module.wanted)(machine, stage)


def said(run, what):
    """The words of the tool in the guest: its status, or what it said as JSON."""
    lines = (run.folder / "result.ktap").read_text().splitlines()
    prefix = f"# data: tool {what} "
    told = "\n".join(line.strip()[len(prefix) :] for line in lines if line.strip().startswith(prefix))
    return json.loads(told) if told else None


def verdict(run):
    """What it finds by the policy in force, by names; groups by number."""
    found = said(run, "verify")["verdicts"][0]
    assert found["unknown"] == [], "something is not known as root on a whole machine"
    return found


def groups_of(finding):
    return frozenset(member["group"] for member in finding)


def expected_findings(run, kind):
    """The groups that must be one and are several, and those that are one and need not be, by number.

    What only firmware joins, an ACPI device with a PCI function, is not for this tool to see.
    """
    expected = guest.read_partition(guest.expectation(run.machine, kind)).groups
    numbered = run.numbered_groups()
    pci = set(run.addresses.values())
    unsafe = {frozenset(n for n, names in numbered.items() if names & group & pci) for group in expected}
    larger = {n for n, names in numbered.items() if len([group for group in expected if group & names & pci]) > 1}
    return {numbers for numbers in unsafe if len(numbers) > 1}, {frozenset([n]) for n in larger}


def assert_finds(run, kind):
    found = verdict(run)
    unsafe, larger = expected_findings(run, kind)
    assert {groups_of(finding) for finding in found["unsafe"]} == unsafe
    assert {groups_of(finding) for finding in found["larger"]} == larger
    assert found["reasons"] == [] and found["unchecked"] == []
    assert said(run, "status") == (DIFFER if unsafe or larger else AGREE)
    return unsafe


def assert_shows_the_groups(run):
    shown = said(run, "groups")["groups"]
    numbered = {}
    for group in shown:
        names = {run.name_of(device["address"] or device["name"]) for device in group["devices"]}
        numbered.setdefault(group["group"], set()).update(names)
    ungrouped = numbered.pop(None, set())
    assert numbered == run.numbered_groups()
    assert ungrouped == run.ungrouped()


WITH_GROUPS = sorted([*test_boots.WITH_IOMMU, *test_machines.PROGRAMS])
# Of amd-acpi only firmware tells what is wrong
UNSAFE_TODAY = set(test_machines.PROGRAMS) - {"amd-acpi"}
# Of these 6.12 without the series is booted with --full only
LONG = set(test_machines.PROGRAMS)


def begin(boots, with_full):
    for machine in WITH_GROUPS:
        boots.begin(*boot(machine, "all"))
        if with_full or machine not in LONG:
            boots.begin(*boot(machine, "stock"))


@pytest.mark.parametrize("machine", WITH_GROUPS)
def test_agrees_with_the_series(begun, machine):
    run = begun.run(*boot(machine, "all"))
    assert assert_finds(run, "groups") == set()
    assert_shows_the_groups(run)


@pytest.mark.parametrize("machine", [m for m in test_machines.PROGRAMS if m not in test_machines.LONG])
def test_agrees_with_policy_strict(begun, machine):
    run = begun.run(*test_machines.short(machine, "all", test_machines.STRICT))
    assert assert_finds(run, "strict") == set()


@pytest.mark.parametrize(
    "machine", [pytest.param(m, marks=pytest.mark.full if m in LONG else ()) for m in WITH_GROUPS]
)
def test_finds_what_stock_gets_wrong(begun, machine):
    run = begun.run(*boot(machine, "stock"))
    assert bool(assert_finds(run, "groups")) == (machine in UNSAFE_TODAY)
    assert_shows_the_groups(run)


def test_says_that_there_are_no_groups(begun):
    for stage in ("all", "stock"):
        run = begun.run(*boot("none", stage))
        assert said(run, "status") == TROUBLE
