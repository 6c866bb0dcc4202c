# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""iommu-groups on texts of lspci, and on a machine that is a directory.

The sets that are expected are derived by hand from the rule (the top of group/pci.c).
"""

import gzip
import json
import re
from pathlib import Path

import pytest
from lspci_output import (
    COLLECTOR,
    CONVENTIONAL,
    DOWNSTREAM,
    ENDPOINT,
    ROOT_ENDPOINT,
    ROOT_PORT,
    TO_PCI,
    UPSTREAM,
    Function,
    both,
    configuration,
    dump,
    hexdump,
    verbose,
)
from tool import AGREE, DIFFER, HERE, TROUBLE, UNDECIDED, run


def sets_of(functions, text, policy="safe"):
    """The sets of the rule that have more than one function, by the functions' names."""
    done = run("--dump", "-", "--json", *(("--policy", policy) if policy else ()), text=text)
    assert done.returncode == 0, done.stderr
    names = {fn.full_address: fn.name for fn in functions}
    groups = [[names[device["address"]] for device in group["devices"]] for group in json.loads(done.stdout)["groups"]]
    assert sorted(sum(groups, [])) == sorted(names.values())
    return {frozenset(group) for group in groups if len(group) > 1}


def verdict(a, b, text, policy="safe"):
    done = run("--dump", "-", "--json", "--policy", policy, "--why", a.address, b.address, text=text)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["verdict"]


def sets(words):
    """"{A,RP} {B,C}" as sets of names, "" when all are apart."""
    return {frozenset(word.strip("{}").split(",")) for word in words.split()}


def rp(acs, name="RP", address="00:01.0", bus=1, last=None, **more):
    return Function(name, address, ROOT_PORT, acs, buses=(bus, last or bus), **more)


def switch(acs1, acs2, root="ACS", slots=True):
    """RP-USP, D1-A, D2-B"""
    second = "02:01.0" if slots else "02:00.1"
    return [
        rp(root, last=4),
        Function("USP", "01:00.0", UPSTREAM, buses=(2, 4)),
        Function("D1", "02:00.0", DOWNSTREAM, acs1, buses=(3, 3), multifunction=not slots),
        Function("D2", second, DOWNSTREAM, acs2, buses=(4, 4)),
        Function("A", "03:00.0"),
        Function("B", "04:00.0"),
    ]


def two(acs0, acs1, root="ACS"):
    """RP-F0,F1 of one device"""
    return [
        rp(root),
        Function("F0", "01:00.0", acs=acs0, multifunction=True),
        Function("F1", "01:00.1", acs=acs1),
    ]


def two_ports(acs0, acs1):
    """RP0-A, RP1-B, the ports are functions of one device"""
    return [
        rp(acs0, "RP0", "00:01.0", 1, multifunction=True),
        rp(acs1, "RP1", "00:01.1", 2),
        Function("A", "01:00.0"),
        Function("B", "02:00.0"),
    ]


def virtual_functions(acs):
    """RP-PF with VF1, VF2"""
    return [
        rp("ACS"),
        Function("PF", "01:00.0", acs=acs, virtual_functions=(2, 1, 1)),
        Function("VF1", "01:00.1", virtual=True),
        Function("VF2", "01:00.2", virtual=True),
    ]


EXAMPLES = {
    "E01": ([rp("ACS"), Function("A", "01:00.0")], "", "", ""),
    "E02": ([rp("none"), Function("A", "01:00.0")], "{A,RP}", "{A,RP}", "{A,RP}"),
    "E03": (
        [rp("none", "RP1"), rp("none", "RP2", "00:02.0", 2), Function("A1", "01:00.0"), Function("A2", "02:00.0")],
        "{A1,RP1} {A2,RP2}", "{A1,RP1} {A2,RP2}", "{A1,RP1} {A2,RP2}",
    ),
    "E04": (switch("ACS", "ACS"), "", "", ""),
    "E05": (switch("none", "none"), "{A,D1} {B,D2}", "{A,B,D1,D2}", "{A,B,D1,D2}"),
    "E05 in one slot": (switch("none", "none", slots=False), "{A,B,D1,D2}", "{A,B,D1,D2}", "{A,B,D1,D2}"),
    "E06": (switch("ACS", "none"), "{B,D2}", "{A,B,D1,D2}", "{A,B,D1,D2}"),
    "E06 with a port switched off": (switch("ACS", "off"), "{B,D2}", "{A,B,D1,D2}", "{A,B,D1,D2}"),
    "E09": (switch("ACS", "ACS", "none"), "{A,B,D1,D2,RP,USP}", "{A,B,D1,D2,RP,USP}", "{A,B,D1,D2,RP,USP}"),
    "E10": (two("none", "none"), "{F0,F1}", "{F0,F1}", "{F0,F1}"),
    "E11": (two("none", "ACS"), "", "", "{F0,F1}"),
    "H11": (two("off", "ACS"), "", "{F0,F1}", "{F0,F1}"),
    "E12": (two("empty", "empty"), "", "", ""),
    "E13": (two_ports("none", "ACS"), "{A,RP0}", "{A,RP0}", "{A,B,RP0,RP1}"),
    "H13": (two_ports("off", "ACS"), "{A,RP0}", "{A,B,RP0,RP1}", "{A,B,RP0,RP1}"),
    "E14": (
        [Function("F0", "00:01.0", ROOT_ENDPOINT, multifunction=True), rp("ACS", address="00:01.1"), Function("A", "01:00.0")],
        "", "", "{A,F0,RP}",
    ),
    "E17": (
        [rp("ACS", last=2), Function("PB", "01:00.0", TO_PCI, buses=(2, 2)), Function("X", "02:01.0", CONVENTIONAL),
         Function("Y", "02:02.0", CONVENTIONAL)],
        "{PB,X,Y}", "{PB,X,Y}", "{PB,X,Y}",
    ),
    "E18": (
        [Function("B", "00:1e.0", CONVENTIONAL, buses=(1, 1)), Function("X", "01:01.0", CONVENTIONAL),
         Function("Y", "01:02.0", CONVENTIONAL)],
        "{B,X,Y}", "{B,X,Y}", "{B,X,Y}",
    ),
    "E20": (
        [rp("ACS"), Function("PF", "01:00.0", virtual_functions=(2, 1, 1)), Function("VF1", "01:00.1", virtual=True),
         Function("VF2", "01:00.2", virtual=True)],
        "", "", "{PF,VF1,VF2}",
    ),
    "E20 with functions on a further bus": (
        [rp("ACS", last=2), Function("PF", "01:00.0", virtual_functions=(2, 0x100, 1)),
         Function("VF1", "02:00.0", virtual=True), Function("VF2", "02:00.1", virtual=True)],
        "", "", "{PF,VF1,VF2}",
    ),
    "E25": (
        [rp("ACS", last=4), Function("USP", "01:00.0", UPSTREAM, buses=(2, 4), multifunction=True),
         Function("F1", "01:00.1"), *switch("ACS", "ACS")[2:]],
        "{A,B,D1,D2,F1,USP}", "{A,B,D1,D2,F1,USP}", "{A,B,D1,D2,F1,USP}",
    ),
    "E30": (two("none", "none", "off"), "{F0,F1,RP}", "{F0,F1,RP}", "{F0,F1,RP}"),
    "E32": ([Function("X", "00:03.0", CONVENTIONAL), Function("Y", "00:04.0", CONVENTIONAL)], "", "", ""),
    "E34": (
        [Function("LPC", "00:1f.0", CONVENTIONAL, multifunction=True), Function("SATA", "00:1f.2", CONVENTIONAL),
         Function("SMB", "00:1f.3", CONVENTIONAL)],
        "{LPC,SATA,SMB}", "{LPC,SATA,SMB}", "{LPC,SATA,SMB}",
    ),
    # not among the worked examples, by R2b: something on the bus inside that is not a port
    "endpoints in a switch": (
        [rp("ACS", last=2), Function("USP", "01:00.0", UPSTREAM, buses=(2, 2)), Function("A", "02:00.0"),
         Function("B", "02:01.0")],
        "", "{A,B}", "{A,B}",
    ),
    # by R2b, spread at both levels; the upstream port is below a port of the outer switch
    "cascade": (
        [rp("ACS", last=7), Function("USP", "01:00.0", UPSTREAM, buses=(2, 7)),
         Function("D1", "02:00.0", DOWNSTREAM, buses=(3, 3)), Function("D2", "02:01.0", DOWNSTREAM, buses=(4, 7)),
         Function("A", "03:00.0"), Function("USP2", "04:00.0", UPSTREAM, buses=(5, 7)),
         Function("E1", "05:00.0", DOWNSTREAM, "ACS", buses=(6, 6)),
         Function("E2", "05:01.0", DOWNSTREAM, "ACS", buses=(7, 7)), Function("B", "06:00.0"), Function("C", "07:00.0")],
        "{A,D1} {B,C,D2,E1,E2,USP2}", "{A,B,C,D1,D2,E1,E2,USP2}", "{A,B,C,D1,D2,E1,E2,USP2}",
    ),
    # by R2d: behind a link all of the bus is one device, functions 8 and 9 (ARI) too
    "functions above 7": (
        [rp("ACS"), Function("F0", "01:00.0", acs="ACS", multifunction=True), Function("F8", "01:01.0"),
         Function("F9", "01:01.1")],
        "{F8,F9}", "{F8,F9}", "{F0,F8,F9}",
    ),
    # by R2d: slots of a root bus are devices of their own
    "two devices on the root bus": (
        [Function("F0", "00:02.0", ROOT_ENDPOINT, multifunction=True), Function("F1", "00:02.1", ROOT_ENDPOINT),
         Function("G0", "00:03.0", ROOT_ENDPOINT, multifunction=True), Function("G1", "00:03.1", ROOT_ENDPOINT, "ACS")],
        "{F0,F1}", "{F0,F1}", "{F0,F1} {G0,G1}",
    ),
    # by R2a: everything behind a conventional bridge, at any depth
    "nested conventional bridges": (
        [rp("ACS", last=3), Function("PB", "01:00.0", TO_PCI, buses=(2, 3)),
         Function("NB", "02:02.0", CONVENTIONAL, buses=(3, 3)), Function("X", "02:01.0", CONVENTIONAL),
         Function("Y", "03:01.0", CONVENTIONAL)],
        "{NB,PB,X,Y}", "{NB,PB,X,Y}", "{NB,PB,X,Y}",
    ),
    # an event collector counts as a function without ACS, whatever it has
    "event collector": (
        [Function("F0", "00:04.0", ROOT_ENDPOINT, multifunction=True), Function("F4", "00:04.4", COLLECTOR, "ACS")],
        "{F0,F4}", "{F0,F4}", "{F0,F4}",
    ),
    # RR and CR of what a capability does not implement count as in effect
    "a part of the services": (two((0x11, 0x11), "ACS"), "", "", ""),
    "one of the services is off": (two((0x1D, 0x19), "ACS"), "", "{F0,F1}", "{F0,F1}"),
    # an upstream port that says it is of a multifunction device, and is alone in it (R2d)
    "multifunction upstream port": (
        [rp("ACS", last=4), Function("USP", "01:00.0", UPSTREAM, buses=(2, 4), multifunction=True),
         *switch("ACS", "ACS")[2:]],
        "{A,B,D1,D2,USP}", "{A,B,D1,D2,USP}", "{A,B,D1,D2,USP}",
    ),
    # integrated endpoints of Intel isolate, says the VT-d specification; its other functions do not
    "integrated endpoints of Intel": (
        [Function("F0", "00:02.0", ROOT_ENDPOINT, vendor=0x8086, multifunction=True),
         Function("F1", "00:02.1", ROOT_ENDPOINT, "off", vendor=0x8086),
         Function("G0", "00:03.0", ROOT_ENDPOINT, vendor=0x8086, multifunction=True),
         Function("G1", "00:03.1", ROOT_ENDPOINT), Function("G2", "00:03.2", ENDPOINT, vendor=0x8086)],
        "{G1,G2}", "{G1,G2}", "{G0,G1,G2}",
    ),
    # a port cannot be below one of its own kind, so these are of the other (set_pcie_port_type())
    "upstream port that calls itself downstream": (
        [rp("ACS", last=4), Function("USP", "01:00.0", DOWNSTREAM, buses=(2, 4)), *switch("ACS", "none")[2:]],
        "{B,D2}", "{A,B,D1,D2}", "{A,B,D1,D2}",
    ),
    "downstream port that calls itself upstream": (
        [*switch("ACS", "ACS")[:2], Function("D1", "02:00.0", UPSTREAM, "ACS", buses=(3, 3)), *switch("ACS", "ACS")[3:]],
        "", "", "",
    ),
    # two segments with the same numbers
    "domains": (
        [rp("none"), Function("A", "01:00.0"), rp("ACS", "RP2", "0001:00:01.0"), Function("B", "0001:01:00.0")],
        "{A,RP}", "{A,RP}", "{A,RP}",
    ),
    "domains with one bus each": (
        [Function("X", "00:03.0", CONVENTIONAL, multifunction=True),
         Function("Y", "0001:00:03.0", CONVENTIONAL, multifunction=True)],
        "", "", "",
    ),
    # What is not the same under all policies since services are told apart
    "S01": (switch("-UF", "ACS"), "{A,D1}", "{A,D1}", "{A,D1}"),
    "S01 with SV": (switch("-SV", "ACS"), "{A,D1}", "{A,D1}", "{A,D1}"),
    "S02": (switch("-RR", "ACS"), "{A,D1}", "{A,B,D1,D2}", "{A,B,D1,D2}"),
    "S02 with CR": (switch("-CR", "ACS"), "{A,D1}", "{A,B,D1,D2}", "{A,B,D1,D2}"),
    "S03": (switch("EC on", "ACS"), "", "{A,B,D1,D2}", "{A,B,D1,D2}"),
    "S03 with DT": (switch("DT on", "ACS"), "", "{A,B,D1,D2}", "{A,B,D1,D2}"),
    "S03 with DT and TB": (switch("DT and TB on", "ACS"), "", "", ""),
    "S03 with EC that is off": (switch("EC off", "ACS"), "", "", ""),
    "S03 with TB that is off": (switch("TB off", "ACS"), "", "", ""),
    "S04": (
        [rp("-SV", "RP0", "00:01.0", 1, multifunction=True), rp("ACS", "RP1", "00:01.1", 2), rp("ACS", "RP2", "00:01.2", 3),
         Function("A", "01:00.0"), Function("B", "02:00.0"), Function("C", "03:00.0")],
        "{A,RP0}", "{A,RP0}", "{A,RP0}",
    ),
    # of two that lack SV only, 6.12 makes one group: RULES.md, section 4
    "S04 twice": (two_ports("-SV", "-SV"), "{A,B,RP0,RP1}", "{A,RP0} {B,RP1}", "{A,RP0} {B,RP1}"),
    "S04 beside a port without ACS": (two_ports("-SV", "none"), "{A,B,RP0,RP1}", "{A,RP0} {B,RP1}", "{A,B,RP0,RP1}"),
    "S05": (
        [Function(f"F{i}", f"00:18.{i}", CONVENTIONAL, multifunction=True, bar=False, master=False, decodes=False,
                  class_name="Host bridge") for i in range(8)],
        "{F0,F1,F2,F3,F4,F5,F6,F7}", "{F0,F1,F2,F3,F4,F5,F6,F7}", "{F0,F1,F2,F3,F4,F5,F6,F7}",
    ),
    "S07": (virtual_functions("off"), "", "{PF,VF1,VF2}", "{PF,VF1,VF2}"),
    "S08": (virtual_functions("empty"), "", "", ""),
    "S08 with ACS": (virtual_functions("ACS"), "", "", ""),
    "S11": (
        [rp("ACS"), Function("PF0", "01:00.0", acs="off", virtual_functions=(1, 2, 1), multifunction=True),
         Function("PF1", "01:00.1", acs="empty", virtual_functions=(1, 2, 1)), Function("V0", "01:00.2", virtual=True),
         Function("V1", "01:00.3", virtual=True)],
        "", "{PF0,PF1,V0,V1}", "{PF0,PF1,V0,V1}",
    ),
    # a virtual function with a capability of its own that is off
    "S11 by a virtual function": (
        [rp("ACS"), Function("PF", "01:00.0", acs="ACS", virtual_functions=(2, 1, 1)), Function("VF1", "01:00.1", acs="off", virtual=True),
         Function("VF2", "01:00.2", virtual=True)],
        "", "{PF,VF1,VF2}", "{PF,VF1,VF2}",
    ),
    "S09": ([Function("D", "00:01.0", DOWNSTREAM, buses=(1, 1)), Function("A", "01:00.0")], "{A,D}", "{A,D}", "{A,D}"),
    "S09 of a device": (
        [Function("D", "00:01.0", DOWNSTREAM, "-UF", buses=(1, 1), multifunction=True),
         Function("D2", "00:01.1", DOWNSTREAM, "ACS", buses=(2, 2)), Function("A", "01:00.0"), Function("B", "02:00.0")],
        "{A,D}", "{A,D}", "{A,D}",
    ),
    "S10": (
        [Function("USP", "00:01.0", UPSTREAM, buses=(1, 3)),
         rp("none", "P0", "01:00.0", 2, vendor=0x0014, device=0x3C09), rp("none", "P1", "01:01.0", 3, vendor=0x0014, device=0x3C09),
         Function("A", "02:00.0")],
        "", "", "",
    ),
    "S10 without a quirk": (
        [Function("USP", "00:01.0", UPSTREAM, buses=(1, 3)), rp("none", "P0", "01:00.0", 2), rp("none", "P1", "01:01.0", 3),
         Function("A", "02:00.0")],
        "{A,P0}", "{A,P0,P1}", "{A,P0,P1}",
    ),
    # by R2b: an endpoint on the internal bus that its own ACS isolates
    "endpoint with ACS in a switch": (
        [*switch("ACS", "ACS"), Function("E", "02:02.0", acs="ACS", multifunction=True)], "", "", "",
    ),
    # by R2d: what is not there has no say, and one of an endpoint whose SV is off neither
    "SV of an endpoint": (two("-SV", "ACS"), "", "", ""),
    "EC of an endpoint": (two("EC on", "ACS"), "", "{F0,F1}", "{F0,F1}"),
}
# what only the header type shows, which is not in the text of -vvv
NOT_IN_TEXT = {"multifunction upstream port"}
POLICIES = ("compat", "safe", "strict")


def expected_sets(name, policy):
    return sets(EXAMPLES[name][1 + POLICIES.index(policy)])


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("how", [verbose, hexdump, both], ids=lambda how: how.__name__)
def test_sets(how, policy):
    for name, (functions, *_) in EXAMPLES.items():
        if how is verbose and name in NOT_IN_TEXT:
            continue
        assert sets_of(functions, dump(functions, how), policy) == expected_sets(name, policy), name


def test_default_is_safe():
    for name, (functions, *_) in EXAMPLES.items():
        assert sets_of(functions, dump(functions, both), None) == expected_sets(name, "safe"), name


def test_old_words_for_policies():
    for word in ("default", "lax", ""):
        done = run("--dump", "-", "--policy", word, text=dump(EXAMPLES["E01"][0]))
        assert done.returncode == TROUBLE and "must be compat, safe or strict" in done.stderr


def test_every_pair_is_decided_by_hex_dumps():
    for name, (functions, _, default, _) in EXAMPLES.items():
        if len(functions) > 5:
            continue
        text = dump(functions, both)
        for i, a in enumerate(functions):
            for b in functions[i + 1 :]:
                together = any({a.name, b.name} <= group for group in sets(default))
                assert verdict(a, b, text) == ("together" if together else "apart"), (name, a, b)


def partition(functions, words):
    """Gives group numbers: those in a set of `words' one, each other function its own."""
    groups = [set(group) for group in sets(words)]
    groups += [{fn.name} for fn in functions if not any(fn.name in group for group in groups)]
    groups.sort(key=lambda group: min(fn.full_address for fn in functions if fn.name in group))
    for fn in functions:
        fn.group = next(number for number, group in enumerate(groups) if fn.name in group)
    return functions


def grouped(name, words=None):
    functions, _, default, _ = EXAMPLES[name]
    copies = [Function(**vars(fn)) for fn in functions]
    return partition(copies, default if words is None else words)


def test_verify_agrees():
    for name in EXAMPLES:
        done = run("--verify", "--dump", "-", text=dump(grouped(name), both))
        assert done.returncode == AGREE, (name, done.stdout)
        assert "policy safe: the kernel's groups agree" in done.stdout


# What Linux 6.12 makes of it
def test_verify_finds_the_unsafe_switch():
    done = run("--verify", "--dump", "-", text=dump(grouped("E05", "{A,D1} {B,D2}"), both))
    assert done.returncode == DIFFER
    assert "unsafe: 0000:02:00.0 (group 2) and 0000:02:01.0 (group 3) must be in one group" in done.stdout
    assert "downstream port 0000:02:00.0 has no ACS capability" in done.stdout
    assert "policy safe: the kernel's groups differ: 1 unsafe, 0 larger than needed" in done.stdout
    assert "policy strict: the kernel's groups differ: 1 unsafe, 0 larger than needed" in done.stdout


def test_verify_finds_the_unsafe_switch_in_plain_text():
    done = run("--verify", "--dump", "-", text=dump(grouped("E05", "{A,D1} {B,D2}")))
    assert done.returncode == DIFFER
    assert "unsafe: 0000:02:00.0 (group 2) and 0000:02:01.0 (group 3) must be in one group" in done.stdout


def test_verify_finds_a_larger_group():
    done = run("--verify", "--dump", "-", text=dump(grouped("E01", "{A,RP}"), both))
    assert done.returncode == DIFFER
    assert "larger than needed: group 0 holds 0000:00:01.0 and 0000:01:00.0" in done.stdout


def test_verify_says_which_policy():
    text = dump(grouped("E11", "{F0,F1}"), both)
    done = run("--verify", "--dump", "-", text=text)
    assert done.returncode == AGREE
    assert "policy safe: the kernel's groups differ: 0 unsafe, 1 larger than needed" in done.stdout
    assert "policy strict: the kernel's groups agree\n" in done.stdout
    assert run("--verify", "--policy", "safe", "--dump", "-", text=text).returncode == DIFFER
    assert run("--verify", "--policy", "strict", "--dump", "-", text=text).returncode == AGREE


def test_functions_without_a_group_are_no_difference_and_join_others():
    functions = grouped("E05", "{A,B,D1,D2}")
    for fn in functions:
        if fn.name in ("D1", "RP"):
            fn.group = None
    assert run("--verify", "--dump", "-", text=dump(functions, both)).returncode == AGREE
    functions = grouped("E05", "{A} {B}")
    for fn in functions:
        if fn.name not in ("A", "B"):
            fn.group = None
    done = run("--verify", "--dump", "-", text=dump(functions, both))
    assert done.returncode == DIFFER
    assert "unsafe: 0000:03:00.0" in done.stdout


def test_verify_json():
    done = run("--verify", "--json", "--dump", "-", text=dump(grouped("E05", "{A,D1} {B,D2}"), both))
    assert done.returncode == DIFFER
    default, compat, strict = json.loads(done.stdout)["verdicts"]
    assert compat["policy"] == "compat" and compat["agrees"]
    assert default["policy"] == "safe" and not default["agrees"] and default["decided"]
    assert default["unsafe"] == [[{"address": "0000:02:00.0", "group": 2}, {"address": "0000:02:01.0", "group": 3}]]
    assert default["larger"] == [] and default["unknown"] == []
    assert not strict["agrees"]


# What is not known


def test_hidden_capabilities_are_unknown():
    functions = grouped("E05", "{A,D1} {B,D2}")
    for fn in functions:
        fn.hidden = True
    text = dump(functions)
    done = run("--verify", "--dump", "-", text=text)
    assert done.returncode == UNDECIDED
    assert "its capabilities could not be read, lspci must be run as root" in done.stdout
    assert "warning" in done.stderr
    assert verdict(functions[4], functions[5], text) == "unknown"


def test_text_does_not_say_multifunction():
    """An upstream port alone may say that it is multifunction; then what is below belongs to it."""
    functions = grouped("E04")
    text = dump(functions)
    done = run("--verify", "--dump", "-", text=text)
    assert done.returncode == AGREE
    assert "either way right: whether 0000:01:00.0 (group 1)" in done.stdout
    assert "0000:01:00.0: whether it calls itself multifunction is not told" in done.stdout
    assert verdict(functions[1], functions[4], text) == "unknown"
    assert verdict(functions[0], functions[1], text) == "apart"


@pytest.mark.parametrize("groups, status", [
    ("{USP,D1,D2,A,B}", AGREE),
    # right in neither case
    ("{USP,D1}", UNDECIDED),
    ("{A,D1}", UNDECIDED),
])
def test_multifunction_is_all_or_nothing(groups, status):
    text = dump(grouped("E04", groups))
    assert run("--verify", "--dump", "-", text=text).returncode == status


def test_a_part_of_configuration_space_is_not_enough():
    functions = EXAMPLES["E05"][0]
    for size, expected in ((64, "unknown"), (256, "unknown"), (4096, "together")):
        text = dump(functions, lambda fn, size=size: hexdump(fn, size))
        assert verdict(functions[4], functions[5], text) == expected, size


def test_plain_list_tells_nothing():
    text = "00:01.0 PCI bridge: Example\n01:00.0 Ethernet controller: Example\n01:00.1 Ethernet controller: Example\n"
    done = run("--dump", "-", "--json", "--why", "01:00.0", "01:00.1", text=text)
    assert json.loads(done.stdout)["verdict"] == "unknown"


def test_bridge_that_is_not_in_the_text():
    functions = EXAMPLES["E01"][0] + [Function("Z", "07:00.0")]
    text = dump(functions, both)
    assert verdict(functions[1], functions[2], text) == "unknown"
    assert verdict(functions[0], functions[1], text) == "apart"


def dummies(acs="ACS"):
    """F0, which may be a dummy, F1"""
    return [
        Function("F0", "00:18.0", CONVENTIONAL, multifunction=True, bar=False, master=False, decodes=False, class_name="Host bridge"),
        Function("F1", "00:18.1", ROOT_ENDPOINT, acs, multifunction=True),
    ]


@pytest.mark.parametrize("how", [verbose, both])
def test_dummy_host_bridge_is_unknown(how):
    """No BAR, decoding and bus mastering off: a dummy opens nothing, but it may only be switched off."""
    functions = dummies()
    assert verdict(*functions, dump(functions, how), "compat") == "apart"
    assert verdict(*functions, dump(functions, how)) == "apart"
    assert verdict(*functions, dump(functions, how), "strict") == "unknown"
    for fact in ("bar", "master", "decodes"):
        functions = dummies()
        setattr(functions[0], fact, True)
        assert verdict(*functions, dump(functions, how), "strict") == "together", fact
    # It is joined with those that lack the capability as it does
    functions = dummies("none")
    assert verdict(*functions, dump(functions, how)) == "together"


def test_acs_that_v_does_not_print():
    functions = EXAMPLES["E10"][0]
    text = dump(two("off", "ACS"))
    short = "\n".join(line for line in text.split("\n") if "ACSC" not in line)
    assert verdict(functions[1], functions[2], short) == "unknown"


def test_number_of_virtual_functions_is_unknown():
    """What comes after the physical function may be virtual, and then takes no part."""
    functions = EXAMPLES["E20"][0]
    text = dump(functions)
    assert verdict(functions[1], functions[2], text) == "apart"
    registers = ("IOVCap", "IOVCtl", "IOVSta", "Number of VFs", "VF offset")
    short = "\n".join(line for line in text.split("\n") if not any(word in line for word in registers))
    assert verdict(functions[1], functions[2], short) == "unknown"


def test_vmd_domain_is_unknown():
    functions = [
        Function("VMD", "0000:00:0e.0", ROOT_ENDPOINT),
        Function("RP", "10000:e0:06.0", ROOT_PORT, "ACS", buses=(0xE1, 0xE1)),
        Function("SSD", "10000:e1:00.0"),
    ]
    text = dump(functions, both)
    assert verdict(functions[1], functions[2], text) == "unknown"
    assert verdict(functions[0], functions[2], text) == "unknown"


# What people paste


PASTED = {
    "as it is": lambda text: text,
    "crlf": lambda text: text.replace("\n", "\r\n"),
    "fence": lambda text: "Here is my machine:\n\n```text\n" + text + "```\nThanks!\n",
    "quoted": lambda text: "".join(f"> {line}\n" for line in text.split("\n")[:-1]),
    "quoted twice": lambda text: "".join(f">> {line}\n" for line in text.split("\n")[:-1]),
    "indented": lambda text: "".join(f"    {line}\n" for line in text.split("\n")[:-1]),
    "tabs lost": lambda text: text.replace("\t", "        "),
    "indentation lost": lambda text: "".join(line.lstrip() + "\n" for line in text.split("\n")[:-1]),
    "no empty lines": lambda text: text.replace("\n\n", "\n"),
    "double spaced": lambda text: text.replace("\n", "\n\n"),
    "no last line end": lambda text: text.rstrip("\n"),
    "domains": lambda text: "".join(
        ("0000:" if line[:1].isdigit() and line[2:3] == ":" and line[5:6] == "." else "") + line + "\n"
        for line in text.split("\n")[:-1]
    ),
    "upper case": lambda text: "".join(
        (line[:7].upper() + line[7:] if line[2:3] == ":" and line[5:6] == "." else line) + "\n"
        for line in text.split("\n")[:-1]
    ),
    "old words": lambda text: text.replace("PCI-Express to PCI/PCI-X Bridge", "PCI/PCI-X Bridge").replace("[148 v1]", "[148]"),
    "new words": lambda text: text.replace(", MSI 00", ", IntMsgNum 0"),
    "byte order mark": lambda text: "\ufeff" + text,
    "no-break spaces": lambda text: "".join(f"\u00a0\u00a0{line}\n" for line in text.split("\n")[:-1]),
}


@pytest.mark.parametrize("paste", PASTED)
def test_pasted(paste):
    for name in ("E05", "E17", "E25", "E34", "cascade"):
        functions, _, default, _ = EXAMPLES[name]
        for how in (verbose, hexdump, both):
            assert sets_of(functions, PASTED[paste](dump(functions, how))) == sets(default), (name, how)


def test_flags_line_of_v():
    """lspci -v has the group and bus mastering on one line, and no version of Express."""
    text = (HERE / "dumps" / "v.txt").read_text()
    done = run("--dump", "-", "--json", text=text)
    groups = {group["group"]: [device["address"] for device in group["devices"]] for group in json.loads(done.stdout)["groups"]}
    assert groups == {1: ["0000:00:01.0", "0000:01:00.0", "0000:01:00.1"], 2: ["0000:00:1f.0"]}


def test_cut_off_anywhere():
    """What is cut off is never taken for missing: no verdict changes from the whole text's but to unknown."""
    functions = grouped("E06", "{B,D2}")
    for how in (verbose, both):
        text = dump(functions, how)
        step = 37 if how is verbose else 1571
        for end in range(len(dump(functions[:2], how)), len(text), step):
            done = run("--verify", "--dump", "-", text=text[:end])
            assert done.returncode in (DIFFER, UNDECIDED, AGREE)
            if done.returncode == DIFFER:
                assert "larger" not in done.stdout.replace("0 larger", "")
            if done.returncode == AGREE:
                # with the second port not there, nothing is wrong
                assert "02:01.0" not in text[:end] or how is both


def test_what_is_cut_off_is_not_taken_for_missing():
    """The last function has no capabilities because the text ends before them."""
    functions = EXAMPLES["E10"][0]
    text = dump(functions)
    assert verdict(functions[1], functions[2], text) == "together"
    cut = text[: text.rindex("\tCapabilities: [40]")]
    assert verdict(functions[1], functions[2], cut) == "unknown"
    assert verdict(functions[1], functions[2], cut + "\n") == "together"


def test_cut_off_group_number_is_not_half_a_number():
    text = dump([rp("ACS", group=12), Function("A", "01:00.0", group=13)])
    cut = text[:text.rindex("IOMMU group: 13") + len("IOMMU group: 1")]
    done = run("--dump", "-", "--json", text=cut)
    groups = {group["group"] for group in json.loads(done.stdout)["groups"]}
    assert groups == {12, None}


def test_vvv_and_then_xxxx():
    functions, _, default, _ = EXAMPLES["E09"]
    text = dump(functions) + "and the other one:\n\n" + dump(functions, hexdump)
    assert sets_of(functions, text) == sets(default)


# What is wrong


MALFORMED = [
    ("", "there is no PCI function in the 0 lines"),
    ("hello\nworld\n", "there is no PCI function in the 2 lines"),
    ("00:00.0 x\n00: 00 11 zz\n10: 00\n", "line 2: "),
    ("00:00.0 x\n00: 00 11\n10: 00\n", "line 2: a line of a hex dump must have 16 bytes"),
    ("00:00.0 x\n01: " + "00 " * 15 + "00\n", "line 2: the offset"),
    ("00:00.0 x\n1000: " + "00 " * 15 + "00\n", "line 2: the offset"),
    ("00:00.0 x\n00: " + "00 " * 15 + "00\n" + "00: " + "00 " * 15 + "00\n", "line 3: "),
    ("00:00.0 x\n00: " + "00 " * 16 + "00\n\n", "line 2: "),
    ("00:00.0 x\n\tIOMMU group: many\n\n", "line 2: the number of an IOMMU group"),
    ("00:00.0 x\n\tIOMMU group: 99999999999999999999\n\n", "line 2: the number of an IOMMU group"),
    ("00:00.0 x\n\tIOMMU group: 1\n\tIOMMU group: 2\n\n", "line 3: a function is in two IOMMU groups"),
    ("00:00.0 x\n\tBus: primary=00, secondary=1, subordinate=01\n\n", "line 2: a bus number"),
    ("00:00.0 x\n\tBus: primary=00, secondary=100, subordinate=01\n\n", "line 2: a bus number"),
    ("00:00.0 x\n\tBus: primary=00\n\n", "line 2: a bridge must have"),
    ("02:00.0 x\n\tBus: primary=02, secondary=01, subordinate=01\n\n", "line 1: bridge 0000:02:00.0 has bus numbers"),
    ("00:00.0 x\n\tBus: primary=00, secondary=01, subordinate=01\n\n00:01.0 x\n\tBus: primary=00, secondary=01, subordinate=01\n\n",
     "line 4: bridge 0000:00:01.0 has the same bus below it"),
    ("00:00.0 x\n\tIOMMU group: 1\n\n00:00.0 x\n\tIOMMU group: 2\n\n", "line 4: function 0000:00:00.0 is there a second time"),
    ("00:00.0 x\n\tName\0\n", "line 2: there is a zero byte"),
    ("00:00.0 " + "x" * 100000, "line 1: it is too long"),
    ("00:00.0 x\n\tCapabilities: [160 v1] Single Root I/O Virtualization (SR-IOV)\n\t\tNumber of VFs: 70000,\n\n", "line 3: numbers of virtual"),
]


def test_malformed():
    for text, message in MALFORMED:
        done = run("--dump", "-", text=text)
        assert done.returncode == TROUBLE, message
        assert message in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_too_many_functions():
    text = "".join(f"{i >> 16:04x}:{i >> 8 & 0xff:02x}:{i >> 3 & 0x1f:02x}.{i & 7} Host bridge: x\n" for i in range(20000))
    done = run("--dump", "-", text=text)
    assert done.returncode == TROUBLE
    assert "line 16385: there are more functions than a machine has" in done.stderr


def test_as_many_functions_as_allowed():
    """16384 functions with all their bytes, in the time and memory of a person."""
    functions = [Function(f"F{i}", f"{i >> 8:02x}:{i >> 3 & 0x1f:02x}.{i & 7}", CONVENTIONAL, group=i) for i in range(16384)]
    done = run("--verify", "--dump", "-", text=dump(functions))
    assert done.returncode == DIFFER


def test_escape_sequences_do_not_reach_the_terminal():
    text = "00:00.0 Host bridge: \x1b[2Jevil\x9b\xff \u00e9\x07\n\tKernel driver in use: \x1b]0;x\x07\n"
    for arguments in ([], ["--json"]):
        done = run("--dump", "-", *arguments, text=text)
        assert "\x1b" not in done.stdout and "\x9b" not in done.stdout and "\x07" not in done.stdout
        assert "\u00e9" in done.stdout
        if arguments:
            json.loads(done.stdout)


WRONG_USE = [
    (["--frob"], "unrecognized option"),
    (["--why", "00:01.0"], "--why needs the addresses of two functions"),
    (["--why", "--verify"], "--why, --verify and --dot"),
    (["--policy", "loose"], "the policy is 'loose', it must be compat, safe or strict"),
    (["--verify", "3"], "--verify takes no group or device"),
    (["--dump", "/nonexistent"], "cannot open /nonexistent: No such file or directory"),
    (["1", "2"], "there must be one group or device at most"),
]


def test_usage():
    for arguments, message in WRONG_USE:
        done = run(*arguments)
        assert done.returncode == TROUBLE, arguments
        assert message in done.stderr


def test_arguments_with_a_text():
    text = dump(grouped("E05"), both)
    assert "there is no IOMMU group 77" in run("--dump", "-", "77", text=text).stderr
    assert "there is no PCI function 0000:77:00.0 in the text" in run("--dump", "-", "77:00.0", text=text).stderr
    assert "must be the number of a group, or the address" in run("--dump", "-", "foo", text=text).stderr
    one = run("--dump", "-", "2", text=text).stdout
    assert one == run("--dump", "-", "03:00.0", text=text).stdout
    assert one.startswith("group 2  switch (computed), anchor 0000:02:00.0")


def test_help():
    done = run("--help")
    assert done.returncode == 0 and done.stdout.startswith("Usage: iommu-groups")


# Reasons


# Of each function, whatever its group: what the kernel says of the same, seen in guests and
# derived from Documentation/ABI/testing/sysfs-kernel-iommu_groups.
REASONS = [
    ("E01", "safe", {"RP": "isolated", "A": "single-function"}),
    ("E02", "safe", {"RP": "root-port", "A": "root-port"}),
    ("E05", "safe", {"RP": "isolated", "USP": "single-function", "D1": "switch", "A": "switch"}),
    ("E04", "safe", {"D1": "isolated", "D2": "isolated", "A": "single-function"}),
    ("E09", "safe", {"RP": "root-port", "B": "root-port"}),
    ("E10", "safe", {"F0": "multifunction", "F1": "multifunction"}),
    ("E11", "safe", {"F0": "assumed", "F1": "isolated"}),
    ("E11", "strict", {"F0": "multifunction", "F1": "multifunction"}),
    ("E12", "safe", {"F0": "isolated", "F1": "isolated"}),
    # one open function in the device is a root port as others, two are a device that is open
    ("E13", "safe", {"RP0": "root-port", "A": "root-port", "RP1": "isolated", "B": "single-function"}),
    ("E13", "strict", {"RP0": "multifunction", "A": "multifunction", "RP1": "multifunction"}),
    ("H13", "safe", {"RP0": "multifunction", "B": "multifunction"}),
    ("E14", "safe", {"F0": "assumed", "RP": "isolated"}),
    ("E17", "safe", {"PB": "conventional-bus", "Y": "conventional-bus"}),
    ("E18", "safe", {"B": "conventional-bus"}),
    ("E20", "safe", {"PF": "assumed", "VF1": "assumed"}),
    ("E20", "strict", {"PF": "multifunction", "VF1": "multifunction"}),
    ("S08", "safe", {"PF": "isolated", "VF1": "isolated"}),
    ("S01", "safe", {"D1": "switch", "A": "switch", "D2": "isolated"}),
    ("S09", "safe", {"D": "root-port", "A": "root-port"}),
    ("E25", "safe", {"USP": "multifunction", "D1": "multifunction", "A": "multifunction"}),
    ("E30", "safe", {"RP": "root-port", "F0": "root-port"}),
    ("E32", "safe", {"X": "single-function"}),
    ("E34", "safe", {"LPC": "multifunction"}),
    ("endpoints in a switch", "safe", {"A": "switch", "USP": "single-function"}),
    ("cascade", "safe", {"B": "switch", "USP": "single-function"}),
    ("nested conventional bridges", "safe", {"Y": "conventional-bus"}),
    ("functions above 7", "safe", {"F0": "isolated", "F8": "multifunction"}),
    ("multifunction upstream port", "safe", {"USP": "multifunction", "A": "multifunction"}),
    ("port with nothing below", "safe", {"RP": "root-port"}),
    ("switch with nothing below", "safe", {"D": "switch"}),
    ("bridge with nothing behind", "safe", {"PB": "conventional-bus"}),
    ("endpoint that says there are more", "safe", {"F": "assumed"}),
    ("conventional bridge of an open device", "safe", {"B": "conventional-bus", "F": "conventional-bus"}),
    ("conventional bridge below an open port", "safe", {"PB": "root-port", "X": "root-port"}),
    ("virtual functions beside an open function", "safe", {"VF": "assumed", "F0": "multifunction"}),
]
ALONE = {
    "port with nothing below": [rp("none")],
    "switch with nothing below": [
        rp("ACS", last=3), Function("USP", "01:00.0", UPSTREAM, buses=(2, 3)),
        Function("D", "02:00.0", DOWNSTREAM, buses=(3, 3)),
    ],
    "bridge with nothing behind": [rp("ACS", last=2), Function("PB", "01:00.0", TO_PCI, buses=(2, 2))],
    "endpoint that says there are more": [rp("ACS"), Function("F", "01:00.0", multifunction=True)],
    "conventional bridge of an open device": [
        Function("B", "00:05.0", CONVENTIONAL, buses=(1, 1), multifunction=True), Function("F", "00:05.1", CONVENTIONAL),
        Function("X", "01:00.0", CONVENTIONAL),
    ],
    "conventional bridge below an open port": [
        rp("none", last=2), Function("PB", "01:00.0", TO_PCI, buses=(2, 2)), Function("X", "02:00.0", CONVENTIONAL),
    ],
    "virtual functions beside an open function": [
        rp("ACS"), Function("F0", "01:00.0", virtual_functions=(1, 2, 1), multifunction=True), Function("F1", "01:00.1"),
        Function("VF", "01:00.2", virtual=True),
    ],
}


def functions_of(name):
    return ALONE[name] if name in ALONE else EXAMPLES[name][0]


def reasons_of(functions, text, policy):
    done = run("--dump", "-", "--json", *(("--policy", policy) if policy else ()), text=text)
    names = {fn.full_address: fn.name for fn in functions}
    return {
        names[device["address"]]: (group["reason"], names.get(group["anchor"]))
        for group in json.loads(done.stdout)["groups"]
        for device in group["devices"]
    }


def test_reasons():
    for name, policy, expected in REASONS:
        functions = functions_of(name)
        found = reasons_of(functions, dump(functions, both), policy)
        assert {name: found[name][0] for name in expected} == expected, (name, policy)


def test_anchors():
    for name, expected in {"E05": {"A": "D1", "D2": "D1", "USP": "USP"}, "E25": {"A": "USP"}, "E01": {"A": "A"}}.items():
        functions = EXAMPLES[name][0]
        found = reasons_of(functions, dump(functions, both), "safe")
        assert {name: found[name][1] for name in expected} == expected, name


def test_a_reason_that_is_not_known():
    """Of one of two functions it is not known whether it has ACS."""
    functions = two("none", "ACS")
    functions[1].hidden = True
    found = reasons_of(functions, dump(functions), "safe")
    assert [found[name][0] for name in ("RP", "F0", "F1")] == ["isolated", "unknown", "unknown"]
    # ... or whether that of the port above it is switched on
    functions = EXAMPLES["E01"][0]
    text = verbose(functions[0]).replace("ACSCtl", "ACS and more") + "\n" + both(functions[1])
    assert reasons_of(functions, text, "safe")["A"][0] == "unknown"


# This machine, or one that looks like it


def path_of(fn, functions, made_by):
    """Below /sys/devices, over the bridges above it, as the kernel makes it."""
    if fn.virtual:
        below = next(f for f in functions if f.virtual_functions)
    else:
        below = fn
    domain, bus, _ = below.full_address.split(":")
    above = [f for f in functions if f.buses and f.buses[0] == int(bus, 16) and f.full_address.split(":")[0] == domain]
    if above:
        return path_of(above[0], functions, made_by) / fn.full_address
    maker = [f for f in functions if f.name == made_by.get(domain)]
    root = path_of(maker[0], functions, made_by) if maker else Path(".")
    return root / f"pci{domain}:{bus}" / fn.full_address


def sysfs(root, functions, reasons=None, cmdline="quiet", made_by=None):
    """`made_by': domain -> who made its root bus."""
    (root / "proc").mkdir(parents=True)
    (root / "proc/cmdline").write_text(cmdline + "\n")
    devices = root / "sys/bus/pci/devices"
    devices.mkdir(parents=True)
    groups = root / "sys/kernel/iommu_groups"
    groups.mkdir(parents=True)
    for fn in functions:
        device = root / "sys/devices" / path_of(fn, functions, made_by or {})
        device.mkdir(parents=True, exist_ok=True)
        (devices / fn.full_address).symlink_to(device)
        (device / "config").write_bytes(configuration(fn))
        (device / "vendor").write_text(f"0x{fn.vendor:04x}\n")
        (device / "device").write_text(f"0x{fn.device or 0x5678:04x}\n")
        (device / "class").write_text("0x060400\n" if fn.buses else "0x020000\n")
        (device / "irq").write_text("0\n")
        empty = "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
        bar = "0x00000000fe000000 0x00000000fe003fff 0x0000000000040200\n"
        (device / "resource").write_text((bar if fn.bar else empty) + empty * 12)
        if fn.group is not None:
            members = groups / str(fn.group) / "devices"
            members.mkdir(parents=True, exist_ok=True)
            (members / fn.full_address).symlink_to(device)
            (device / "iommu_group").symlink_to(groups / str(fn.group))
        if fn.virtual:
            (device / "physfn").symlink_to(devices / next(f.full_address for f in functions if f.virtual_functions))
    for group, (reason, anchor) in (reasons or {}).items():
        (groups / str(group) / "reason").write_text(reason + "\n")
        if anchor:
            (groups / str(group) / "anchor").symlink_to(devices / anchor)


def test_machine_agrees(tmp_path):
    for name in EXAMPLES:
        sysfs(tmp_path / name, grouped(name))
        done = run("--sysroot", str(tmp_path / name), "--verify")
        assert done.returncode == AGREE, (name, done.stdout + done.stderr)


def test_machine_with_policy_strict(tmp_path):
    sysfs(tmp_path, grouped("E11", "{F0,F1}"), cmdline="iommu.group_acs=safe quiet iommu.group_acs=strict")
    done = run("--sysroot", str(tmp_path), "--verify")
    assert done.returncode == AGREE
    for number, words in enumerate(["quiet", "iommu.group_acs=strict iommu.group_acs=safe", "iommu.group_acs=lax"]):
        sysfs(tmp_path / str(number), grouped("E11", "{F0,F1}"), cmdline=words)
        assert run("--sysroot", str(tmp_path / str(number)), "--verify").returncode == DIFFER, words


def test_machine_shows_what_the_kernel_says(tmp_path):
    functions = grouped("E05")
    sysfs(tmp_path, functions, {2: ("switch", "0000:02:01.0")})
    (tmp_path / "sys/kernel/iommu_groups/9/devices").mkdir(parents=True)
    (tmp_path / "sys/kernel/iommu_groups/9/devices/PNP0103:00").symlink_to("/nowhere")
    out = run("--sysroot", str(tmp_path)).stdout
    assert "group 2  switch, anchor 0000:02:01.0: ports of a switch, one without ACS" in out
    assert "group 0  isolated (computed), anchor 0000:00:01.0: " in out
    assert "group 9  unknown (computed)" in out and "  PNP0103:00\n" in out
    parsed = json.loads(run("--sysroot", str(tmp_path), "--json").stdout)
    assert [group["group"] for group in parsed["groups"]] == [0, 1, 2, 9]
    assert [group["reason_from"] for group in parsed["groups"]] == ["tool", "tool", "kernel", "tool"]
    assert [group["anchor"] for group in parsed["groups"]] == ["0000:00:01.0", "0000:01:00.0", "0000:02:01.0", None]


def test_machine_whose_anchor_is_gone(tmp_path):
    """The kernel tells why and not where: then nobody else does."""
    sysfs(tmp_path, grouped("E05"), {2: ("switch", None)})
    assert "group 2  switch: ports of a switch" in run("--sysroot", str(tmp_path)).stdout


def verdict_of_reasons(tmp_path, name, reasons, **more):
    sysfs(tmp_path, grouped(name), reasons, **more)
    done = run("--sysroot", str(tmp_path), "--verify")
    verdicts = json.loads(run("--sysroot", str(tmp_path), "--verify", "--json").stdout)["verdicts"]
    return done, verdicts[0]["reasons"]


def test_reasons_that_agree(tmp_path):
    reasons = {0: ("isolated", None), 1: ("single-function", None), 2: ("switch", None)}
    done, differ = verdict_of_reasons(tmp_path, "E05", reasons)
    assert done.returncode == AGREE and differ == [] and "another reason" not in done.stdout


def test_reason_that_differs(tmp_path):
    done, differ = verdict_of_reasons(tmp_path, "E05", {0: ("isolated", None), 2: ("multifunction", None)})
    assert done.returncode == DIFFER
    assert differ == [{"group": 2, "kernel": "multifunction", "computed": ["switch"]}]
    assert (
        'another reason: the kernel says "multifunction" of group 2, '
        'configuration space says of 0000:02:00.0 "switch"\n'
    ) in done.stdout
    assert "policy safe: the kernel's groups differ: 0 unsafe, 0 larger than needed, 1 for another reason\n" in done.stdout
    assert "Another version of the kernel may have more quirks" in done.stdout


def test_reason_of_a_group_that_is_wrong_is_not_compared(tmp_path):
    sysfs(tmp_path, grouped("E01", "{A,RP}"), {0: ("root-port", None)})
    verdicts = json.loads(run("--sysroot", str(tmp_path), "--verify", "--json").stdout)["verdicts"]
    assert len(verdicts[0]["larger"]) == 1 and verdicts[0]["reasons"] == []


def test_reasons_that_only_the_kernel_knows_are_no_difference(tmp_path):
    words = ["firmware", "requester-id", "driver", "device", "container", "iommu", "a-word-of-the-future"]
    for word in words:
        done, differ = verdict_of_reasons(tmp_path / word, "E05", {2: (word, None)})
        assert done.returncode == AGREE and differ == [], word


def test_a_reason_that_one_cannot_know_is_no_difference(tmp_path):
    """Whether F0 is a dummy is not known, and so whether F1 is alone."""
    for word, status in (("isolated", AGREE), ("assumed", AGREE), ("multifunction", AGREE), ("switch", DIFFER)):
        sysfs(tmp_path / word, partition(dummies(), ""), {0: (word, None)})
        done = run("--sysroot", str(tmp_path / word), "--policy", "strict", "--verify")
        assert done.returncode == status, (word, done.stdout)
        if status == DIFFER:
            assert '"isolated" or "assumed" or "multifunction"' in done.stdout or '"assumed"' in done.stdout


def test_bridges_with_the_same_number_below(tmp_path):
    """A bridge that got no bus keeps the number that it had; the kernel knows what is below which."""
    functions = grouped("E01")
    sysfs(tmp_path, [*functions, rp("none", "RP2", "00:02.0", group=2)])
    done = run("--sysroot", str(tmp_path), "--verify")
    assert done.returncode == AGREE, done.stderr
    assert "has the same bus below it" in run("--dump", "-", text=dump([*functions, rp("none", "RP2", "00:02.0")])).stderr


def test_no_extended_configuration_space(tmp_path):
    """A conventional path to a PCIe function: what cannot be read is not there, for the kernel as well."""
    functions = grouped("E10")
    sysfs(tmp_path, functions)
    for config in tmp_path.glob("sys/devices/**/0000:01:00.?/config"):
        config.write_bytes(config.read_bytes()[:256])
    done = run("--sysroot", str(tmp_path), "--json", "--why", "01:00.0", "01:00.1")
    assert json.loads(done.stdout)["verdict"] == "together"
    # Nobody but root can read more than the header: nothing is known
    sysfs(tmp_path / "2", functions)
    for config in (tmp_path / "2").glob("sys/devices/**/0000:01:00.?/config"):
        config.write_bytes(config.read_bytes()[:64])
    done = run("--sysroot", str(tmp_path / "2"), "--verify")
    assert done.returncode == UNDECIDED and "run as root" in done.stderr


def test_reason_that_only_the_kernel_knows(tmp_path):
    sysfs(tmp_path, grouped("E32", "{X,Y}"), {0: ("requester-id", None)})
    done = run("--sysroot", str(tmp_path), "--verify")
    assert done.returncode == UNDECIDED
    assert 'not checked: group 0 holds 0000:00:03.0 and 0000:00:04.0; the kernel says "requester-id"' in done.stdout


def test_vmd_of_this_machine(tmp_path):
    """All below a root bus that a function's driver made uses that function's requester ID."""
    functions = [
        Function("VMD", "0000:00:0e.0", ROOT_ENDPOINT),
        Function("RP", "10000:e0:06.0", ROOT_PORT, "ACS", buses=(0xE1, 0xE1)),
        Function("SSD", "10000:e1:00.0"),
    ]
    sysfs(tmp_path, functions, made_by={"10000": "VMD"})
    done = run("--sysroot", str(tmp_path), "--json", "--why", "0000:00:0e.0", "10000:e1:00.0")
    assert json.loads(done.stdout)["verdict"] == "together", done.stderr
    groups = json.loads(run("--sysroot", str(tmp_path), "--json").stdout)["groups"]
    assert [(group["reason"], len(group["devices"])) for group in groups] == [("requester-id", 3)]


def test_no_groups(tmp_path):
    sysfs(tmp_path, EXAMPLES["E05"][0])
    done = run("--sysroot", str(tmp_path), "--verify")
    assert done.returncode == TROUBLE and "no IOMMU groups to compare with" in done.stderr
    done = run("--sysroot", str(tmp_path))
    assert done.returncode == 0 and "set  switch (computed)" in done.stdout and "note: " in done.stderr


def test_no_pci(tmp_path):
    done = run("--sysroot", str(tmp_path))
    assert done.returncode == TROUBLE and done.stderr


# --why


@pytest.mark.parametrize("name, a, b, policy, sentences", [
    ("E05", "03:00.0", "04:00.0", "safe", [
        "0000:03:00.0 and 0000:04:00.0 belong together:",
        "downstream port 0000:02:00.0 has no ACS capability",
        "0000:02:00.0 and 0000:02:01.0 are inside one switch",
    ]),
    ("E06 with a port switched off", "03:00.0", "04:00.0", "safe", [
        "downstream port 0000:02:01.0 has ACS with SV RR CR UF switched off",
    ]),
    ("one of the services is off", "01:00.0", "01:00.1", "safe", ["has ACS with RR switched off"]),
    ("E02", "01:00.0", "00:01.0", "safe", ["0000:01:00.0 is below root port 0000:00:01.0, which has no ACS capability"]),
    ("E17", "02:01.0", "02:02.0", "safe", ["behind PCIe to PCI bridge 0000:01:00.0, whose requester ID it takes"]),
    ("E04", "03:00.0", "04:00.0", "safe", [
        "are apart: downstream port 0000:02:00.0 has ACS in effect, downstream port 0000:02:01.0 has ACS in effect",
    ]),
    ("E11", "01:00.0", "01:00.1", "safe", ["are apart", "policy safe keeps it apart"]),
    ("E11", "01:00.0", "01:00.1", "strict", ["belong together (policy strict)"]),
    ("E32", "00:03.0", "00:04.0", "safe", ["are apart"]),
    ("domains", "01:00.0", "0001:01:00.0", "safe", ["they are in different PCI domains"]),
])
def test_why(name, a, b, policy, sentences):
    done = run("--dump", "-", "--policy", policy, "--why", a, b, text=dump(EXAMPLES[name][0], both))
    assert done.returncode == 0
    for sentence in sentences:
        assert sentence in done.stdout


def test_filtered_text():
    """lspci -vvv | grep -E '^[0-9]|Express|ACS|Access|IOMMU': what is not there was perhaps filtered out."""
    functions = grouped("E05")
    text = "\n".join(line for line in dump(functions).split("\n")
                     if not line.startswith("\t") or any(word in line for word in ("Express", "ACS", "Access", "IOMMU")))
    assert verdict(functions[4], functions[5], text) == "unknown"
    assert verdict(functions[2], functions[3], text) == "unknown"
    done = run("--verify", "--dump", "-", text=text)
    assert done.returncode == UNDECIDED


def test_wrapped_by_mail():
    """A service that stands on the next line belongs to the line before."""
    functions = two("ACS", "ACS")
    text = dump(functions)
    assert verdict(functions[1], functions[2], text.replace("CmpltRedir+ UpstreamFwd", "CmpltRedir+\nUpstreamFwd")) == "apart"
    assert verdict(functions[1], functions[2], text.replace("UpstreamFwd+ EgressCtrl", "UpstreamFwd+ \nEgressCtrl")) == "apart"
    functions = two("off", "ACS")
    text = dump(functions).replace("CmpltRedir- UpstreamFwd", "CmpltRedir-\nUpstreamFwd")
    assert verdict(functions[1], functions[2], text) == "together"


@pytest.mark.parametrize("groups", ["", "{F0,F1}"])
def test_dummy_is_right_either_way(groups):
    text = dump(partition(dummies(), groups), both)
    done = run("--verify", "--policy", "strict", "--dump", "-", text=text)
    assert done.returncode == AGREE
    assert "either way right: whether 0000:00:18.0" in done.stdout
    done = run("--verify", "--json", "--policy", "strict", "--dump", "-", text=text)
    verdicts = json.loads(done.stdout)["verdicts"]
    assert verdicts[0]["agrees"] and verdicts[0]["decided"] and len(verdicts[0]["either"]) == 1


# Before an update


def users(fn):
    return verbose(fn).replace("driver in use: example", f"driver in use: {DRIVERS.get(fn.name, 'pcieport')}")


DRIVERS = {"A": "vfio-pci", "B": "nvme"}


def test_upgrade_question():
    """E06 on a kernel without policies."""
    text = dump(grouped("E06", "{B,D2}"), users)
    done = run("--verify", "--dump", "-", text=text)
    assert done.returncode == DIFFER
    lines = done.stdout.splitlines()
    at = lines.index("policy safe would make one group of 2, 3 and 4, with 4 functions, because of downstream port "
                     "0000:02:01.0, which has no ACS capability")
    assert lines[at + 1 : at + 3] == ["  bound to vfio-pci: 0000:03:00.0 [vfio-pci]", "  in use: 0000:04:00.0 [nvme]"]
    assert "policy compat: the kernel's groups agree" in lines
    assert "iommu.group_acs=compat keeps the groups as they are." in lines
    # What strict makes of them is the same, and is said once
    assert done.stdout.count("would make one group") == 1
    safe, compat, strict = json.loads(run("--verify", "--json", "--dump", "-", text=text).stdout)["verdicts"]
    assert compat["agrees"] and compat["grows"] == []
    assert safe["grows"] == strict["grows"] == [{
        "groups": [2, 3, 4], "functions": 4, "because_of": "0000:02:01.0", "vfio": ["0000:03:00.0"], "in_use": ["0000:04:00.0"]}]


def test_upgrade_question_of_strict_alone():
    text = dump(grouped("E11"), users)
    done = run("--verify", "--dump", "-", text=text)
    assert done.returncode == AGREE
    assert "policy strict would make one group of 1 and 2, with 2 functions, because of function 0000:01:00.0" in done.stdout
    assert "policy safe would" not in done.stdout and "keeps the groups" not in done.stdout


def test_kernel_that_has_policies(tmp_path):
    """What is in force is what it says itself; the command line counts only if it does not."""
    functions = grouped("E06", "{B,D2}")
    sysfs(tmp_path, functions, cmdline="iommu.group_acs=strict")
    assert run("--sysroot", str(tmp_path), "--verify").returncode == DIFFER
    parameters = tmp_path / "sys/module/iommu/parameters"
    parameters.mkdir(parents=True)
    (parameters / "group_acs").write_text("compat\n")
    done = run("--sysroot", str(tmp_path), "--verify")
    assert done.returncode == AGREE
    assert done.stdout.splitlines()[-4].startswith("policy compat: the kernel's groups agree")
    assert "policy safe would make one group of 2, 3 and 4" in done.stdout
    assert json.loads(run("--sysroot", str(tmp_path), "--verify", "--json").stdout)["verdicts"][0]["policy"] == "compat"


# Machines of qemu-configs/, `lspci -vvv -xxxx' in the guest, 6.12.117 without and with the series


def guest_text(name, how):
    text = gzip.decompress((HERE / "dumps" / f"{name}.txt.gz").read_bytes()).decode()
    hexadecimal = re.compile(r"^[0-9a-f]{2,3}: ")
    if how == "vvv":
        return "".join(line for line in text.splitlines(True) if not hexadecimal.match(line))
    if how == "xxxx":
        return "".join(line for line in text.splitlines(True) if not line.startswith("\t"))
    return text


# What the .stock and .groups of the machine differ in; firmware numbers buses depth first, in the order of
# slots: switch-1 and -2 on bus 02, cascade-1 and -2 on 06, chip-1 and -2 on 19, expander-switch-1 and -2 on 64
UNSAFE = [["0000:02:00.0", "0000:02:01.0"], ["0000:06:00.0", "0000:06:01.0"], ["0000:19:00.0", "0000:19:01.0"],
          ["0000:64:00.0", "0000:64:01.0"]]


@pytest.mark.parametrize("machine", ["intel-fabric", "amd-fabric"])
@pytest.mark.parametrize("how", ["both", "vvv"])
def test_guest_without_the_series(machine, how):
    done = run("--verify", "--json", "--dump", "-", text=guest_text(f"{machine}-stock", how))
    assert done.returncode == DIFFER
    for verdicts in json.loads(done.stdout)["verdicts"]:
        # 6.12 grouped them as it does
        unsafe = [] if verdicts["policy"] == "compat" else UNSAFE
        assert [[at["address"] for at in finding] for finding in verdicts["unsafe"]] == unsafe
        assert verdicts["larger"] == []


@pytest.mark.parametrize("machine", ["intel-fabric", "amd-fabric"])
def test_guest_with_the_series(machine):
    assert run("--verify", "--dump", "-", text=guest_text(f"{machine}-series", "both")).returncode == AGREE
    assert run("--verify", "--dump", "-", text=guest_text(f"{machine}-series", "vvv")).returncode == AGREE


def test_guest_hex_dumps_make_the_same_sets():
    """Without group numbers: the sets are the groups that the series makes, but for what IOMMU leaves out."""
    text = guest_text("intel-fabric-series", "xxxx")
    done = run("--dump", "-", "--json", text=text)
    sets = {frozenset(device["address"] for device in group["devices"]) for group in json.loads(done.stdout)["groups"]}
    done = run("--dump", "-", "--json", text=guest_text("intel-fabric-series", "both"))
    groups = {frozenset(device["address"] for device in group["devices"]) for group in json.loads(done.stdout)["groups"]
              if group["group"] is not None}
    assert groups <= sets
