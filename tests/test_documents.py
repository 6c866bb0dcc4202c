# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""The documents on groups: Sphinx finds nothing in them, and that for administrators has every reason and every line of the log."""

import functools
import os
import re
import shutil
import subprocess

import bases
import pytest

INDEX = "driver-api/index"
DOCUMENT = "driver-api/iommu-groups"
PATH = f"Documentation/{DOCUMENT}.rst"
# That for administrators; an older base may have it in the other one
ADMIN_INDEX = "admin-guide/index"
ADMIN = "admin-guide/iommu-groups"
ABI = "Documentation/ABI/testing/sysfs-kernel-iommu_groups"
INCLUDES = "Documentation/sphinx-includes"
SPHINX = [f"Documentation/{INDEX}.rst", "Documentation/conf.py", "Documentation/sphinx", "scripts/kernel-doc"]
# What scripts/kernel-doc is made of, on a base that has these.
SPHINX_IF_THERE = ["tools/docs", "tools/lib/python", "tools/net/ynl/pyynl", "MAINTAINERS", "Documentation/ABI", INCLUDES]
# An extension looks for a folder whose name begins so.
PAGES = "Documentation-pages"


def git(*arguments, **more):
    return subprocess.run(["git", "-C", bases.REPOSITORY, *arguments], stdout=subprocess.PIPE, check=True, **more).stdout


@functools.cache
def text_of(base, path):
    return git("show", f"{base.branch}:{path}", text=True)


def shown_files(base):
    """The files whose kernel-doc comments are part of the document."""
    return sorted(set(re.findall(r"^\.\. kernel-doc:: (\S+)$", text_of(base, PATH), re.MULTILINE)))


def has_admin(base):
    return bool(git("ls-tree", base.branch, f"Documentation/{ADMIN}.rst"))


def admin_text(base):
    return text_of(base, f"Documentation/{ADMIN}.rst" if has_admin(base) else PATH)


def pages(base):
    return [INDEX, DOCUMENT, *([ADMIN_INDEX, ADMIN] if has_admin(base) else [])]


@pytest.fixture
def tree(base, tmp_path):
    """What Sphinx needs for the document and for the index that leads to it."""
    there = git("ls-tree", "--name-only", base.branch, *SPHINX_IF_THERE, text=True).split()
    paths = [f"Documentation/{name}.rst" for name in pages(base)]
    archive = git("archive", base.branch, *paths, *SPHINX, *there, *shown_files(base))
    subprocess.run(["tar", "-C", tmp_path, "-x"], input=archive, check=True)
    source = tmp_path / PAGES
    for name in pages(base):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(tmp_path / "Documentation" / f"{name}.rst", source / f"{name}.rst")
    if (tmp_path / INCLUDES).exists():
        shutil.copytree(tmp_path / INCLUDES, source / INCLUDES)
    return tmp_path


def shown_names(text):
    """The functions and types that the document asks for by name."""
    lists = re.findall(r"^   :identifiers: (.*(?:\n\t\t .*)*)$", text, re.MULTILINE)
    return " ".join(lists).split()


def complaints(base, tree):
    """What the kernel's set-up of Sphinx says of the document, what kernel-doc says of the comments it shows, and what it omits."""
    settings = {
        "master_doc": INDEX,
        "kerneldoc_srctree": tree,
        "kerneldoc_bin": tree / "scripts" / "kernel-doc",
        "version": "6",
        "release": "6",
    }
    command = ["sphinx-build", "-q", "-b", "html", "-c", "Documentation", "-d", "doctrees"]
    for name, value in settings.items():
        command += ["-D", f"{name}={value}"]
    environment = {**os.environ, "srctree": str(tree)}
    done = subprocess.run([*command, PAGES, "html"], cwd=tree, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert (tree / "html" / f"{DOCUMENT}.html").exists(), done.stdout[-3000:]
    named = "|".join(map(re.escape, [DOCUMENT, ADMIN, *shown_files(base)]))
    pattern = rf"({named})\b.*\b(warning|error|severe)\b"
    found = [line for line in done.stdout.splitlines() if re.search(pattern, line, re.IGNORECASE)]
    # 7.3's Sphinx does not pass on what kernel-doc says of the names that a document asks for.
    done = subprocess.run(["scripts/kernel-doc", "-none", *shown_files(base)], cwd=tree, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    found += done.stdout.splitlines()
    # For a name without a comment there is no warning.
    html = (tree / "html" / f"{DOCUMENT}.html").read_text()
    names = shown_names((tree / PAGES / f"{DOCUMENT}.rst").read_text())
    return found + [f"{name} is not shown" for name in names if f'id="c.{name}"' not in html]


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_sphinx_is_content(base, tree):
    assert complaints(base, tree) == []
    assert 'id="c.iommu_group_register_notifier"' in (tree / "html" / f"{DOCUMENT}.html").read_text()
    assert "iommu_group_get_by_key" in shown_names(text_of(base, PATH))


FAULTS = {
    "reference": (f"{PAGES}/{DOCUMENT}.rst", "\nLifetime\n", "\nSee :ref:`nowhere`.\n\nLifetime\n", "undefined label: 'nowhere'"),
    "title": (f"{PAGES}/{DOCUMENT}.rst", "\nLifetime\n--------\n", "\nLifetime\n-----\n", "Title underline too short"),
    "comment": (
        "drivers/iommu/group/events.c",
        " * iommu_group_register_notifier - be told of what happens in a group\n * @group: a group",
        " * iommu_group_register_notifier - be told of what happens in a group\n * @groop: a group",
        "'group' not described",
    ),
    "function": (f"{PAGES}/{DOCUMENT}.rst", ":identifiers: pci_group_key", ":identifiers: pci_group_quay", "pci_group_quay is not shown"),
    "index": (f"{PAGES}/{INDEX}.rst", "   iommu-groups\n", "", "isn't included in any toctree"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_sphinx_sees_a_fault(base, tree, fault):
    path, old, new, finding = FAULTS[fault]
    edit(tree / path, old, new)
    assert finding in "\n".join(complaints(base, tree))


def test_files_that_it_names_are_there(base):
    named = set(re.findall(r"\b(?:Documentation|drivers|include)/[\w/-]+(?:\.\w+)*", text_of(base, PATH)))
    listed = git("ls-tree", "-r", "-t", "--name-only", base.branch, *named, text=True)
    assert named - set(listed.splitlines()) == set()


def test_every_reason_is_explained(base):
    words = re.findall(r"^\t\[IOMMU_GROUP_REASON_\w+\]\s*= \"(.*)\",$", text_of(base, "drivers/iommu/group/sysfs.c"), re.MULTILINE)
    assert len(words) > 1
    assert set(words) == set(re.findall(r"^   \* - ``([a-z-]+)``$", admin_text(base), re.MULTILINE))
    # That of a group without devices is not in the table
    assert {*words} == set(re.findall(r"^\t\t([a-z-]+)\n\t\t\t", text_of(base, ABI), re.MULTILINE)) - {"unknown"}


LOGS = re.compile(r"\b(?:pr|dev|pci)_(?:emerg|alert|crit|err|warn|notice|info)(?:_once|_ratelimited)?\(")
STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')


def calls(text):
    """The calls of a source that log something, each in one line."""
    for match in LOGS.finditer(text):
        # A bracket inside of a string does not count
        code = STRING.sub(lambda string: "".join("_" if character in "()" else character for character in string[0]), text)
        end, depth = match.end(), 1
        while depth:
            depth += {"(": 1, ")": -1}.get(code[end], 0)
            end += 1
        yield " ".join(text[match.start() : end].split())


def source_of(branch, path):
    done = subprocess.run(["git", "-C", bases.REPOSITORY, "show", f"{branch}:{path}"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return done.stdout


def logged_by_the_series(base):
    """The strings of each call that only the series has; the first is the format."""
    changed = git("diff", "--name-only", base.bare_branch, base.branch, "--", "drivers/*.c", text=True).split()
    for path in changed:
        if "/tests/" not in path:
            before = set(calls(source_of(base.bare_branch, path)))
            yield from (STRING.findall(call) for call in calls(source_of(base.branch, path)) if call not in before)


def expression(text):
    """What a string of the source is as it is logged."""
    parts = re.split(r"%[a-z]+", text.removesuffix("\\n").strip())
    return r".*?".join(r"\s+".join(map(re.escape, part.split(" "))) for part in parts)


def test_every_line_of_the_log_is_explained():
    base = bases.newest()
    lines = [strings for strings in logged_by_the_series(base)]
    assert len(lines) > 20
    quoted = " ".join(" ".join(text.split()) for text in re.findall(r"``(.+?)``", admin_text(base), re.DOTALL))
    missing = [text for strings in lines for text in strings if not re.search(expression(text), quoted)]
    assert missing == []


def test_the_parameter_has_the_words_of_the_code():
    base = bases.newest()
    words = re.findall(r"^\t\[PCI_GROUP_ACS_\w+\]\s*= \"(\w+)\",$", text_of(base, "drivers/iommu/group/pci.c"), re.MULTILINE)
    parameter = text_of(base, "Documentation/admin-guide/kernel-parameters.txt")
    entry = re.search(r"^\tiommu\.group_acs=\n((?:\t\t\t.*\n)+)", parameter, re.MULTILINE)[1]
    assert len(words) == 3 and "Format: { %s }" % " | ".join(f'"{word}"' for word in words) in entry
    assert re.findall(r"^\t\t\t(\w+) - ", entry, re.MULTILINE) == words
    assert set(words) <= set(re.findall(r"^``(\w+)``  +\S", admin_text(base), re.MULTILINE))
