# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""What all tests share that boot a machine."""

import concurrent.futures
import subprocess
import threading
from pathlib import Path

import guest
import pytest

TOP = Path(__file__).resolve().parent.parent
PROCESSORS = 2


class Boots:
    """One boot for each machine, kernel, programs and words; two at a time, or one beside a build."""

    def __init__(self):
        self.pool = concurrent.futures.ThreadPoolExecutor(PROCESSORS)
        self.building = threading.Lock()
        self.kernels = {}
        self.begun = {}

    def kernel(self, stage):
        """The directory of the first patches, of `all' or of `stock'."""
        with self.building:
            if stage not in self.kernels:
                built = subprocess.run([TOP / "scripts" / "build", str(stage)], stdout=subprocess.PIPE, text=True)
                assert built.returncode == 0, f"scripts/build {stage} failed"
                self.kernels[stage] = built.stdout.splitlines()[-1]
        return self.kernels[stage]

    def begin(self, machine, stage, programs, append=(), limits=guest.Limits(), accel=guest.IN_TURN):
        key = (machine, stage, *programs, *append)
        if key not in self.begun:
            self.begun[key] = self.pool.submit(self._boot, machine, stage, programs, append, limits, accel)
        return self.begun[key]

    def _boot(self, machine, stage, programs, append, limits, accel):
        return guest.boot(machine, self.kernel(stage), programs, append, limits, accel=accel)

    def run(self, *arguments, **named):
        run = self.begin(*arguments, **named).result()
        if run.state == "skip":
            pytest.skip("; ".join(run.reasons))
        return run


def assert_passed(run):
    tail = guest.console_tail(run) if run.state in ("timeout", "crash", "no result") else []
    if run.state == "timeout":
        tail += [line for line in (run.folder / "processors").read_text().splitlines() if "RIP=" in line]
    assert run.state == "pass", "\n".join([run.state, *run.reasons, *tail, str(run.folder)])


def assert_partition(run, kind):
    expected = guest.read_partition(guest.expectation(run.machine, kind))
    assert run.partition() == expected, "\n".join([*run.differs_from(kind), str(run.folder)])


def assert_reasons(run):
    assert run.group_reasons() == guest.read_reasons(guest.expectation(run.machine, "groups")), str(run.folder)
