# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""iommu-groups --dot: what is drawn, and that Graphviz would read it."""

import re
import shutil
import subprocess

import pytest
from lspci_output import Function, both, dump
from test_texts import EXAMPLES, grouped, rp
from tool import AGREE, TROUBLE, run

STRING = r'"(?:[^"\\]|\\.)*"'
NAME = rf"(?:[A-Za-z_][A-Za-z_0-9]*|-?[0-9.]+|{STRING})"
ATTRIBUTE = rf"{NAME}={NAME}"
LIST = rf"\[{ATTRIBUTE}(?:, {ATTRIBUTE})*\]"
# The part of the language that is used, a line each
LINES = re.compile(
    rf"//.*|digraph {STRING} \{{|subgraph {NAME} \{{|\}}|(?:{ATTRIBUTE}; ?)+|{NAME} {LIST};|{NAME} -> {NAME} {LIST};"
)


def dot(text, *arguments):
    done = run("--dot", "--dump", "-", *arguments, text=text)
    assert done.returncode == AGREE, done.stderr
    depth = 0
    for line in done.stdout.splitlines():
        assert LINES.fullmatch(line.strip()), line
        depth += line.endswith("{") - line.strip().startswith("}")
        assert depth >= 0
    assert depth == 0
    if shutil.which("dot"):
        drawn = subprocess.run(["dot", "-Tsvg"], input=done.stdout, capture_output=True, text=True)
        assert drawn.returncode == 0 and "</svg>" in drawn.stdout and not drawn.stderr
    return done.stdout


def nodes(drawing):
    """By the name of the node, address and all of the label."""
    found = re.findall(rf"^ +(f[0-9]+) \[label=({STRING})(.*)\];$", drawing, re.MULTILINE)
    return {name: (re.match(r'"([0-9a-f:.]+)', label)[1], label, rest) for name, label, rest in found}


def boxes(drawing):
    return {
        frozenset(re.findall(r'\[label="([0-9a-f:.]+)', box)) for box in re.findall(r"subgraph .*?\n  \}", drawing, re.DOTALL)
    }


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example(name):
    functions = EXAMPLES[name][0]
    drawing = dot(dump(functions, both))
    assert sorted(address for address, *_ in nodes(drawing).values()) == sorted(fn.full_address for fn in functions)
    # One box for each set of the rule
    assert set.union(*map(set, boxes(drawing))) == {fn.full_address for fn in functions}


def test_groups_ports_and_sets():
    """E06 as 6.12 groups it: the port that lacks ACS, and what safe adds to the groups."""
    text = dump(grouped("E06", "{B,D2}"))
    drawing = dot(text)
    found = {address: (name, label, rest) for name, (address, label, rest) in nodes(drawing).items()}
    assert frozenset({"0000:02:01.0", "0000:04:00.0"}) in boxes(drawing) and 'label="group 4"' in drawing
    _, label, rest = found["0000:02:01.0"]
    assert "downstream port" in label and "has no ACS capability" in label and 'color="red"' in rest
    assert [address for address, (_, _, rest) in found.items() if "red" in rest] == ["0000:02:01.0"]
    assert r"\n[example]" in label
    names = [found[address][0] for address in ("0000:02:00.0", "0000:03:00.0", "0000:02:01.0")]
    dashed = re.findall(r"(f[0-9]+) -> (f[0-9]+) \[style=dashed", drawing)
    assert len(dashed) == 2 and {*sum(dashed, ())} <= {*names, found["0000:04:00.0"][0]}
    assert "style=dashed" not in dot(text, "--policy", "compat")
    links = re.findall(r"(f[0-9]+) -> (f[0-9]+) \[arrowhead", drawing)
    assert (found["0000:02:01.0"][0], found["0000:04:00.0"][0]) in links and len(links) == 5


def test_what_is_not_known_is_orange():
    functions = grouped("E01", "{A,RP}")
    functions[0].hidden = True
    assert 'color="orange"' in dot(dump(functions)) and 'color="red"' not in dot(dump(functions))


def test_names_that_end_strings():
    functions = [rp("ACS"), Function('x"; evil [label="\\', "01:00.0")]
    assert len(nodes(dot(dump(functions)))) == 2


def test_three_hundred_functions():
    """What stands in one group below one bridge is drawn once; else the picture is higher than any screen."""
    functions = [rp("ACS", last=3), Function("PF", "01:00.0", acs="off", virtual_functions=(298, 0x100, 1))]
    functions += [Function(f"VF{i}", f"{0x200 + i >> 8:02x}:{i >> 3 & 31:02x}.{i & 7}", virtual=True) for i in range(298)]
    drawing = dot(dump(functions, both))
    assert len(nodes(drawing)) == 3 and "0000:02:00.0 and 297 more" in drawing
    assert len(drawing.splitlines()) < 30


def test_once_the_iommu_is_on():
    functions = EXAMPLES["H13"][0]
    assert len(boxes(dot(dump(functions, both), "--what-if", "iommu=on"))) == 4
    assert len(boxes(dot(dump(functions, both)))) == 1


@pytest.mark.parametrize("arguments", [["--json"], ["01:00.0"], ["--verify"], ["--why", "00:01.0", "01:00.0"]])
def test_what_makes_no_sense(arguments):
    done = run("--dot", "--dump", "-", *arguments, text=dump(EXAMPLES["E01"][0]))
    assert done.returncode == TROUBLE and "--dot" in done.stderr and not done.stdout
