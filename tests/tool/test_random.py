# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""iommu-groups on random topologies, against the letter of the rule, pair by pair.

And with parts hidden: what is left may never tell that right groups are wrong.
"""

import dataclasses
import os
import random

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
    dump,
    hexdump,
    verbose,
)
from test_texts import sets_of
from tool import AGREE, UNDECIDED, run

# For each of the seeds, and each policy
PER_SEED = int(os.environ.get("TOPOLOGIES", "8"))
SEEDS = range(10)
ISOLATING = 0x1D


class Machine:
    def __init__(self, seed, dummies=False):
        self.random = random.Random(seed)
        self.dummies = dummies
        self.dummy = set()
        self.functions = []
        self.parent = {}
        self.next_bus = 1
        self.fill_bus(0, None, 0)

    def add(self, bus, devfn, type, above, **more):
        fn = Function(f"f{len(self.functions)}", f"{bus:02x}:{devfn >> 3:02x}.{devfn & 7}", type, **more)
        fn.devfn = devfn
        self.functions.append(fn)
        self.parent[fn.name] = above
        return fn

    def acs(self):
        return self.random.choice([None, None, (0, 0), (ISOLATING, ISOLATING), (ISOLATING, ISOLATING), (ISOLATING, 0),
                                   (0x1D, 0x19), (0x5, 0x5), (0x7F, 0x1D)])

    def types(self, above):
        if above is None:
            return [ROOT_PORT] * 5 + [ROOT_ENDPOINT, ROOT_ENDPOINT, COLLECTOR, CONVENTIONAL, "bridge"]
        if above.type == UPSTREAM:
            return [DOWNSTREAM] * 12 + [ENDPOINT]
        if above.type in (CONVENTIONAL, TO_PCI):
            return [CONVENTIONAL, CONVENTIONAL, "bridge"]
        return [ENDPOINT, ENDPOINT, UPSTREAM, UPSTREAM, TO_PCI]

    def fill_bus(self, bus, above, depth):
        slots = self.random.sample(range(0 if above else 1, 32), self.random.randint(1, 3 if above else 5))
        if above and above.type in (ROOT_PORT, DOWNSTREAM):
            slots = [0]
        for slot in slots:
            numbers = [0] + self.random.sample(range(1, 8), self.random.choice([0, 0, 1, 2]))
            if slots == [0] and above and self.random.random() < 0.1:
                numbers.append(self.random.randint(8, 40))
            for number in sorted(numbers):
                type = self.random.choice(self.types(above))
                bridge = type in (ROOT_PORT, UPSTREAM, DOWNSTREAM, TO_PCI, "bridge")
                if bridge and (depth > 4 or self.next_bus > 60):
                    continue
                fn = self.add(bus, slot * 8 + number, CONVENTIONAL if type == "bridge" else type, above,
                              acs=self.acs(), multifunction=len(numbers) > 1 or self.random.random() < 0.1)
                if type is CONVENTIONAL or type == "bridge":
                    fn.acs = None
                if self.dummies and not bridge and self.random.random() < 0.2:
                    # bus mastering is off; that it cannot be on is known only here
                    fn.bar = fn.master = fn.decodes = False
                    if self.random.random() < 0.5:
                        self.dummy.add(fn.name)
                if bridge:
                    secondary = self.next_bus
                    self.next_bus += 1
                    if self.random.random() < 0.9:
                        self.fill_bus(secondary, fn, depth + 1)
                    fn.buses = (secondary, self.next_bus - 1)

    # The rule

    def state(self, fn):
        if fn.type in (CONVENTIONAL, TO_PCI, COLLECTOR) or fn.acs is None:
            return "none"
        cap, ctrl = fn.acs
        return "off" if cap & ~ctrl & ISOLATING else "on"

    def above(self, fn):
        return self.parent[fn.name]

    def device(self, fn):
        """All functions of its device."""
        above = self.above(fn)
        whole_bus = above is not None and above.type in (ROOT_PORT, DOWNSTREAM)
        return [other for other in self.functions if self.above(other) is above and
                (whole_bus or other.devfn >> 3 == fn.devfn >> 3)]

    def is_multifunction(self, fn):
        above = self.above(fn)
        whole_bus = above is not None and above.type in (ROOT_PORT, DOWNSTREAM)
        return any(other.multifunction or (other.devfn if whole_bus else other.devfn & 7) for other in self.device(fn))

    def opened(self, fn, strict):
        if not self.is_multifunction(fn) or (fn.name in self.dummy and self.state(fn) == "on"):
            return False
        states = {self.state(other) for other in self.device(fn) if other.name not in self.dummy}
        return "off" in states or (strict and "none" in states) or self.state(fn) == "none"

    def in_open_switch(self, fn):
        above = self.above(fn)
        if above is None or above.type != UPSTREAM:
            return False
        return any(self.state(other) != "on" and other.name not in self.dummy
                   for other in self.functions if self.above(other) is above)

    def spreads(self, fn, strict):
        if not fn.buses:
            return False
        return (fn.type in (CONVENTIONAL, TO_PCI) or (fn.type == ROOT_PORT and self.state(fn) != "on") or
                self.in_open_switch(fn) or self.opened(fn, strict))

    def is_below(self, fn, bridge):
        at = self.above(fn)
        while at is not None and at is not bridge:
            at = self.above(at)
        return at is bridge

    def joined(self, a, b, strict):
        for upper, lower in ((a, b), (b, a)):
            if self.is_below(lower, upper) and self.spreads(upper, strict):
                return True
        if self.above(a) is self.above(b) and self.in_open_switch(a):
            return True
        return b in self.device(a) and self.opened(a, strict) and self.opened(b, strict)

    def sets(self, strict):
        sets = [{fn.name} for fn in self.functions]
        for i, a in enumerate(self.functions):
            for b in self.functions[:i]:
                if self.joined(a, b, strict):
                    one = next(group for group in sets if a.name in group)
                    two = next(group for group in sets if b.name in group)
                    if one is not two:
                        sets.remove(two)
                        one |= two
        return {frozenset(group) for group in sets if len(group) > 1}


@pytest.mark.parametrize("seed", SEEDS)
def test_random(seed):
    for number in range(PER_SEED):
        machine = Machine(seed * 100000 + number)
        whole = dump(machine.functions, hexdump)
        for policy in ("safe", "strict"):
            assert sets_of(machine.functions, whole, policy) == machine.sets(policy == "strict"), (seed, number, policy)


def partly(machine, fn):
    """Of one function, what somebody got to see."""
    how = machine.random.randrange(7)
    if how == 0:
        return verbose(dataclasses.replace(fn, hidden=True))
    if how == 1:
        return verbose(fn) + "\n" + hexdump(fn, machine.random.choice([64, 256, 384]))
    if how == 2:
        return hexdump(fn, machine.random.choice([64, 256, 0x120, 384]))
    if how == 3:
        return verbose(fn).replace("ACSCtl", "and more").replace("Kernel driver", "Some driver")
    if how == 4:
        return both(fn)
    if how == 5:
        return "\n".join(line for line in verbose(fn).split("\n")
                         if not line.startswith("\t") or any(word in line for word in ("Express", "Access", "ACS", "IOMMU")))
    return verbose(fn)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_not_known_is_never_wrong(seed):
    """The groups are those of the rule: no part of the text may tell that they are wrong."""
    for number in range(PER_SEED):
        machine = Machine(seed * 100000 + number, dummies=True)
        for strict in (False, True):
            sets = machine.sets(strict)
            for group, fn in enumerate(machine.functions):
                fn.group = next((min(int(name[1:]) for name in one) for one in sets if fn.name in one), group)
            text = "\n".join(partly(machine, fn) for fn in machine.functions)
            policy = "strict" if strict else "safe"
            done = run("--dump", "-", "--verify", "--policy", policy, text=text)
            if "there are no IOMMU groups" in done.stderr:
                continue
            assert done.returncode in (AGREE, UNDECIDED), (seed, number, policy, done.stdout, done.stderr)
