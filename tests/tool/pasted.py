# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""What mail programs, forums and people do to a text; `census --changes' and the tests use it."""

import random
import re

WIDTHS = (66, 72, 76, 78)
MARKS = ("[...]", "...", "[snip]", "<snip>", "--- snip ---", "\u2026", "[ 12 lines omitted ]", "--", "[cut]")


def lines_of(text):
    return text.replace("\r\n", "\n").split("\n")


def wrap_line(line, width, after_space):
    """Broken at spaces; what follows begins at the margin."""
    parts, rest = [], line.rstrip()
    while len(rest.expandtabs(8)) > width:
        indent = len(rest) - len(rest.lstrip())
        # The last space at which the part is not too long
        spaces = [at for at, c in enumerate(rest) if c == " " and at > indent and len(rest[:at].expandtabs(8)) <= width]
        if not spaces:
            break
        parts.append(rest[: spaces[-1]] + (" " if after_space else ""))
        rest = rest[spaces[-1] + 1 :]
    return [*parts, rest]


def wrap(text, width, after_space=False):
    return "\n".join(part for line in lines_of(text) for part in wrap_line(line, width, after_space))


def wrap_words(text, width):
    """As a terminal does, in the middle of words."""
    result = []
    for line in lines_of(text):
        line = line.expandtabs(8)
        result += [line[at : at + width] for at in range(0, len(line), width)] or [""]
    return "\n".join(result)


def prefix(text, mark):
    return "\n".join(mark + line if line else mark.rstrip() for line in lines_of(text))


def number(text, form="{:6}\t"):
    return "\n".join(form.format(at + 1) + line for at, line in enumerate(lines_of(text)))


def stamp(text):
    return "\n".join(f"[{12.5 + at / 1000:12.6f}] {line}" for at, line in enumerate(lines_of(text)))


def journal(text):
    return "\n".join(f"Nov  3 01:02:{at % 60:02} host lspci[77]: {line}" for at, line in enumerate(lines_of(text)))


def quoted_printable(text):
    result = []
    for line in lines_of(text):
        line = line.replace("=", "=3D").replace("\t", "=09")
        while len(line) > 75:
            at = 72
            while "=" in line[at - 2 : at]:
                at -= 1
            result.append(line[:at] + "=")
            line = line[at:]
        result.append(line)
    return "\n".join(result)


def html(text):
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def elide(text, seed, most=30):
    """Some lines in a row are replaced by a mark, in one to three places."""
    chance = random.Random(seed)
    lines = lines_of(text)
    first = next((at for at, line in enumerate(lines) if re.match(r"[> ]*([0-9a-f]{4,}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7][ /]", line)), 0)
    for _ in range(chance.randint(1, 3)):
        if len(lines) < first + 3:
            break
        at = chance.randrange(first + 1, len(lines))
        end = min(len(lines), at + chance.randint(1, most))
        lines[at:end] = [chance.choice(["", "\t", "\t\t"]) + chance.choice(MARKS)]
    return "\n".join(lines)


# Nothing is lost by these
CHANGES = {
    **{f"wrapped at {width}": lambda text, width=width: wrap(text, width) for width in WIDTHS},
    **{f"wrapped at {width} behind spaces": lambda text, width=width: wrap(text, width, True) for width in WIDTHS},
    **{f"quoted and wrapped at {width}": lambda text, width=width: wrap(prefix(text, "> "), width) for width in WIDTHS},
    **{f"wrapped at {width} and quoted": lambda text, width=width: prefix(wrap(text, width), "> ") for width in WIDTHS},
    "wrapped twice": lambda text: prefix(wrap(prefix(wrap(text, 76), "> "), 72), "> "),
    "bars": lambda text: prefix(text, "| "),
    "plus signs": lambda text: prefix(text, "+ "),
    "added lines": lambda text: prefix(text, "+"),
    "initials": lambda text: prefix(text, "AB> "),
    "comments": lambda text: prefix(text, "# "),
    "quoted": lambda text: prefix(text, "> "),
    "quoted thrice": lambda text: prefix(text, ">>> "),
    "numbered": number,
    "numbered as by grep": lambda text: number(text, "{}:"),
    "numbered and quoted": lambda text: prefix(number(text), "> "),
    "kernel log": stamp,
    "journal": journal,
    "UTF-16": lambda text: ("\ufeff" + text).encode("utf-16-le"),
    "UTF-16, big": lambda text: ("\ufeff" + text).encode("utf-16-be"),
    "UTF-16 without a mark": lambda text: text.encode("utf-16-le"),
    "raw mail": quoted_printable,
    "HTML": html,
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "double spaced": lambda text: text.replace("\n", "\n\n"),
    "colors": lambda text: re.sub(r"(ACSCtl|IOMMU)", "\x1b[01;31m\x1b[K\\1\x1b[m\x1b[K", text),
    "box": lambda text: "\n".join(f"\u2502 {line}" for line in lines_of(text)),
}
# By these something is, or may be if too few lines show how they were broken
ELISIONS = {
    **{f"broken in words at {width}": lambda text, width=width: wrap_words(text, width) for width in (66, 80, 100)},
    **{f"elided, {seed}": lambda text, seed=seed: elide(text, seed) for seed in range(12)},
}


def encoded(text):
    return text.encode() if isinstance(text, str) else text
