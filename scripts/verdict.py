# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""What a guest's console and result channel say: the splat gate and the KTAP parser."""

import re
from dataclasses import dataclass, field

SPLATS = re.compile(
    r"""
      WARNING:\ | BUG:\ | kernel\ BUG\ at | \bOops\b | Kernel\ panic | Call\ Trace:
    | -\[\ cut\ here\ \]-
    | KASAN: | KCSAN: | KFENCE: | UBSAN:
    | general\ protection\ fault | double\ fault: | divide\ error: | invalid\ opcode:
    | [Uu]nable\ to\ handle\ (kernel|page\ fault)
    | INFO:\ task\ .*\ blocked\ for\ more\ than
    | INFO:\ (possible|suspicious|trying\ to\ register\ non-static\ key)
    | possible\ .*\ locking\ | DEBUG_LOCKS_WARN_ON
    | INFO:\ rcu_\w+\ .*stall | hard\ LOCKUP
    | refcount_t: | list_(add|del)\ corruption | unreferenced\ object
    """,
    re.VERBOSE,
)
# Of an allocation that the program fail_nth makes fail the kernel warns with a stack.
FAILED_ON_PURPOSE = re.compile(r"\bfail_nth: vmalloc error: .*, mode:")
LINES_TO_STACK = 4
PANIC = re.compile(r"Kernel panic|\bOops\b|kernel BUG at")


def splats(console):
    """The lines of a console log that report a defect of the kernel."""
    found, expected = [], 0
    for line in console.splitlines():
        if FAILED_ON_PURPOSE.search(line):
            expected = LINES_TO_STACK
        elif expected and line.endswith("Call Trace:"):
            expected = 0
        elif SPLATS.search(line):
            found.append(line.strip())
        else:
            expected = max(expected - 1, 0)
    return found


def panicked(console):
    return PANIC.search(console) is not None


@dataclass
class Result:
    """One line of KTAP with the subtests that stand before it; the root has no line."""

    name: str = ""
    ok: bool = True
    skip: str | None = None
    children: list["Result"] = field(default_factory=list)
    diagnostics: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def walk(self, above=""):
        """Itself and all below as (path, result)."""
        path = f"{above}/{self.name}" if above else self.name
        yield path, self
        for child in self.children:
            yield from child.walk(path)

    def failures(self):
        """One sentence for everything that did not pass."""
        found = []
        for path, result in self.walk():
            where = f"{path}: " if path else ""
            found += [where + problem for problem in result.problems]
            if not result.ok:
                found.append(f"{path}: not ok")
        return found

    def child(self, name):
        return next((c for c in self.children if c.name == name), None)

    def data(self):
        """The "# data: ..." lines of itself and all below, each as a list of words."""
        prefix = "data: "
        return [
            line[len(prefix):].split()
            for _, result in self.walk()
            for line in result.diagnostics
            if line.startswith(prefix)
        ]


RESULT = re.compile(r"(ok|not ok) (\d+)(?: (?:- )?(.*?))?(?: # SKIP ?(.*))?$")
PLAN = re.compile(r"1\.\.(\d+)(?: # SKIP ?(.*))?$")
INDENT = "    "
# KUnit announces no plan for the parameters of a case: test, suite, case, parameter.
DEPTH_WITHOUT_PLAN = 3


def parse(text):
    """The tree of results in a KTAP report; what is wrong with it stands in .problems."""
    root = Result()
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    rest = _block(lines, 0, "", root)
    if text and not text.endswith("\n"):
        root.problems.append("cut off in its last line")
    root.problems += [f"unexpected line '{line}'" for line in lines[rest:]]
    return root


def _block(lines, at, indent, parent):
    """Reads one level of indentation into parent, returns the first line after it."""
    planned = None
    versions = 0
    below = Result()
    while at < len(lines):
        line = lines[at]
        if not line.startswith(indent):
            break
        if line.startswith(indent + INDENT):
            at = _block(lines, at, indent + INDENT, below)
            continue
        text = line[len(indent):]
        at += 1
        if text == "KTAP version 1":
            versions += 1
        elif text.startswith("# "):
            if not text.startswith("# Subtest: "):
                parent.diagnostics.append(text[2:])
        elif match := PLAN.fullmatch(text):
            if planned is not None:
                parent.problems.append("two plans")
            planned = int(match[1])
            if match[2] is not None:
                parent.skip = match[2] or "no reason given"
        elif match := RESULT.fullmatch(text):
            result = below
            below = Result()
            result.ok = match[1] == "ok"
            result.name = match[3] or match[2]
            if match[4] is not None:
                result.skip = match[4] or "no reason given"
            parent.children.append(result)
            if int(match[2]) != len(parent.children):
                result.problems.append(f"has number {match[2]}, should be {len(parent.children)}")
            if result.ok and any(not child.ok for child in result.children):
                result.problems.append("says ok, but a subtest is not ok")
        elif text.startswith("Bail out!"):
            parent.problems.append(text)
    if below.children or below.problems:
        below.name = "unfinished"
        below.problems.append("has no result line")
        parent.children.append(below)
    if versions != 1 and not indent:
        parent.problems.append(f"{versions} lines 'KTAP version 1', should be one")
    if planned is None and len(indent) < DEPTH_WITHOUT_PLAN * len(INDENT):
        parent.problems.append("no plan")
    elif planned is not None and planned != len(parent.children):
        parent.problems.append(f"{planned} checks announced, {len(parent.children)} made")
    return at
