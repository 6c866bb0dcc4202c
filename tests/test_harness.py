# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""The harness itself: what it must notice in a log, in a report, in a guest that is ill."""

import re
import shlex
import subprocess
import sys
import threading
from pathlib import Path

import guest
import pytest
import verdict

TOP = Path(__file__).resolve().parent.parent

CLEAN = """\
Linux version 6.12.117 (x@x) #1 SMP 2000-01-01
Command line: console=ttyS0,115200 ignore_loglevel panic=-1 oops=panic tests=groups
Kernel command line: panic=-1 oops=panic
AMD-Vi: [Firmware Bug]: : IOAPIC[0] not in IVRS table
Warning: unable to open an initial console.
rcu: Hierarchical RCU implementation.
rcu: 	RCU CPU stall warnings timeout set to 60 (rcu_cpu_stall_timeout).
pci 0000:00:05.0: Adding to iommu group 5
vfio-pci 0000:00:06.0: Adding kernel taint for vfio-noiommu group on device
nvme nvme0: Ignoring bogus Namespace Identifiers
reboot: Power down
"""

SPLATS = {
    "warning": "WARNING: CPU: 0 PID: 1 at drivers/iommu/iommu.c:983 iommu_group_release+0x3c/0x50",
    "cut here": "------------[ cut here ]------------",
    "oops": "Oops: Oops: 0000 [#1] PREEMPT SMP",
    "null pointer": "BUG: kernel NULL pointer dereference, address: 0000000000000008",
    "page fault": "BUG: unable to handle page fault for address: ffff888004a3f000",
    "bug": "kernel BUG at mm/slub.c:4532!",
    "panic": "Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100",
    "sleeping": "BUG: sleeping function called from invalid context at kernel/locking/mutex.c:585",
    "soft lockup": "watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [abi:71]",
    "hard lockup": "NMI watchdog: Watchdog detected hard LOCKUP on cpu 0",
    "kasan": "BUG: KASAN: slab-use-after-free in iommu_group_put+0x1a/0x40",
    "ubsan": "UBSAN: array-index-out-of-bounds in drivers/iommu/group/sysfs.c:41:9",
    "kfence": "BUG: KFENCE: use-after-free read in iommu_group_get+0x12/0x30",
    "lockdep": "WARNING: possible circular locking dependency detected",
    "lockdep recursion": "WARNING: possible recursive locking detected",
    "lockdep key": "INFO: trying to register non-static key.",
    "rcu usage": "WARNING: suspicious RCU usage",
    "rcu stall": "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
    "rcu self stall": "rcu: INFO: rcu_sched self-detected stall on CPU",
    "rcu expedited stall": "rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: { 1-.... }",
    "hung task": "INFO: task kworker/0:1:9 blocked for more than 120 seconds.",
    "refcount": "refcount_t: underflow; use-after-free.",
    "protection": "general protection fault, probably for non-canonical address 0xdead000000000122",
    "divide": "divide error: 0000 [#1] SMP",
    "list": "list_del corruption, ffff888003d2a000->next is LIST_POISON1 (dead000000000100)",
    "leak": "unreferenced object 0xffff8880042f1c00 (size 192):",
    "any stack": "Call Trace:",
}


def test_a_clean_log_has_no_splat():
    assert verdict.splats(CLEAN) == []


@pytest.mark.parametrize("line", SPLATS.values(), ids=SPLATS)
def test_a_splat_is_found(line):
    log = CLEAN.replace("reboot:", f"[    2.718281] {line}\nreboot:")
    assert verdict.splats(log) == [f"[    2.718281] {line}"]


FAILED_ON_PURPOSE = """\
[    2.7] fail_nth: vmalloc error: size 4096, vm_struct allocation failed, mode:0xcc0(GFP_KERNEL), nodemask=(null)
[    2.7] CPU: 0 UID: 0 PID: 60 Comm: fail_nth Tainted: G                 N 6.12.117 #1
[    2.7] Tainted: [N]=TEST
[    2.7] Hardware name: QEMU Standard PC (Q35 + ICH9, 2009), BIOS 1.16.2-debian-1.16.2-1 04/01/2014
[    2.7] Call Trace:
[    2.7]  <TASK>
"""


@pytest.mark.parametrize("what", ["vm_struct allocation failed", "failed to allocated page array size 24"])
def test_a_failure_made_on_purpose_is_no_splat(what):
    assert verdict.splats(FAILED_ON_PURPOSE.replace("vm_struct allocation failed", what)) == []


@pytest.mark.parametrize(
    "log",
    [
        FAILED_ON_PURPOSE + "[    2.7] Call Trace:\n",
        FAILED_ON_PURPOSE.replace("fail_nth: vm", "nvme: vm"),
        FAILED_ON_PURPOSE.replace("[    2.7] Call", "[    2.7] \n[    2.7] Call"),
        FAILED_ON_PURPOSE.replace("Tainted: [N]=TEST", "KASAN: Tainted"),
    ],
    ids=["another stack", "another program", "further away", "another defect before the stack"],
)
def test_what_is_not_that_failure_is_a_splat(log):
    assert len(verdict.splats(log)) == 1


def test_only_a_dead_kernel_is_a_crash():
    assert verdict.panicked(SPLATS["panic"])
    assert verdict.panicked(SPLATS["oops"])
    assert not verdict.panicked(CLEAN + SPLATS["warning"])


GOOD = """\
KTAP version 1
1..2
    KTAP version 1
    # Subtest: groups
    1..2
    # data: group 0 0000:00:00.0
    ok 1 the PCI devices are listed
    ok 2 the directory is there # SKIP not on this machine
ok 1 groups
    KTAP version 1
    # Subtest: kunit
    1..1
        KTAP version 1
        # Subtest: iommu-group
        1..1
            KTAP version 1
            # Subtest: a case with parameters has no plan
            ok 1 one
            ok 2 two
        # a case with parameters has no plan: pass:2 fail:0 skip:0 total:2
        ok 1 a case with parameters has no plan
    # iommu-group: pass:1 fail:0 skip:0 total:1
    ok 1 iommu-group
ok 2 kunit
"""


def test_a_good_report():
    result = verdict.parse(GOOD)
    assert result.failures() == []
    assert [child.name for child in result.children] == ["groups", "kunit"]
    assert [child.ok for child in result.child("groups").children] == [True, True]
    assert result.child("groups").children[1].skip == "not on this machine"
    assert result.data() == [["group", "0", "0000:00:00.0"]]
    assert "kunit/iommu-group/a case with parameters has no plan/two" in [p for p, _ in result.walk()]


def test_carriage_returns_of_a_serial_port_are_harmless():
    assert verdict.parse(GOOD.replace("\n", "\r\n")).failures() == []


def test_blank_lines_are_harmless():
    assert verdict.parse(GOOD.replace("    ok 1 the", "    # regions:\n    \n\n    ok 1 the")).failures() == []


BAD = {
    "nothing": ("", "no plan"),
    "no version": ("1..1\nok 1 a\n", "0 lines 'KTAP version 1'"),
    "no plan": ("KTAP version 1\nok 1 a\n", "no plan"),
    "not ok": ("KTAP version 1\n1..1\nnot ok 1 a\n", "a: not ok"),
    "fewer than planned": ("KTAP version 1\n1..2\nok 1 a\n", "2 checks announced, 1 made"),
    "more than planned": ("KTAP version 1\n1..1\nok 1 a\nok 2 b\n", "1 checks announced, 2 made"),
    "a number left out": ("KTAP version 1\n1..2\nok 1 a\nok 3 b\n", "b: has number 3, should be 2"),
    "bail out": ("KTAP version 1\n1..1\nBail out! no device\n", "Bail out! no device"),
    "booted twice": ("KTAP version 1\n1..1\nok 1 a\nKTAP version 1\n1..1\nok 1 a\n", "two plans"),
    "ok over a nested not ok": (
        "KTAP version 1\n1..1\n    KTAP version 1\n    1..1\n    not ok 1 b\nok 1 a\n",
        "a: says ok, but a subtest is not ok",
    ),
    "ok over a nested plan not kept": (
        "KTAP version 1\n1..1\n    KTAP version 1\n    1..2\n    ok 1 b\nok 1 a\n",
        "a: 2 checks announced, 1 made",
    ),
    "ok over a nested bail out": (
        "KTAP version 1\n1..1\n    KTAP version 1\n    1..1\n    Bail out! lost\nok 1 a\n",
        "a: Bail out! lost",
    ),
    "nested without a plan": (
        "KTAP version 1\n1..1\n    KTAP version 1\n    ok 1 b\nok 1 a\n",
        "a: no plan",
    ),
    "cut off in a subtest": (
        "KTAP version 1\n1..1\n    KTAP version 1\n    1..2\n    ok 1 b\n",
        "unfinished: has no result line",
    ),
    "cut off in a line": ("KTAP version 1\n1..2\nok 1 a\nok 2 ", "cut off in its last line"),
    "a todo is not done": ("KTAP version 1\n1..1\nnot ok 1 a # TODO later\n", "a # TODO later: not ok"),
}


@pytest.mark.parametrize("text, problem", BAD.values(), ids=BAD)
def test_a_bad_report(text, problem):
    failures = verdict.parse(text).failures()
    assert [f for f in failures if f.startswith(problem)], failures


def test_no_part_of_a_good_report_is_a_good_report():
    assert [cut for cut in range(len(GOOD)) if not verdict.parse(GOOD[:cut]).failures()] == []


def judged(tmp_path, console=CLEAN, report=GOOD, tests=("groups", "kunit"), ended="guest-shutdown"):
    if console is not None:
        (tmp_path / "console.log").write_text(console)
    if report is not None:
        (tmp_path / "result.ktap").write_text(report)
    run = guest.Run("intel", tmp_path)
    guest.judge(run, tests, ended)
    return run


SKIPPED = "KTAP version 1\n1..1\nok 1 kunit # SKIP nothing to do\n"
NO_CHECKS = "KTAP version 1\n1..1\nok 1 groups\n"

VERDICTS = {
    "all is well": ("pass", {}),
    "a failed check": ("fail", {"report": GOOD.replace("ok 1 one", "not ok 1 one")}),
    "a splat beside checks that pass": ("fail", {"console": CLEAN + SPLATS["warning"]}),
    "no console": ("fail", {"console": None}),
    "an empty console": ("fail", {"console": "\n"}),
    "no report": ("fail", {"report": None}),
    "a test not run": ("fail", {"tests": ("groups", "kunit", "dma")}),
    "a test without a check": ("fail", {"report": NO_CHECKS, "tests": ("groups",)}),
    "everything skipped": ("skip", {"report": SKIPPED, "tests": ("kunit",)}),
    "a panic after all checks passed": ("crash", {"console": CLEAN + SPLATS["panic"], "ended": "guest-reset"}),
    "a reset after all checks passed": ("crash", {"ended": "guest-reset"}),
    "QEMU itself died": ("crash", {"ended": "QEMU is lost, status -11"}),
    "power off without a result": ("no result", {"report": ""}),
    "a limit passed": ("timeout", {"report": "", "ended": "timeout: silent for 60 s"}),
}


@pytest.mark.parametrize("state, how", VERDICTS.values(), ids=VERDICTS)
def test_the_states_are_told_apart(tmp_path, state, how):
    run = judged(tmp_path, **how)
    assert run.state == state, run.reasons
    assert (run.reasons == []) == (state == "pass")


# Its answer depends on whose driver binds first.
WITHOUT_ANSWER = [("arm64", "stock")]
EXPECTED = [(machine, kind) for machine in guest.machines() for kind in ("groups", "strict", "stock")]


@pytest.mark.older
@pytest.mark.parametrize("machine, kind", [pair for pair in EXPECTED if pair not in WITHOUT_ANSWER])
def test_an_expected_partition_names_every_device_once(base, machine, kind):
    text = guest.config_of(machine).read_text()
    devices = {line.split('"')[1] for line in text.splitlines() if line.startswith("[device ")}
    devices |= set(guest.architecture_of(machine).built_in)
    devices -= {"iommu"} if machine.startswith("amd") else {"iommu", "amd-iommu"}
    # A host bridge of a machine whose firmware shows it as no function.
    devices -= set(re.findall(r'"(.*)"\]\n  driver = "spapr-pci-host-bridge"', text))
    devices -= set(re.findall(r'"(.*)"\]\n  driver = "nvme-subsys"', text))
    # What a program has added in the running machine, and what the kernel's words name.
    devices |= {name for line in re.findall("^# added: (.*)$", text, re.MULTILINE) for name in line.split()}
    devices |= {f"{hid}:00" for hid in re.findall(r"ivrs_acpihid=(\w+)", text)}
    partition = guest.read_partition(guest.expectation(machine, kind, base))
    named = [name for group in partition.groups for name in group] + list(partition.ungrouped)
    assert sorted(named) == sorted(devices)


def test_host_bridges_with_the_same_bus_number_are_domains():
    def bus(number, name):
        return {"bus": number, "devices": [{"bus": number, "slot": 1, "function": 0, "qdev_id": name}]}

    names = guest._names_below_host_bridges([bus(0, "second"), bus(0, "first")])
    assert names == {"0001:00:01.0": "second", "0000:00:01.0": "first"}
    names = guest._names_below_host_bridges([bus(0x80, "expander"), bus(0, "first")])
    assert names == {"0000:80:01.0": "expander", "0000:00:01.0": "first"}


def test_a_partition_ignores_numbers_and_order(tmp_path, monkeypatch):
    monkeypatch.setattr(guest, "CONFIGS", tmp_path)
    (tmp_path / "x.groups").write_text("# why\nb a\nc\nungrouped: d\n")
    run = guest.Run("x", tmp_path, addresses={"1": "a", "2": "b", "3": "c", "4": "d"})
    seen = verdict.Result("groups", diagnostics=["data: group 7 3", "data: group 2 1", "data: group 2 2"])
    run.result.children.append(seen)
    assert run.differs_from("groups")[-1] == "-ungrouped: d"
    seen.diagnostics.append("data: ungrouped 4")
    assert run.differs_from("groups") == []
    assert run.partition() == guest.read_partition(tmp_path / "x.groups")
    seen.diagnostics[0] = "data: group 2 3"
    assert run.differs_from("groups")[3:6] == ["-a b", "-c", "+a b c"]


class FakeMonitor:
    """Takes every command but `quit`."""

    def __init__(self):
        self.commands = []

    def execute(self, command, **arguments):
        self.commands.append((command, arguments))
        if command == "quit":
            raise RuntimeError("QEMU refuses quit: no")


def test_the_host_does_what_a_guest_asks_for(tmp_path):
    run, monitor = guest.Run("intel", tmp_path), FakeMonitor()
    report = tmp_path / "result.ktap"
    report.write_text('KTAP version 1\n    # host: device_add {"driver": "edu", "addr": "00.1"}\n    # host: qu')
    guest._serve(monitor, run)
    guest._serve(monitor, run)
    assert monitor.commands == [("device_add", {"driver": "edu", "addr": "00.1"})]
    report.write_text(report.read_text() + "it {}\n    # host: device_add {]}\n")
    guest._serve(monitor, run)
    assert monitor.commands[1:] == [("quit", {})]
    refused, malformed = run.refusals
    assert refused == "QEMU refuses quit: no, asked for {}"
    assert malformed.endswith("asked for {]}")


def test_a_refused_request_fails_the_run(tmp_path):
    run = judged(tmp_path)
    run.refusals = ["QEMU refuses device_add: no"]
    guest.judge(run, ("groups", "kunit"), "guest-shutdown")
    assert (run.state, run.reasons) == ("fail", run.refusals)


def test_the_initramfs_is_the_same_to_the_byte(tmp_path):
    first = guest.initramfs()
    content = first.read_bytes()
    first.rename(tmp_path / "first.cpio")
    assert guest.initramfs() == first
    assert first.read_bytes() == content


# Guests that are really ill, on a kernel that is not.

def test_a_guest_that_panics_is_a_crash(kernel):
    command = [TOP / "scripts" / "boot", "intel", "--kernel", kernel, "--append", "rdinit=/bin/false"]
    boot = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    assert boot.returncode == 5
    *_, state, folder = boot.stdout.splitlines()
    assert "Kernel panic - not syncing: Attempted to kill init" in boot.stdout
    assert "the console ends with:" in boot.stdout
    assert state == "intel: crash"
    assert (Path(folder) / "console.log").is_file()


def test_a_guest_that_reports_nothing_is_a_timeout(kernel):
    run = guest.boot("intel", kernel, ["groups"], ["rdinit=/bin/sleep", "--", "1000"], guest.Limits(first_byte=15))
    assert run.state == "timeout"
    assert run.reasons == ["no result begun after 15 s"]


def test_a_guest_that_falls_silent_is_a_timeout(kernel):
    run = guest.boot("intel", kernel, ["groups", "../bin/cat"], limits=guest.Limits(silence=8))
    assert run.state == "timeout"
    assert run.reasons == ["silent for 8 s"]
    assert re.findall(r"HLT=(\d)", (run.folder / "processors").read_text()) == ["1", "1"]
    assert run.result.child("groups").ok


# In QEMU's place: its guest goes on, to its end, when QEMU is asked how it is.
MISSED_A_TIMER = """
import json, sys

def say(**message):
    print(json.dumps(message), flush=True)

for line in sys.stdin:
    command = json.loads(line)["execute"]
    say(**{"return": [] if command in ("query-pci", "query-cpus-fast") else {}})
    if command == "query-status":
        say(event="SHUTDOWN", data={"reason": "guest-shutdown"})
"""


def test_a_guest_whose_qemu_missed_a_timer_goes_on(tmp_path):
    command = [sys.executable, "-c", MISSED_A_TIMER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as qemu:
        ended = guest._attend(guest.Monitor(qemu, 5), guest.Run("intel", tmp_path), guest.Limits(first_byte=5))
    assert ended == "guest-shutdown"


def test_a_guest_that_never_ends_is_a_timeout(kernel):
    run = guest.boot("intel", kernel, ["../bin/yes"], limits=guest.Limits(total=12))
    assert run.state == "timeout"
    assert run.reasons == ["not finished after 12 s"]


def test_a_guest_that_switches_off_at_once_has_no_result(kernel):
    run = guest.boot("intel", kernel, ["groups"], ["rdinit=/bin/poweroff", "--", "-f"])
    assert run.state == "no result"


def test_a_boot_is_repeated_by_the_command_that_it_names(kernel):
    more = {"more_qemu": ["-m", "700M"], "accel": guest.AT_ONCE}
    run = guest.boot("intel", kernel, ["groups"], ["iommu=pt", "two words"], **more)
    again = shlex.split(run.again)
    printed = subprocess.run([*again, "--dry-run"], cwd=TOP, stdout=subprocess.PIPE, text=True, check=True).stdout
    first, second = (shlex.split(text) for text in ((run.folder / "command").read_text(), printed))
    end = first.index("-append") + 2
    assert first[:end] == second[:end]
    assert "iommu=pt two words" in first[end - 1] and "700M" in first and guest.AT_ONCE in first


def test_a_shell_by_hand(kernel):
    command = [TOP / "scripts" / "boot", "none", "--kernel", kernel, "--shell"]
    guest_shell = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    watchdog = threading.Timer(90, guest_shell.kill)
    watchdog.start()
    told = b""
    while not told.endswith(b"/ # ") and (byte := guest_shell.stdout.read(1)):
        told += byte
    rest, _ = guest_shell.communicate(b"ls -d /sys/kernel/iommu_group?; exit\r")
    watchdog.cancel()
    assert b"\n/sys/kernel/iommu_groups\r" in rest and b"reboot: Power down" in rest
    assert guest_shell.returncode == 0


def test_a_test_that_is_not_there_fails(kernel):
    run = guest.boot("intel", kernel, ["nosuch"])
    assert run.state == "fail"


def test_a_qemu_that_dies_is_a_crash_with_its_own_words(tmp_path):
    (tmp_path / "bzImage").write_bytes(bytes(4096))
    run = guest.boot("intel", tmp_path, ["groups"])
    assert run.state == "crash"
    assert "kernel" in run.reasons[0]


def test_a_qemu_that_does_not_answer_is_a_timeout(tmp_path, monkeypatch):
    qemu = tmp_path / "qemu-system-x86_64"
    qemu.write_text("#!/bin/sh\nexec sleep 20\n")
    qemu.chmod(0o755)
    (tmp_path / "bzImage").touch()
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(guest, "PROBE_SECONDS", 1)
    run = guest.boot("intel", tmp_path, ["groups"])
    assert (run.state, run.reasons) == ("timeout", ["qemu-system-x86_64 does not answer its monitor in 1 s"])
    assert (run.folder / "verdict").read_text().startswith("timeout\n")


def test_a_device_that_qemu_lacks_is_a_skip_in_its_own_words(kernel, monkeypatch, tmp_path):
    monkeypatch.setattr(guest, "CONFIGS", tmp_path)
    (tmp_path / "future.cfg").write_text('[device "iommu"]\n  driver = "riscv-iommu-pci"\n')
    run = guest.boot("future", kernel, ["groups"])
    assert run.state == "skip"
    assert "'riscv-iommu-pci' is not a valid device model name" in run.reasons[0]


def test_a_property_that_qemu_lacks_is_a_skip_in_its_own_words(monkeypatch, tmp_path):
    monkeypatch.setattr(guest, "CONFIGS", tmp_path)
    (tmp_path / "future.cfg").write_text('[machine]\n  type = "q35"\n[device "iommu"]\n  driver = "intel-iommu"\n  fs1gp = "on"\n')
    assert guest.obstacle("future").endswith("Property 'intel-iommu.fs1gp' not found")


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["intle"], "no machine 'intle'; there are: amd"),
        (["intel", "--kernel", "/nowhere"], "no bzImage in /nowhere"),
        (["intel", "--kernel", "/nowhere", "--tests", "groups,"], "no test ''; there are: abi"),
    ],
)
def test_bad_input_gets_a_sentence(arguments, sentence):
    boot = subprocess.run([TOP / "scripts" / "boot", *arguments], capture_output=True, text=True)
    assert boot.returncode == 2
    assert boot.stderr.startswith(f"boot: {sentence}")
    assert len(boot.stderr.splitlines()) == 1


def test_each_feature_has_tests_in_the_plain_run():
    listed = subprocess.run([TOP / "tests" / "run", "--list"], stdout=subprocess.PIPE, text=True, check=True).stdout
    blocks = [block.splitlines() for block in listed.strip().split("\n\n")]
    assert len(blocks) > 20
    assert [lines[0] for lines in blocks if all(line.endswith(" (--full)") for line in lines[1:])] == []


def test_an_unknown_name_is_refused():
    pytest_command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-qq", "--collect-only", "--name"]
    done = subprocess.run([*pytest_command, "unheard-of-" + "name", "tests"], cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 4
    assert "'unheard-of-name' is no feature and no test has it in its name, see tests/run --list" in done.stdout
