# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""What the series tells of groups: who is in the way, where isolation is missing, what
happens, and why there is no group."""

import re

import bases
import guest
import pytest
from boots import assert_partition, assert_passed, assert_reasons

TOLD_ON = ["intel", "amd"]
PROGRAMS = ["refusals", "anchor", "group_uevents", "udev", "group_lines"]
HOTPLUGS = "group_uevents=500"
MANY = guest.Limits(total=1200)
FABRICS = ["intel-fabric", "amd-fabric"]
PORTS = ["intel-ports", "amd-ports"]
BYPASSED = ["intel-bypass", "amd-bypass"]

# Who switches all IOMMUs off, and what the kernel says of it.
OFF = {
    ("intel", "iommu=off"): "DMAR: No IOMMU groups: iommu=off is on the command line",
    ("intel", "intel_iommu=off"): "DMAR: No IOMMU groups: intel_iommu=off is on the command line",
    ("amd", "iommu=off"): "AMD-Vi: No IOMMU groups: iommu=off is on the command line",
    ("amd", "amd_iommu=off"): "AMD-Vi: No IOMMU groups: amd_iommu=off is on the command line",
    ("none", "iommu=off"): None,
}

# Device -> the port or function that lacks isolation and what of it, derived from the
# topology and from what QEMU 7.2 gives its ports: no ACS to those of switches, and to root
# ports the four services that isolate.
ALL_OFF = "SrcValid,ReqRedir,CmpltRedir,UpstreamFwd"
FABRIC_LACKS = {
    "switch": ("-", "-"),
    "switch-1": ("switch-1", "capability"),
    "below-switch-1": ("switch-1", "capability"),
    "below-switch-2": ("switch-2", "capability"),
    # What is below an open switch belongs to it whatever there is further down.
    "below-inner-1": ("cascade-2", "capability"),
    "below-open-1": ("open-port", "capability"),
    "chip-1": ("chip-1", "capability"),
    "express-bridge": ("-", "-"),
    "below-express-bridge": ("-", "-"),
}
PORTS_LACK = {
    "none-port-1": ("none-port-1", "capability"),
    "below-none-port-1": ("none-port-1", "capability"),
    "off-acs-0": ("off-acs-0", ALL_OFF),
    # Its own is in effect, that of the port beside it is not.
    "off-acs-1": ("off-acs-0", ALL_OFF),
    "below-off-acs-1": ("off-acs-0", ALL_OFF),
    "off-port": ("off-port", ALL_OFF),
    "beside-acs-0": ("beside-acs-0", "capability"),
    "beside-off-0": ("beside-off-0", "capability"),
    "quirk-off-0": ("quirk-off-1", ALL_OFF),
    "twin-0": ("-", "-"),
    "below-twin-0": ("-", "-"),
}


def told(machine):
    return machine, "all", PROGRAMS


def hotplugged(machine):
    return machine, "all", ["group_uevents"], [HOTPLUGS], MANY


def lines_of(machine):
    return machine, "all", ["group_lines", "port_drivers"] if machine in FABRICS else ["group_lines"]


def bypassed(machine, stage="all"):
    return machine, stage, ["groups", "tool", "group_lines"] if stage == "all" else ["groups", "tool"]


def off(machine, word):
    return machine, "all", ["groups"], [word]


def begin(boots, with_full):
    for machine in TOLD_ON:
        boots.begin(*told(machine))
    if with_full:
        for machine in TOLD_ON:
            boots.begin(*hotplugged(machine))
    for machine in [*FABRICS, *PORTS]:
        boots.begin(*lines_of(machine))
    for machine in BYPASSED:
        boots.begin(*bypassed(machine))
        boots.begin(*bypassed(machine, "stock"))
    for machine, word in OFF:
        boots.begin(*off(machine, word))


def members(run):
    """Device -> the columns of its line in debugfs, with names for functions."""
    found = {}
    for words in run.result.data():
        if words[0] == "line":
            _, _, device, _, reason, ids, port, missing = words
            found[run.name_of(device)] = reason, ids, run.name_of(port), missing
    return found


@pytest.mark.parametrize("machine", TOLD_ON)
def test_series_tells_what_happens_to_groups(begun, machine):
    assert_passed(begun.run(*told(machine)))


@pytest.mark.full
@pytest.mark.parametrize("machine", TOLD_ON)
def test_series_tells_of_a_thousand_hotplugs(begun, machine):
    run = begun.run(*hotplugged(machine))
    assert_passed(run)
    assert "500 times" in (run.folder / "result.ktap").read_text()


@pytest.mark.parametrize("machine", FABRICS)
def test_drivers_of_ports_are_not_blamed(begun, machine):
    assert_passed(begun.run(*lines_of(machine)))


@pytest.mark.parametrize("machine", [*FABRICS, *PORTS])
def test_lines_name_what_lacks_isolation(begun, machine):
    run = begun.run(*lines_of(machine))
    assert_passed(run)
    expected = FABRIC_LACKS if machine in FABRICS else PORTS_LACK
    found = {name: columns[2:] for name, columns in members(run).items() if name in expected}
    assert found == expected


@pytest.mark.parametrize("machine", FABRICS)
def test_lines_tell_requester_ids(begun, machine):
    """Behind a PCIe to PCI bridge requests have the number of its secondary bus."""
    run = begun.run(*lines_of(machine))
    address = {name: address for address, name in run.addresses.items()}
    behind = address["below-express-bridge"]
    lines = members(run)
    assert lines["below-express-bridge"][1] == f"{behind},{behind[:8]}00.0"
    assert lines["below-switch-1"][1] == address["below-switch-1"]


@pytest.mark.parametrize("machine", BYPASSED)
def test_series_partition_where_not_all_is_covered(begun, machine):
    run = begun.run(*bypassed(machine))
    assert_passed(run)
    assert_partition(run, "groups")
    assert_reasons(run)


@pytest.mark.parametrize("machine", BYPASSED)
def test_series_tells_why_a_function_has_no_group(begun, machine):
    run = begun.run(*bypassed(machine))
    reported = re.findall(r" (\S+): No IOMMU group: no IOMMU covers it$", run.console, re.MULTILINE)
    assert sorted(map(run.name_of, reported)) == sorted(run.ungrouped())


@pytest.mark.parametrize("machine", BYPASSED)
def test_stock_partition_where_not_all_is_covered(begun, base, machine):
    run = begun.run(*bypassed(machine, "stock"))
    if (machine, base.name) == ("amd-bypass", "6.12"):
        # The first of its patches is the backport that mends it
        assert run.state == "crash"
        assert "amd_iommu_probe_device" in run.console
        return
    assert_passed(run)
    assert_partition(run, "stock")


@pytest.mark.parametrize("machine, word", OFF)
def test_series_tells_why_there_are_no_groups(begun, machine, word):
    run = begun.run(*off(machine, word))
    assert_passed(run)
    assert run.numbered_groups() == {}
    told_lines = [line for line in run.console.splitlines() if "No IOMMU group" in line]
    assert told_lines == [OFF[machine, word]] * (OFF[machine, word] is not None)
