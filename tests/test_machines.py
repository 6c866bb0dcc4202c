# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""Machines that show the rules of who shares a group, and what comes late or again.

Each is booted with the kernel of today and with the series, under both policies.  What the
kernel of today answers, and which checks it fails, is data as well.
"""

import re

import bases
import guest
import pytest
from boots import assert_partition, assert_passed, assert_reasons

# What runs on each, in this order: hot_add leaves what it added for groups to list.
PROGRAMS = {
    "intel-fabric": ["groups", "tool", "rescan"],
    "amd-fabric": ["groups", "tool", "rescan"],
    "intel-ports": ["groups", "tool", "late_setpci", "rescan"],
    "amd-ports": ["groups", "tool", "late_setpci", "rescan"],
    "intel-late": ["virtual_functions", "hot_add", "groups", "tool"],
    "amd-late": ["virtual_functions", "hot_add", "groups", "tool"],
    "amd-acpi": ["groups", "tool"],
    "virtio": ["groups", "tool"],
}
VIRTUAL_FUNCTIONS = {"many": (127, 0), "few": (0, 3)}
TWINS = ["fabric", "ports", "late"]

# What the kernel of today gets wrong: a function other than number 0 that comes back is
# taken for the only one of its device when its header does not say otherwise, ...
BY_ORDER = {
    "rescan",
    "rescan/each function alone is found again and put where it was",
}
# ... and ACS that was switched off puts who comes late elsewhere.
MISPLACED = {
    "late_setpci",
    "late_setpci/function: who comes late is where it was",
    "late_setpci/port: who comes late is where it was",
    "late_setpci/port: so is what is below it",
}
STOCK_FAILS = {
    "intel-fabric": BY_ORDER,
    "amd-fabric": BY_ORDER,
    "intel-ports": BY_ORDER | MISPLACED,
    "amd-ports": BY_ORDER | MISPLACED,
}

# Of many together it depends on which they are whether one is such a function.
MAY_FAIL = {
    "rescan/all functions are found again and put where they were",
}

SAYS = {
    "fabric": "PCI host bridge to bus 0000:80",
    "ports": "pci 0000:00:05.0: Configured ACS to 0x0000",
    "late": "contains BAR 0 for 127 VFs",
    "acpi": "AMD-Vi: cmd, add hid:PNP0103, uid:, rdevid:",
    "virtio": "virtio_iommu virtio0: ",
}

STRICT = ["iommu.group_acs=strict"]
COMPAT = ["iommu.group_acs=compat"]
# Half a minute each, and the same under both policies.
LONG = ["intel-late", "amd-late"]
UNKNOWN = [["iommu.group_acs=lax"], ["iommu.group_acs=default"], ["iommu.group_acs"]]
# Ports without a driver are not probed and in no group; what they join stays joined.
NO_PORT_DRIVER = ["initcall_blacklist=pcie_portdrv_init"]
LIMITS = guest.Limits(silence=120, total=600)
# Only the partition is looked at: this guest does not switch itself off in time, seen with
# the kernel of today as well.
NO_END = guest.Limits(silence=30)


# The arguments of a boot: with all programs, and with those only that the partition needs.


def full(machine, stage, append=()):
    return machine, stage, PROGRAMS[machine], append, LIMITS


def short(machine, stage, append, limits=LIMITS):
    programs = [name for name in PROGRAMS[machine] if name in ("groups", "hot_add", "tool")]
    return machine, stage, programs, append, limits


# Where groups of virtio-iommu are formed as drivers bind
on_6_12 = pytest.mark.parametrize("base", [bases.named("6.12")], indirect=True, ids=str, scope="session")


def bound_late():
    return "virtio", "all", ["late_bound"], ["initcall_blacklist=nvme_init"]


def begin(boots, with_full):
    if boots.base.name == "6.12":
        boots.begin(*bound_late())
    for machine in PROGRAMS:
        boots.begin(*full(machine, "all"))
        if with_full or machine not in LONG:
            boots.begin(*short(machine, "all", STRICT))
            boots.begin(*short(machine, "all", COMPAT))
    for word in UNKNOWN:
        boots.begin(*short("intel-ports", "all", word))
    boots.begin(*short("virtio", "all", NO_PORT_DRIVER, NO_END))
    if not with_full:
        return
    for machine in PROGRAMS:
        boots.begin(*full(machine, "stock"))
        boots.begin(*full(machine, "all", STRICT))
    if boots.base.name == "6.12":
        boots.begin(*short("virtio", "stock", NO_PORT_DRIVER, NO_END))


def failed(run):
    """The paths of the checks that are not ok."""
    return {path for path, result in run.result.walk() if not result.ok}


def virtual_functions(run):
    """Physical function -> so many virtual ones alone in a group, so many with it."""
    found = [words[1:] for words in run.result.data() if words[0] == "virtual"]
    return {run.name_of(address): (int(alone), int(joined)) for address, alone, joined in found}


# The machines and what is expected of them.


def test_no_machine_is_left_out():
    from test_arches import ARCHES
    from test_bad_input import UNPLUGGED
    from test_boots import MACHINES
    from test_reports import BYPASSED
    from test_resets import MACHINE as RESET

    assert sorted([*PROGRAMS, *MACHINES, *BYPASSED, *UNPLUGGED, *ARCHES, RESET]) == guest.machines()


@pytest.mark.parametrize("kind", TWINS)
def test_twins_differ_in_the_iommu_only(kind):
    intel, amd = (guest.config_of(f"{vendor}-{kind}").read_text() for vendor in ("intel", "amd"))
    stanzas = [re.findall(r"^\[.*\n(?:  .*\n)*", text, re.MULTILINE) for text in (intel, amd)]
    assert [s for s in stanzas[0] if "intel-iommu" not in s] == [s for s in stanzas[1] if "amd-iommu" not in s]


@pytest.mark.older
@pytest.mark.parametrize("machine", PROGRAMS)
def test_every_difference_to_today_has_its_reason(base, machine):
    """`# today: {a b} {c}; why` names all groups of the kernel of today that are not expected, and no other."""
    comments = re.sub(r"\n# ", " ", guest.expectation(machine, "groups", base).read_text())
    found = re.findall(r"today: ((?:\{[^}]*\} ?)+); \w", comments)
    named = {frozenset(group.split()) for groups in found for group in re.findall(r"\{([^}]*)\}", groups)}
    today, expected = (guest.read_partition(guest.expectation(machine, kind, base)) for kind in ("stock", "groups"))
    assert named == today.groups - expected.groups


@pytest.mark.older
@pytest.mark.parametrize("machine", PROGRAMS)
def test_strict_is_never_finer(base, machine):
    default, strict = (guest.read_partition(guest.expectation(machine, kind, base)) for kind in ("groups", "strict"))
    assert [group for group in default.groups if not any(group <= larger for larger in strict.groups)] == []
    assert default.ungrouped == strict.ungrouped


# The kernel of today.


@pytest.mark.full
@pytest.mark.parametrize("machine", PROGRAMS)
def test_stock_partition(begun, machine):
    run = begun.run(*full(machine, "stock"))
    assert_partition(run, "stock")
    assert SAYS[machine.split("-")[-1]] in run.console


@pytest.mark.full
@pytest.mark.parametrize("machine", PROGRAMS)
def test_stock_fails_what_it_is_known_to_fail(begun, machine):
    run = begun.run(*full(machine, "stock"))
    assert run.state in ("pass", "fail"), run.reasons
    assert failed(run) - MAY_FAIL == STOCK_FAILS.get(machine, set())
    assert not run.refusals
    if machine.endswith("-late"):
        assert virtual_functions(run) == VIRTUAL_FUNCTIONS


@pytest.mark.full
@on_6_12
def test_stock_loses_what_a_port_without_driver_joins(begun):
    run = begun.run(*short("virtio", "stock", NO_PORT_DRIVER, NO_END))
    assert {frozenset({"below-switch-1"}), frozenset({"below-switch-2"})} <= run.partition().groups


# The series.


@pytest.mark.parametrize("machine", PROGRAMS)
def test_series_partition(begun, machine):
    assert_partition(begun.run(*full(machine, "all")), "groups")


@pytest.mark.parametrize("machine", PROGRAMS)
def test_series_tells_reasons(begun, machine):
    assert_reasons(begun.run(*full(machine, "all")))


@pytest.mark.parametrize("machine", PROGRAMS)
def test_series_passes(begun, machine):
    run = begun.run(*full(machine, "all"))
    assert_passed(run)
    if machine.endswith("-late"):
        assert virtual_functions(run) == VIRTUAL_FUNCTIONS


@pytest.mark.parametrize(
    "machine", [pytest.param(machine, marks=pytest.mark.full if machine in LONG else ()) for machine in PROGRAMS]
)
def test_series_partition_strict(begun, machine):
    assert_partition(begun.run(*short(machine, "all", STRICT)), "strict")


@pytest.mark.parametrize(
    "machine", [pytest.param(machine, marks=pytest.mark.full if machine in LONG else ()) for machine in PROGRAMS]
)
def test_series_partition_compat(begun, machine):
    """The groups of today, but for functions that the IOMMU cannot tell apart."""
    assert_partition(begun.run(*short(machine, "all", COMPAT)), "compat")


@pytest.mark.full
@pytest.mark.parametrize("machine", PROGRAMS)
def test_series_passes_strict(begun, machine):
    assert_passed(begun.run(*full(machine, "all", STRICT)))


@pytest.mark.parametrize("word", UNKNOWN, ids=" ".join)
def test_an_unknown_policy_is_an_error_and_default(begun, word):
    run = begun.run(*short("intel-ports", "all", word))
    assert_partition(run, "groups")
    told = [line for line in run.console.splitlines() if "iommu.group_acs is '" in line]
    assert len(told) == 1 and "it must be compat, safe or strict; using safe" in told[0]


def test_series_does_not_take_what_is_probed_late_for_not_covered(begun):
    """Firmware may be asked which IOMMU covers a function as late as when a driver binds."""
    run = begun.run(*short("virtio", "all", NO_PORT_DRIVER, NO_END))
    assert run.numbered_groups()
    assert "No IOMMU group: no IOMMU covers it" not in run.console


def test_series_keeps_what_a_port_without_driver_joins(base, begun):
    run = begun.run(*short("virtio", "all", NO_PORT_DRIVER, NO_END))
    expected = guest.read_partition(guest.expectation("virtio", "groups", base))
    if base.name != "6.12":
        assert run.partition() == expected
        return
    ports = {name for group in expected.groups for name in group if not name.startswith(("below-", "function-"))}
    groups = frozenset(group - ports for group in expected.groups if group - ports)
    assert run.partition() == guest.Partition(groups, expected.ungrouped | ports)


@pytest.mark.full
@on_6_12
def test_what_is_bound_late_joins_those_that_live(begun):
    assert_passed(begun.run(*bound_late()))
