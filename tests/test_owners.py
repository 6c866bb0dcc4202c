# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""Who may own the DMA of groups that are not isolated from each other, or not any more."""

import guest
import pytest
from boots import assert_passed

MACHINES = ["intel-ports", "amd-ports"]
LIMITS = guest.Limits(silence=120, total=600)
# A switch of the machine's own command line, with one port more that has its ACS off
COMPAT = ["iommu.group_acs=compat", "pci=config_acs=0000000@00:05.0;0000000@00:13.0"]


def wanted(machine, stage="all", append=()):
    return machine, stage, ["owners"], append, LIMITS


def begin(boots, with_full):
    for machine in MACHINES:
        boots.begin(*wanted(machine))
        boots.begin(*wanted(machine, append=COMPAT))


@pytest.mark.parametrize("machine", MACHINES)
def test_acs_switched_off_refuses_a_claim(begun, machine):
    assert_passed(begun.run(*wanted(machine)))


@pytest.mark.parametrize("machine", MACHINES)
def test_compat_excludes_two_owners(begun, machine):
    run = begun.run(*wanted(machine, append=COMPAT))
    assert_passed(run)
    assert any("compat" in path for path, _ in run.result.walk())


@pytest.mark.full
@pytest.mark.parametrize("machine", MACHINES)
def test_stock_lets_them(begun, machine):
    """That the checks can fail."""
    failed = {path for path, result in begun.run(*wanted(machine, "stock")).result.walk() if not result.ok}
    assert {check for check in failed if "is opened" in check}
