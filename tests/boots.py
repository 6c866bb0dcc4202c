# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""What all tests share that boot a machine."""

import subprocess
import threading

import guest
import pytest


class Boots:
    """On one base, one boot for each machine, kernel, programs and words; two at a time, or one beside a build."""

    def __init__(self, base, pool):
        self.base = base
        self.pool = pool
        self.building = threading.Lock()
        self.kernels = {}
        self.begun = {}
        self.modules_have_begun = False

    def kernel(self, stage, flavour="guest", arch="x86_64"):
        """The directory of the first patches, of `all' or of `stock'."""
        key = stage, flavour, arch
        with self.building:
            if key not in self.kernels:
                try:
                    self.kernels[key] = self.base.made("build", "--flavour", flavour, "--arch", arch, stage)
                except subprocess.CalledProcessError as error:
                    pytest.fail(f"{' '.join(map(str, error.cmd))} failed", pytrace=False)
        return self.kernels[key]

    def begin(
        self, machine, stage, programs, append=(), limits=guest.Limits(), accel=guest.IN_TURN, flavour="guest", **how
    ):
        """HOW is more that guest.boot() wants to know."""
        key = (machine, stage, flavour, *programs, *append)
        if key not in self.begun:
            self.begun[key] = self.pool.submit(self._boot, machine, stage, flavour, programs, append, limits, {"accel": accel, **how})
        return self.begun[key]

    def _boot(self, machine, stage, flavour, programs, append, limits, how):
        kernel = self.kernel(stage, flavour, guest.architecture_of(machine).name)
        return guest.boot(machine, kernel, programs, append, limits, base=self.base, **how)

    def run(self, *arguments, **named):
        run = self.begin(*arguments, **named).result()
        if run.state == "skip":
            pytest.skip("; ".join(run.reasons))
        return run


def assert_passed(run):
    tail = guest.console_tail(run) if run.state in ("timeout", "crash", "no result") else []
    processors = run.folder / "processors"
    if processors.exists():
        tail += [line for line in processors.read_text().splitlines() if "RIP=" in line]
    assert run.state == "pass", "\n".join([run.state, *run.reasons, *tail, *where(run)])


def where(run):
    """Where the logs are, and how to have the same boot again."""
    return [str(run.folder), f"again: {run.again}"]


def assert_partition(run, kind):
    expected = guest.read_partition(guest.expectation(run.machine, kind, run.base))
    assert run.partition() == expected, "\n".join([*run.differs_from(kind), *where(run)])


def assert_reasons(run):
    assert run.group_reasons() == guest.read_reasons(guest.expectation(run.machine, "groups", run.base)), "\n".join(where(run))
