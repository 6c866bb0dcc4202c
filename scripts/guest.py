# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""Boots a kernel on one of the machines in qemu-configs/ and keeps what it reported."""

import difflib
import json
import os
import re
import select
import shlex
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import bases
import verdict

TOP = bases.TOP
CONFIGS = TOP / "qemu-configs"
QUIET_QEMU = ["-no-user-config", "-nodefaults", "-display", "none"]
MONITOR = ["-qmp", "stdio"]
# An emulated timer on a busy host is too slow for the check that the kernel makes of it.
# A scan of a whole machine takes more than RCU's 21 s when the host is busy with others.
KERNEL_WORDS = [
    "ignore_loglevel", "panic=-1", "oops=panic", "no_timer_check", "rcupdate.rcu_cpu_stall_timeout=120",
]  # fmt: skip

# All processors of a guest share a thread of the host: as fast with two guests at a time.  With
# a thread for each, guests hung now and then in CI, those of stock too, waiting for a timer.
IN_TURN = "tcg,thread=single"
# For what only two processors at the same moment can show.
AT_ONCE = "tcg,thread=multi"

# Now and then in CI all processors of a guest wait for a timer that QEMU 7.2 has missed, until
# somebody asks QEMU something.  It is asked when so many seconds have passed.
WAKE_UP = 1

# How long QEMU may take until it has built a machine.
PROBE_SECONDS = 120

# What a machine has without its file naming it, by PCI class; a q35 has all of them.
BUILT_IN = {
    0x0106: "sata",
    0x0600: "host-bridge",
    0x0601: "lpc",
    0x0806: "amd-iommu",
    0x0C05: "smbus",
}


class Unusable(Exception):
    """The caller asked for something that cannot be done; the text says what can."""


@dataclass(frozen=True)
class Architecture:
    """What differs between machines of different processors.  A {} is the file of the results."""

    name: str
    qemu: str
    package: str
    image: str
    words: tuple
    results: tuple
    options: tuple = ()
    built_in: tuple = ()


SERIAL = ("-serial", "file:{}")
X86_64 = Architecture(
    "x86_64", "qemu-system-x86_64", "qemu-system-x86", "bzImage", ("console=ttyS0,115200",), SERIAL,
    built_in=tuple(BUILT_IN.values()),
)  # fmt: skip
# By the type of the machine.  virt has one serial port only, and a processor of 32 bits.
ARCHITECTURES = {
    "q35": X86_64,
    "virt": Architecture(
        "arm64", "qemu-system-aarch64", "qemu-system-arm", "Image", ("console=ttyAMA0", "results=hvc0"),
        ("-chardev", "file,id=results,path={}", "-device", "virtio-serial-device", "-device", "virtconsole,chardev=results"),
        ("-cpu", "cortex-a57"), ("host-bridge",),
    ),
    "pseries": Architecture(
        "powerpc64", "qemu-system-ppc64", "qemu-system-ppc", "vmlinux", ("console=hvc0", "results=hvc1"), SERIAL
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Limits:
    """Seconds until the first result, of silence on both channels, and in total."""

    first_byte: float = 120
    silence: float = 60
    total: float = 300


@dataclass(frozen=True)
class Partition:
    """Which devices share a group, by name; group numbers play no part."""

    groups: frozenset
    ungrouped: frozenset

    def lines(self):
        lines = sorted(" ".join(sorted(group)) for group in self.groups)
        if self.ungrouped:
            lines.append("ungrouped: " + " ".join(sorted(self.ungrouped)))
        return lines


@dataclass
class Run:
    """One boot: its state is pass, fail, skip, timeout, crash or no result."""

    machine: str
    folder: Path
    state: str = "no result"
    reasons: list = field(default_factory=list)
    result: verdict.Result = field(default_factory=verdict.Result)
    console: str = ""
    base: str = field(default_factory=lambda: bases.newest().name)
    again: str = ""
    addresses: dict = field(default_factory=dict)
    served: int = 0
    refusals: list = field(default_factory=list)

    def numbered_groups(self):
        """Group number -> names of its devices, as the test `groups` saw them."""
        groups = {}
        for words in self.result.data():
            if words[0] == "group":
                groups.setdefault(int(words[1]), set()).add(self.name_of(words[2]))
        return groups

    def group_reasons(self):
        """Members of a group -> its reason and its anchor."""
        groups = self.numbered_groups()
        heads = [words[1:] for words in self.result.data() if words[0] == "reason"]
        return {
            frozenset(groups.get(int(number), ())): (reason, self.name_of(anchor)) for number, reason, anchor in heads
        }

    def ungrouped(self):
        return {self.name_of(words[1]) for words in self.result.data() if words[0] == "ungrouped"}

    def partition(self):
        return Partition(
            frozenset(frozenset(group) for group in self.numbered_groups().values()),
            frozenset(self.ungrouped()),
        )

    def differs_from(self, kind):
        """The difference to what NAME.groups, .strict or .stock expects; empty when there is none."""
        expected = expectation(self.machine, kind, self.base)
        if not (expected.exists() and self.result.child("groups")):
            return []
        lines = [read_partition(expected).lines(), self.partition().lines()]
        return list(difflib.unified_diff(*lines, expected.name, "found", lineterm=""))

    def name_of(self, address):
        return self.addresses.get(address, address)

    def listing(self):
        lines = [
            f"group {number:<3} {' '.join(sorted(names))}"
            for number, names in sorted(self.numbered_groups().items())
        ]
        if self.ungrouped():
            lines.append(f"no group  {' '.join(sorted(self.ungrouped()))}")
        return lines


def machines():
    return sorted(path.stem for path in CONFIGS.glob("*.cfg"))


def config_of(machine):
    path = CONFIGS / f"{machine}.cfg"
    if not path.is_file():
        raise Unusable(f"no machine '{machine}'; there are: {' '.join(machines())}")
    return path


def architecture_of(machine):
    found = re.search(r'^\[machine\]\n  type = "(.*)"$', config_of(machine).read_text(), re.MULTILINE)
    return ARCHITECTURES[found[1]] if found else X86_64


def words_of(machine):
    """What the machine's file adds to the kernel command line."""
    found = re.findall(r"^# append: (.*)$", config_of(machine).read_text(), re.MULTILINE)
    return " ".join(found).split()


# The policies, and what they mostly give.
LIKE = {"strict": "groups", "compat": "stock"}


def expectation(machine, kind, base=None):
    """NAME.KIND-BASE is only there where a base differs from NAME.KIND, NAME.strict where it differs
    from NAME.groups, and NAME.compat where it differs from NAME.stock."""
    path = CONFIGS / f"{machine}.{kind}"
    of_base = CONFIGS / f"{path.name}-{base or bases.newest()}"
    if of_base.exists():
        return of_base
    if kind in LIKE and not path.exists():
        return expectation(machine, LIKE[kind], base)
    return path


def read_partition(path):
    """A partition as NAME.groups, NAME.strict and NAME.stock hold it."""
    groups, ungrouped = set(), set()
    for line in path.read_text().splitlines():
        line = line.partition("#")[0].strip()
        head, _, names = line.rpartition(": ")
        if head == "ungrouped":
            ungrouped.update(names.split())
        elif line:
            groups.add(frozenset(names.split()))
    return Partition(frozenset(groups), frozenset(ungrouped))


def read_reasons(path):
    """Members of a group -> its reason and its anchor, as NAME.groups has them before the colon."""
    heads = re.findall(r"^([a-z-]+) (\S+): (.*)$", path.read_text(), re.MULTILINE)
    return {frozenset(names.split()): (reason, anchor) for reason, anchor, names in heads}


def obstacle(machine):
    """Why this QEMU cannot build the machine, in QEMU's words; None when it can."""
    architecture = architecture_of(machine)
    qemu = architecture.qemu
    if shutil.which(qemu) is None:
        raise Unusable(f"{qemu} is missing; install the Debian package {architecture.package}")
    command = [qemu, *architecture.options, "-accel", IN_TURN, *QUIET_QEMU, *MONITOR, "-readconfig", str(config_of(machine)), "-S"]
    quit_at_once = '{"execute": "qmp_capabilities"}\n{"execute": "quit"}\n'
    probe = subprocess.run(command, input=quit_at_once, capture_output=True, text=True, timeout=PROBE_SECONDS)
    if probe.returncode == 0:
        return None
    return (probe.stderr.strip().splitlines() or [f"{qemu} ends with status {probe.returncode}"])[-1]


def programs():
    """What a guest can run as a test: each program of tests/guest."""
    sources = (TOP / "tests" / "guest").iterdir()
    return sorted(path.stem for path in sources if path.suffix in (".c", ".sh") and path.stem != "init")


def initramfs(architecture=X86_64, maker="mkinitramfs", base=None):
    of_architecture = ["--arch", architecture.name] if architecture is not X86_64 else []
    command = [TOP / "scripts" / maker, "--base", str(base or bases.newest()), *of_architecture]
    made = subprocess.run(command, capture_output=True, text=True)
    if made.returncode:
        raise Unusable(f"scripts/{maker} failed: {made.stderr.strip()}")
    return Path(made.stdout.splitlines()[-1])


def with_modules(programs, kernel):
    """The initramfs, with the modules of a kernel that has some; kept beside them."""
    modules = Path(kernel) / "modules.cpio"
    if not modules.is_file():
        return programs
    together = modules.with_name(f"with-{programs.name}").resolve()
    if not together.exists():
        with tempfile.NamedTemporaryFile(dir=modules.parent, delete=False) as file:
            file.write(programs.read_bytes() + modules.read_bytes())
        os.rename(file.name, together)
    return together


def image_in(kernel, architecture=X86_64):
    image = Path(kernel) / architecture.image
    if not image.is_file():
        raise Unusable(f"no {architecture.image} in {kernel}; give the directory that scripts/build prints")
    return image.resolve()


def release_of(image):
    """The version in the header of a bzImage (Documentation/arch/x86/boot.rst), or in the kernel's text."""
    if image.name != "bzImage":
        return re.search(rb"Linux version (\S+) ", image.read_bytes())[1].decode()
    with open(image, "rb") as file:
        file.seek(0x20E)
        file.seek(int.from_bytes(file.read(2), "little") + 0x200)
        return file.read(200).partition(b"\0")[0].decode()


@dataclass(frozen=True)
class Start:
    """What a boot begins with; the words are for the kernel, beside those of every boot."""

    machine: str
    kernel: Path
    words: tuple
    more_qemu: tuple = ()
    accel: str = IN_TURN
    maker: str = "mkinitramfs"
    base: str = field(default_factory=lambda: bases.newest().name)

    def command(self, *channels):
        """QEMU's command line, with options for its monitor, the console and the results."""
        architecture = architecture_of(self.machine)
        image = image_in(self.kernel, architecture)
        initrd = with_modules(initramfs(architecture, self.maker, self.base), self.kernel)
        words = [*architecture.words, *KERNEL_WORDS, *words_of(self.machine), *self.words]
        return [
            architecture.qemu, *architecture.options, "-accel", self.accel, *QUIET_QEMU, "-no-reboot",
            "-readconfig", str(config_of(self.machine)), *self.more_qemu,
            "-kernel", str(image), "-initrd", str(initrd), "-append", " ".join(words), *channels,
        ]  # fmt: skip

    def again(self, tests, append):
        """The call of scripts/boot that does the same."""
        options = {
            "--base": self.base,
            "--kernel": str(self.kernel),
            "--tests": ",".join(tests),
            "--append": shlex.join(append),
            "--qemu-opts": shlex.join(self.more_qemu),
            "--initramfs": self.maker if self.maker != "mkinitramfs" else "",
        }
        words = [f"{option}={value}" for option, value in options.items() if value]
        return shlex.join(["scripts/boot", self.machine, *words, *(["--at-once"] if self.accel == AT_ONCE else [])])


def command_by_hand(machine, kernel, tests, append=(), more_qemu=(), accel=IN_TURN, maker="mkinitramfs", base=None):
    """QEMU's command line with the console on the terminal; without tests a shell is there."""
    architecture = architecture_of(machine)
    if not tests and architecture is not X86_64:
        raise Unusable(f"{machine} has no shell in its initramfs; machines of x86_64 have")
    words = ["tests=" + ",".join(tests)] if tests else ["shell"]
    start = Start(machine, Path(kernel), (*words, *append), tuple(more_qemu), accel, maker, str(base or bases.newest()))
    results = [option.format("result.ktap") for option in architecture.results] if tests else []
    return start.command("-serial", "mon:stdio", *results)


def boot(machine, kernel, tests, append=(), limits=Limits(), more_qemu=(), accel=IN_TURN, maker="mkinitramfs", base=None):
    """Boots, waits for the end, judges; everything is kept in the run's folder."""
    architecture = architecture_of(machine)
    words = "tests=" + ",".join(tests), *append
    start = Start(machine, Path(kernel), words, tuple(more_qemu), accel, maker, str(base or bases.newest()))
    image = image_in(kernel, architecture)
    runs = TOP / "build" / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=time.strftime(f"{machine}-%Y%m%d-%H%M%S-"), dir=runs))
    run = Run(machine, folder, base=start.base, again=start.again(tests, append))

    try:
        run.reasons = list(filter(None, [obstacle(machine)]))
        run.state = "skip" if run.reasons else run.state
    except subprocess.TimeoutExpired:
        # A busy host is no reason to leave a test out
        run.state, run.reasons = "timeout", [f"{architecture.qemu} does not answer its monitor in {PROBE_SECONDS} s"]
    if run.reasons:
        _keep(run)
        return run

    results = [option.format(folder / "result.ktap") for option in architecture.results]
    command = start.command(*MONITOR, "-no-shutdown", "-serial", f"file:{folder / 'console.log'}", *results)
    qemu_version = subprocess.run([architecture.qemu, "--version"], capture_output=True, text=True).stdout
    (folder / "command").write_text(shlex.join(command) + "\n")
    (folder / "again").write_text(run.again + "\n")
    (folder / "versions").write_text(f"kernel {release_of(image)}\n{qemu_version.splitlines()[0]}\n")

    with open(folder / "qemu.log", "w", encoding="utf-8") as log:
        qemu = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
        try:
            ended = _attend(Monitor(qemu, limits.silence), run, limits)
        except MonitorLost:
            qemu.kill()
            last_words = (folder / "qemu.log").read_text().strip().splitlines()[-1:]
            ended = ": ".join([f"QEMU is lost, status {qemu.wait()}", *last_words])
        finally:
            qemu.kill()
            qemu.wait()
    judge(run, tests, ended)
    _keep(run)
    return run


class MonitorLost(Exception):
    """QEMU has ended, or does not answer."""


class Monitor:
    """QMP over QEMU's standard input and output; an answer may take some seconds."""

    def __init__(self, qemu, patience):
        self.qemu = qemu
        self.patience = patience
        self.events = {}
        self._received = b""
        self._answers = []
        self.execute("qmp_capabilities")

    def execute(self, command, **arguments):
        request = {"execute": command, "arguments": arguments}
        try:
            self.qemu.stdin.write(json.dumps(request).encode() + b"\n")
            self.qemu.stdin.flush()
        except BrokenPipeError as error:
            raise MonitorLost from error
        deadline = time.monotonic() + self.patience
        while not self._answers:
            if time.monotonic() > deadline:
                raise MonitorLost
            self.listen(1)
        answer = self._answers.pop()
        if "error" in answer:
            raise RuntimeError(f"QEMU refuses {command}: {answer['error']['desc']}")
        return answer["return"]

    def listen(self, seconds):
        """Takes in what QEMU says within that time."""
        if not select.select([self.qemu.stdout], [], [], seconds)[0]:
            return
        received = os.read(self.qemu.stdout.fileno(), 65536)
        if not received:
            raise MonitorLost
        *lines, self._received = (self._received + received).split(b"\n")
        for message in map(json.loads, lines):
            if "event" in message:
                self.events[message["event"]] = message.get("data", {})
            elif "QMP" not in message:
                self._answers.append(message)


def _attend(monitor, run, limits):
    """Watches the guest to its end, which it returns as QEMU's reason or as a sentence."""
    channels = [run.folder / "console.log", run.folder / "result.ktap"]
    started = last_heard = last_asked = time.monotonic()
    heard = 0
    while True:
        monitor.listen(0.05)
        if time.monotonic() - last_asked > WAKE_UP:
            last_asked = time.monotonic()
            monitor.execute("query-status")
        ended = monitor.events.get("SHUTDOWN")
        sizes = [path.stat().st_size if path.exists() else 0 for path in channels]
        if sizes[1]:
            _serve(monitor, run)
        # Firmware has given the buses their numbers by now, and the guest those that came later.
        if ended or (sizes[1] and not run.addresses):
            run.addresses.update(_names_below_host_bridges(monitor.execute("query-pci")))
        if ended:
            return ended["reason"]
        now = time.monotonic()
        if sum(sizes) > heard:
            heard, last_heard = sum(sizes), now
        if now - started > limits.total:
            ended = f"timeout: not finished after {limits.total:g} s"
        elif not sizes[1] and now - started > limits.first_byte:
            ended = f"timeout: no result begun after {limits.first_byte:g} s"
        elif now - last_heard > limits.silence:
            ended = f"timeout: silent for {limits.silence:g} s"
        if ended:
            _keep_processors(monitor, run)
            return ended


def _keep_processors(monitor, run):
    """Where the processors of a guest that hangs are, and what their timers wait for."""
    texts = []
    for processor in monitor.execute("query-cpus-fast"):
        number = processor["cpu-index"]
        for line in ("info registers", "info lapic"):
            told = monitor.execute("human-monitor-command", **{"command-line": line, "cpu-index": number})
            texts.append(f"processor {number}, {line}:\n{told}")
    (run.folder / "processors").write_text("\n".join(texts))


REQUEST = re.compile(r" *# host: (\S+) (\{.*\})\r?\n")


def _serve(monitor, run):
    """Does what the guest has asked for by now (tests/guest/host.h)."""
    with open(run.folder / "result.ktap", errors="replace", newline="\n") as report:
        report.seek(run.served)
        while (line := report.readline()).endswith("\n"):
            run.served = report.tell()
            asked = REQUEST.fullmatch(line)
            if not asked:
                continue
            command, arguments = asked.groups()
            try:
                monitor.execute(command, **json.loads(arguments))
            except (RuntimeError, ValueError) as error:
                run.refusals.append(f"{error}, asked for {arguments}")


def _names_below_host_bridges(buses):
    """Address -> name.  Each host bridge with a bus 0 has a domain; QEMU tells the last one first."""
    names, domains = {}, sum(bus["bus"] == 0 for bus in buses)
    for bus in buses:
        domains -= bus["bus"] == 0
        names.update(_names(bus["devices"], domains if bus["bus"] == 0 else 0))
    return names


def _names(devices, domain):
    """Address -> name for the devices of a bus in a query-pci answer and all behind them."""
    names = {}
    for device in devices:
        address = f"{domain:04x}:{device['bus']:02x}:{device['slot']:02x}.{device['function']}"
        names[address] = device["qdev_id"] or BUILT_IN.get(device["class_info"]["class"], address)
        names.update(_names(device.get("pci_bridge", {}).get("devices", []), domain))
    return names


def judge(run, tests, ended):
    """Sets state and reasons from how the guest ended and what it left in its folder."""
    try:
        run.console = (run.folder / "console.log").read_text(errors="replace")
        report = (run.folder / "result.ktap").read_text(errors="replace")
    except OSError as error:
        run.state, run.reasons = "fail", [f"unreadable log: {error}"]
        return
    run.result = verdict.parse(report)
    failures = run.result.failures() + run.refusals
    reported = [child.name for child in run.result.children]
    if reported != list(tests):
        failures.append(f"asked for the tests {' '.join(tests)}, got {' '.join(reported) or 'none'}")
    failures += [f"{c.name}: no checks" for c in run.result.children if not c.children and not c.skip]
    splats = [f"console: {line}" for line in verdict.splats(run.console)]
    if not run.console.strip():
        splats.append("console: empty, so nothing says that the kernel was well")

    if verdict.panicked(run.console) or ended.startswith("QEMU"):
        run.state, run.reasons = "crash", [f"ended: {ended}", *splats]
    elif ended.startswith("timeout: "):
        run.state, run.reasons = "timeout", [ended.removeprefix("timeout: "), *splats]
    elif not run.result.children:
        run.state, run.reasons = "no result", [f"ended: {ended}", *failures, *splats]
    elif ended != "guest-shutdown":
        run.state, run.reasons = "crash", [f"ended: {ended}", *failures, *splats]
    elif failures or splats:
        run.state, run.reasons = "fail", failures + splats
    elif all(child.skip for child in run.result.children):
        run.state, run.reasons = "skip", [f"{c.name}: {c.skip}" for c in run.result.children]
    else:
        run.state = "pass"


def _keep(run):
    (run.folder / "verdict").write_text("\n".join([run.state, *run.reasons]) + "\n")
    (run.folder / "groups.txt").write_text("".join(f"{line}\n" for line in run.listing()))
    if not run.result.child("groups"):
        return
    for kind in ("groups", "strict", "stock"):
        (run.folder / f"{kind}.diff").write_text("".join(f"{line}\n" for line in run.differs_from(kind)))


def console_tail(run, lines=15):
    return run.console.splitlines()[-lines:]
