# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""Functions with ATS are reset while their group changes, is owned, and gets another type."""

import bases
import guest
import pytest
from boots import assert_partition, assert_passed, assert_reasons

MACHINE = "intel-ats"
# The first leaves a device that groups lists.
PROGRAMS = ["resets", "groups"]
LIMITS = guest.Limits(total=400)
# What goes on whatever is reset, what a reset keeps from being done, and resets that keep from each other.
UNHINDERED = {"leave", "leave-itself", "come"}
REFUSED = {"own-group", "own-cdev", "type"}
EACH_OTHER = {"port"}
SAYS = "DMA of all its devices refused: a device of the group is being reset"


def wanted(stage):
    """The arguments of its boot."""
    return MACHINE, stage, PROGRAMS, (), LIMITS


def begin(boots, _with_full):
    for stage in ("all", "stock"):
        boots.begin(*wanted(stage))


def counts(run):
    """What was done during resets -> how often, and how often it was refused."""
    return {words[0]: tuple(map(int, words[1:])) for words in run.result.child("resets").data()}


def assert_nothing_is_lost(run):
    assert_passed(run)
    assert "DMAR: ATSR flags: 0x1" in run.console
    found = counts(run)
    assert set(found) == UNHINDERED | REFUSED | EACH_OTHER
    assert not [name for name, (done, _) in found.items() if not done]
    refused = {name for name, (_, times) in found.items() if times} - EACH_OTHER
    # 6.12 translates for a device that is reset, and attaches what it is asked to
    assert refused == (set() if run.base == "6.12" else REFUSED)


def test_resets_leave_the_group_as_it_was(begun):
    run = begun.run(*wanted("all"))
    assert_nothing_is_lost(run)
    assert_partition(run, "groups")
    assert_reasons(run)


def test_who_is_refused_during_a_reset_learns_why(base, begun):
    told = SAYS in begun.run(*wanted("all")).console
    assert told == (base != bases.named("6.12"))


def test_stock_is_left_as_it_was(begun):
    run = begun.run(*wanted("stock"))
    assert_nothing_is_lost(run)
    assert_partition(run, "stock")
