# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""The kernels that the series is made for, as scripts/bases/ describes them, and where things of each are."""

import functools
import itertools
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
BUILD = TOP / "build"
REPOSITORY = BUILD / "linux.git"
DIRECTORY = TOP / "scripts" / "bases"


class UnknownBase(Exception):
    """The text says which bases there are."""


def read_blocks(text):
    """Of a list of patches [(lines of comment, names)] for each block; one begins with a comment or after a blank line."""
    blocks, open_block = [], False
    for line in text.splitlines():
        name = line.partition("#")[0].strip()
        if not line.strip():
            open_block = False
            continue
        if not open_block or (not name and blocks[-1][1]):
            blocks.append(([], []))
            open_block = True
        if name:
            blocks[-1][1].append(name)
        else:
            blocks[-1][0].append(line)
    return blocks


@dataclass(frozen=True, eq=False)
class Base:
    name: str
    recorded: dict

    def __str__(self):
        return self.name

    @property
    def place(self):
        return BUILD / self.name

    @property
    def linux(self):
        return self.place / "linux"

    @property
    def src(self):
        return self.place / "src"

    @property
    def queue(self):
        return TOP / self.recorded["BASE_QUEUE"]

    @property
    def series(self):
        return TOP / self.recorded["BASE_SERIES"]

    @property
    def bare_branch(self):
        return f"base-{self.name}"

    @property
    def branch(self):
        return f"series-{self.name}"

    @property
    def range(self):
        return f"{self.bare_branch}..{self.branch}"

    def patches(self):
        """The paths that the list of patches names, in order."""
        return [self.queue / name for _, names in read_blocks(self.series.read_text()) for name in names]

    def topics(self):
        """Of each topic its patches: of the blocks whose comments begin with its name and a colon."""
        found = {}
        for comment, names in read_blocks(self.series.read_text()):
            word = re.search(r"^# (\w+): ", "\n".join(comment), re.MULTILINE)
            found.setdefault(word and word[1], []).extend(self.queue / name for name in names)
        return found

    def ends_of_blocks(self):
        """The number of the last patch of each block of the list."""
        lengths = [len(names) for _, names in read_blocks(self.series.read_text())]
        return [end for end, length in zip(itertools.accumulate(lengths), lengths) if length]

    def made(self, script, *arguments):
        """The last line of what a script prints for this base, which is the path of what it made."""
        command = [TOP / "scripts" / script, "--base", self.name, *map(str, arguments)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            raise subprocess.CalledProcessError(done.returncode, command)
        return done.stdout.splitlines()[-1]


def version(name):
    return [int(number) for number in name.split(".")]


@functools.cache
def names():
    """Newest first."""
    return sorted((path.name for path in DIRECTORY.glob("[0-9]*")), key=version, reverse=True)


@functools.cache
def named(name):
    if name not in names():
        raise UnknownBase(f"there is no base '{name}'; there are: {' '.join(names())}")
    text = (DIRECTORY / name).read_text()
    return Base(name, dict(re.findall(r"^(BASE_[A-Z0-9_]+)=(.*)$", text, re.MULTILINE)))


def newest():
    return named(names()[0])


def every():
    return [named(name) for name in names()]


def add_option(parser):
    """--base, the one option of all scripts."""
    parser.add_argument(
        "--base", choices=names(), default=names()[0], help=f"{' or '.join(names())} (default: %(default)s)"
    )
