# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""iommu-groups on the worked examples that KUnit and the oracle read: one table for three implementations.

It is drivers/iommu/group/tests/examples.h of the kernel that the program is of; examples.h here is
the same for a kernel that has none.  The text form of a topology is described in group/tests/topology.h.
"""

import re

import pytest
from lspci_output import (
    COLLECTOR, CONVENTIONAL, DOWNSTREAM, ENDPOINT, ROOT_ENDPOINT, ROOT_PORT, TO_PCI, UPSTREAM, Function, both, hexdump,
)
from test_texts import POLICIES, sets_of
from tool import HERE, kernel_file

LEGACY, TO_PCIE = 1, 8
TYPES = {
    "ce": CONVENTIONAL, "cb": CONVENTIONAL, "ep": ENDPOINT, "le": LEGACY, "ri": ROOT_ENDPOINT, "rc": COLLECTOR,
    "rp": ROOT_PORT, "up": UPSTREAM, "dp": DOWNSTREAM, "pb": TO_PCI, "rb": TO_PCIE,
}
BRIDGES = {"cb", "rp", "up", "dp", "pb", "rb"}
# What a text does not show: aliases that firmware or a driver makes, flags that a quirk of the kernel sets, what the
# IOMMU covers, a second segment with the requester ID of a function, a ROM that is no region
NOT_IN_TEXT = re.compile(r"[.](l[0-9a-f-]+|[xfkuo])(?=[.,]|$)|real=|plan=")
QUIRKS = {1: (0x1924, 0x0903), 2: (0x8086, 0xA110), 3: (0x8086, 0xA110), 4: (0x111D, 0x80B5)}


def table():
    path = "drivers/iommu/group/tests/examples.h"
    try:
        text = kernel_file(path)
    except AssertionError:
        text = (HERE / "examples.h").read_text()
    text = re.sub(r"/[*].*?[*]/", "", text, flags=re.DOTALL)
    rows = []
    for row in re.findall(r"^EXAMPLE[(](.*?)[)]$", text, re.DOTALL | re.MULTILINE):
        # Literals that are not apart by a comma are one
        row = re.sub(r'"\s+"', "", row)
        rows.append(re.findall(r'"([^"]*)"', row))
    return rows


EXAMPLES = {row[0]: row[1:] for row in table()}


def hexpair(word):
    return tuple(int(part, 16) for part in word.split("-"))


def functions_of(names, topology):
    """Functions as lspci shows them, with buses numbered as firmware does: depth first."""
    parts = [part.split(".") for part in topology.split(",")]
    below = {at: [i for i, part in enumerate(parts) if part[0] == str(at)] for at in range(len(parts))}
    buses, next_bus = {}, 1

    def number(at):
        nonlocal next_bus
        first = next_bus
        # Virtual functions have their buses there as well, and come before what is below
        next_bus += 1 + more_buses(below[at])
        for child in below[at]:
            if parts[child][2] in BRIDGES:
                number(child)
        buses[at] = first, next_bus - 1

    def more_buses(children):
        return max((last_bus(parts[child]) for child in children), default=0)

    def last_bus(part):
        numbers = next((option[1:].split("-") for option in part[3:] if option[0] == "v"), None)
        if not numbers:
            return 0
        count, offset, stride = int(numbers[0]), int(numbers[1], 16), int(numbers[2], 16)
        return (int(part[1], 16) + offset + (count - 1) * stride) >> 8

    for at, part in enumerate(parts):
        if part[0] == "r" and part[2] in BRIDGES:
            number(at)

    functions, virtual = [], []
    for at, (place, devfn, kind, *options) in enumerate(parts):
        bus = 0 if place == "r" else buses[int(place)][0]
        rid = bus << 8 | int(devfn, 16)
        fn = Function("", address(rid), TYPES[kind], buses=buses.get(at))
        vf_acs = None
        for option in options:
            letter, rest = option[0], option[1:]
            if letter == "m":
                fn.multifunction = True
            elif letter == "a":
                fn.acs = hexpair(rest)
            elif letter == "w":
                vf_acs = hexpair(rest)
            elif letter == "b":
                fn.bar = False
            elif letter == "n":
                fn.master = False
            elif letter == "d":
                fn.decodes = False
            elif letter == "q":
                fn.vendor, fn.device = QUIRKS[int(rest)]
                if int(rest) in (2, 3):
                    fn.acs = (0x1D, 0)
                    fn.second_dword = 0x1D if int(rest) == 2 else 0
            elif letter == "v":
                count, offset, stride = rest.split("-")
                fn.virtual_functions = int(count), int(offset, 16), int(stride, 16)
            else:
                assert letter == "i", option
        functions.append(fn)
        if fn.virtual_functions:
            count, offset, stride = fn.virtual_functions
            virtual += [Function("", address(rid + offset + i * stride), acs=vf_acs or "none", virtual=True) for i in range(count)]
    functions += virtual
    assert len(functions) == len(names)
    for fn, name in zip(functions, names):
        fn.name = name
    return functions


def address(rid):
    return f"{rid >> 8:02x}:{rid >> 3 & 31:02x}.{rid & 7}"


def sets_of_letters(names, letters):
    groups = {}
    for name, letter in zip(names, letters):
        groups.setdefault(letter, set()).add(name)
    return {frozenset(group) for group in groups.values() if len(group) > 1}


SHOWN = [name for name, row in EXAMPLES.items() if not NOT_IN_TEXT.search(row[1])]


def test_table():
    """All that the table has is read, and what is left out is left out by its options."""
    assert len(EXAMPLES) > 80
    assert {len(row) for row in EXAMPLES.values()} == {5}
    assert len(SHOWN) > 65
    specified = {name for name in EXAMPLES if re.fullmatch(r"[EHS][0-9]+", name)}
    assert specified - set(SHOWN) == {"E23"}


@pytest.mark.parametrize("name", SHOWN)
def test_example(name):
    words, topology, *groups = EXAMPLES[name]
    names = words.split()
    functions = functions_of(names, topology)
    text = "".join(map(both, functions))
    for policy, letters in zip(POLICIES, groups):
        found = sets_of(functions, text, policy)
        expected = sets_of_letters(names, letters)
        if may_be_dummy(functions) and policy == "strict":
            # Whether it could be a bus master is not known, and then it is not joined
            assert all(any(one <= other for other in expected) for one in found), policy
        else:
            assert found == expected, policy


def may_be_dummy(functions):
    return any(not fn.buses and not fn.bar and not fn.master for fn in functions)


def test_hex_dumps_alone():
    for name in ("E05", "S03", "S07", "H13", "E17"):
        words, topology, *groups = EXAMPLES[name]
        functions = functions_of(words.split(), topology)
        for policy, letters in zip(POLICIES, groups):
            assert sets_of(functions, "".join(map(hexdump, functions)), policy) == sets_of_letters(words.split(), letters), (name, policy)
