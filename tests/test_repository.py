# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""The patches and the scripts that move them: into a tree, out of it, and what they refuse.

The trees here hold only what matters to the patches: the files that they touch, the Makefile
that tells the version, and .gitattributes that tells how to name a function in a diff.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parent.parent
LINUX = TOP / "build" / "linux"
PATCHES = sorted((TOP / "patches").glob("*.patch"))
PACKAGE = "linux-source-6.12"


def run(*command, cwd=None, **environment):
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**os.environ, **{name: str(value) for name, value in environment.items()}},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def must(*command, **options):
    done = run(*command, **options)
    assert done.returncode == 0, done.stdout
    return done.stdout


def refused(*command, **options):
    done = run(*command, **options)
    assert done.returncode != 0, done.stdout
    assert len(done.stdout.splitlines()) == 1, done.stdout
    return done.stdout


def names_in_series(series=TOP / "series"):
    lines = [line.partition("#")[0].strip() for line in series.read_text().splitlines()]
    return [line for line in lines if line]


def old_files():
    """The files that the patches change and do not add."""
    found = {"Makefile", ".gitattributes"}
    for patch in PATCHES:
        found.update(re.findall(r"^--- a/(\S+)$", patch.read_text(), re.MULTILINE))
    added = set()
    for patch in PATCHES:
        added.update(re.findall(r"^--- /dev/null\n\+\+\+ b/(\S+)$", patch.read_text(), re.MULTILINE))
    return sorted(found - added)


def unpack_base(directory):
    directory.mkdir()
    archive = subprocess.run(["git", "archive", "base", *old_files()], cwd=LINUX, stdout=subprocess.PIPE, check=True)
    subprocess.run(["tar", "-C", directory, "-x"], input=archive.stdout, check=True)
    return directory


def files_of(tree):
    paths = [path for path in tree.rglob("*") if path.is_file()]
    relative = {path.relative_to(tree): path for path in paths}
    return {name: path.read_bytes() for name, path in relative.items() if name.parts[0] not in (".git", ".pc")}


def make_git_tree(tree):
    must("git", "init", "-q", "-b", "main", cwd=tree)
    must("git", "add", "-Af", cwd=tree)
    must("git", "-c", "user.name=me", "-c", "user.email=me@localhost", "commit", "-q", "-m", "Linux", cwd=tree)
    return tree


class Copy:
    """A copy of the repository with nothing built, whose kernel is a tree of a few files."""

    def __init__(self, directory):
        self.top = directory / "copy"
        self.top.mkdir()
        self.linux = self.top / "build" / "linux"
        for name in ("scripts", "patches"):
            shutil.copytree(TOP / name, self.top / name)
        shutil.copy(TOP / "series", self.top)
        self.plain = unpack_base(directory / "plain")

    def script(self, name):
        return self.top / "scripts" / name

    def get_tree(self):
        return must(self.script("get-tree"), KERNEL_TREE=self.plain)

    def git(self, *arguments):
        return must("git", *arguments, cwd=self.linux)

    def head(self):
        return self.git("symbolic-ref", "HEAD"), self.git("rev-parse", "HEAD", "base"), self.git("status", "--short")

    def commit(self, author="iommu-groups <iommu-groups@localhost>", message="Change something"):
        with open(self.linux / "Makefile", "a") as makefile:
            makefile.write("# changed\n")
        me = ["-c", "user.name=me", "-c", "user.email=me@localhost"]
        self.git(*me, "commit", "-q", "-a", f"--author={author}", "-m", message)


@pytest.fixture
def copy(tmp_path):
    return Copy(tmp_path)


def test_git_am_and_quilt_give_the_same_files(tmp_path):
    assert PATCHES
    by_git = make_git_tree(unpack_base(tmp_path / "git"))
    who = {"GIT_COMMITTER_NAME": "me", "GIT_COMMITTER_EMAIL": "me@localhost"}
    must("git", "am", *PATCHES, cwd=by_git, **who)
    assert len(must("git", "rev-list", "HEAD", cwd=by_git).split()) == 1 + len(PATCHES)
    by_quilt = unpack_base(tmp_path / "quilt")
    must(
        "quilt", "push", "-a", "--fuzz=0", cwd=by_quilt, QUILT_PATCHES=TOP / "patches", QUILT_SERIES=TOP / "series"
    )
    assert files_of(by_git) == files_of(by_quilt)
    assert files_of(by_git) != files_of(unpack_base(tmp_path / "base"))


def test_export_of_import_changes_no_byte(copy, tmp_path):
    (tmp_path / ".gitconfig").write_text(
        "[format]\nsignature = me\nnumbered = true\nattach = true\n"
        "[diff]\nnoprefix = true\nalgorithm = minimal\nrenames = copies\ncontext = 7\n[core]\nabbrev = 7\n"
    )
    copy.get_tree()
    must(copy.script("import"), HOME=tmp_path)
    for name in names_in_series():
        (copy.top / "patches" / name).unlink()
    must(copy.script("export"), HOME=tmp_path, COLUMNS=200, TZ="Asia/Tokyo", LC_ALL="C.UTF-8")
    assert files_of(copy.top / "patches") == files_of(TOP / "patches")


def test_import_gives_the_same_commits_each_time(copy):
    copy.get_tree()
    must(copy.script("import"))
    first = copy.git("rev-parse", "series")
    copy.commit()
    must(copy.script("import"), "--force")
    assert copy.git("rev-parse", "series") == first


def test_import_keeps_commits_that_were_not_exported(copy):
    copy.get_tree()
    must(copy.script("import"))
    copy.commit()
    before = copy.head()
    assert "scripts/export" in refused(copy.script("import"))
    assert copy.head() == before


def test_import_keeps_changes_that_were_not_committed(copy):
    copy.get_tree()
    (copy.linux / "Makefile").write_text("mine\n")
    assert "not committed" in refused(copy.script("import"))
    assert (copy.linux / "Makefile").read_text() == "mine\n"


def test_patch_that_does_not_apply_is_refused(copy):
    copy.get_tree()
    must(copy.script("import"))
    before = copy.head()
    name = names_in_series()[-1]
    patch = copy.top / "patches" / name
    patch.write_text(re.sub(r"^@@ .*\n ", r"\g<0>not in Linux ", patch.read_text(), flags=re.MULTILINE))
    assert name in refused(copy.script("import"))
    assert copy.head() == before
    assert not (copy.linux / ".git" / "rebase-apply").exists()


def test_patch_that_is_not_there_is_refused(copy):
    copy.get_tree()
    with open(copy.top / "series", "a") as series:
        series.write("\n9999-missing.patch\n")
    assert "9999-missing.patch" in refused(copy.script("import"))
    assert copy.git("branch", "--list", "series") == ""


@pytest.mark.parametrize(
    "version, was", [("VERSION = 7", "VERSION = 6"), ("PATCHLEVEL = 13", "PATCHLEVEL = 12")], ids=["7.12", "6.13"]
)
@pytest.mark.parametrize("is_git", [True, False], ids=["git", "plain"])
def test_tree_that_is_not_6_12_is_refused(copy, is_git, version, was):
    makefile = copy.plain / "Makefile"
    makefile.write_text(makefile.read_text().replace(was, version, 1))
    if is_git:
        make_git_tree(copy.plain)
    assert "needs a Linux 6.12.y tree" in refused(copy.script("get-tree"), KERNEL_TREE=copy.plain)
    assert not copy.linux.exists()


def test_directory_that_is_no_tree_is_refused(copy, tmp_path):
    assert "is not a directory" in refused(copy.script("get-tree"), KERNEL_TREE=tmp_path / "missing")
    (tmp_path / "empty").mkdir()
    assert "no Linux tree" in refused(copy.script("get-tree"), KERNEL_TREE=tmp_path / "empty")
    assert not copy.linux.exists()


def test_own_git_tree_is_taken_and_not_changed(copy):
    make_git_tree(copy.plain)
    before = files_of(copy.plain), must("git", "rev-parse", "HEAD", cwd=copy.plain)
    copy.get_tree()
    must(copy.script("import"))
    assert (files_of(copy.plain), must("git", "rev-parse", "HEAD", cwd=copy.plain)) == before
    assert must("git", "branch", "--list", "series", cwd=copy.plain) == ""


def test_another_tree_does_not_replace_the_first(copy, tmp_path):
    copy.get_tree()
    other = unpack_base(tmp_path / "other")
    assert "made from" in refused(copy.script("get-tree"), KERNEL_TREE=other)


def test_interrupted_unpacking_leaves_no_tree(copy):
    part = copy.top / "build" / "linux.part"
    part.mkdir(parents=True)
    (part / "Makefile").write_text("half of it")
    copy.get_tree()
    assert files_of(copy.linux) == files_of(copy.plain)
    assert not part.exists()


def test_the_tree_is_the_recorded_base():
    recorded = dict(re.findall("^(BASE_[A-Z0-9_]+)=(.*)$", (TOP / "scripts" / "base").read_text(), re.MULTILINE))
    tree = must("git", "rev-parse", "base^{tree}", cwd=LINUX).strip()
    if tree != recorded["BASE_TREE"]:
        pytest.skip(f"build/linux is {must('git', 'log', '-1', '--format=%s', 'base', cwd=LINUX).strip()}")
    tarball = Path(f"/usr/src/{PACKAGE}.tar.xz")
    assert must("sha256sum", tarball).split()[0] == recorded["BASE_SHA256"]
    sublevel = recorded["BASE_VERSION"].rpartition(".")[2]
    assert f"\nSUBLEVEL = {sublevel}\n" in must("git", "show", "base:Makefile", cwd=LINUX)


def offered_versions():
    rows = run("apt-cache", "madison", PACKAGE).stdout.splitlines()
    versions = {row.split("|")[1].strip() for row in rows if "|" in row}
    return sorted(versions, key=lambda version: [int(number) for number in re.findall(r"\d+", version)])


def tarball_of(version):
    """The source of a version of the package, kept under build/."""
    installed = run("dpkg-query", "-W", "-f", "${Version}", PACKAGE).stdout
    if version == installed:
        return Path(f"/usr/src/{PACKAGE}.tar.xz")
    directory = TOP / "build" / "apt" / version
    tarball = directory / f"{PACKAGE}.tar.xz"
    if not tarball.exists():
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        must("apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", f"{PACKAGE}={version}", cwd=directory)
        (package,) = directory.glob("*.deb")
        must("dpkg-deb", "-x", package, directory / "files")
        (directory / "files" / "usr" / "src" / tarball.name).rename(tarball)
        shutil.rmtree(directory / "files")
        package.unlink()
    return tarball


@pytest.mark.parametrize("which", [0, -1], ids=["oldest", "newest"])
def test_applies_to_what_apt_offers(copy, tmp_path, which):
    versions = offered_versions()
    if not versions:
        pytest.skip("apt offers no linux-source-6.12")
    version = versions[which]
    tree = tmp_path / "linux"
    tree.mkdir()
    members = [f"{PACKAGE}/{name}" for name in old_files()]
    must("tar", "-C", tree, "--strip-components=1", "-xf", tarball_of(version), *members)
    told = must(copy.script("get-tree"), KERNEL_TREE=tree)
    assert f"Linux {version.split('-')[0]}" in told
    assert "not the recorded base" in told
    must(copy.script("import"))
    assert len(copy.git("rev-list", "base..series").split()) == len(names_in_series())


def test_export_refuses_another_author(copy):
    copy.get_tree()
    must(copy.script("import"))
    copy.commit(author="Somebody Else <else@localhost>")
    assert "the author must be" in refused(copy.script("export"))
    assert files_of(copy.top / "patches") == files_of(TOP / "patches")


def test_export_refuses_a_sign_off(copy):
    copy.get_tree()
    must(copy.script("import"))
    copy.commit(message="Change something\n\nSigned-off-by: Somebody <somebody@localhost>")
    assert "Signed-off-by" in refused(copy.script("export"))
    assert files_of(copy.top / "patches") == files_of(TOP / "patches")


def test_export_says_what_series_does_not_list(copy):
    copy.get_tree()
    must(copy.script("import"))
    copy.commit(message="Change something")
    done = run(copy.script("export"))
    assert done.returncode != 0
    assert re.search(r"^> \d{4}-Change-something\.patch$", done.stdout, re.MULTILINE)


def test_series_lists_what_is_in_patches():
    assert names_in_series() == [patch.name for patch in PATCHES]


def test_every_block_of_series_says_why():
    blocks = (TOP / "series").read_text().strip().split("\n\n")
    assert [block for block in blocks if not block.startswith("#")] == []


def test_patches_have_the_stable_form():
    for patch in PATCHES:
        first, *rest = patch.read_text().splitlines()
        assert first == "From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001", patch.name
        assert rest[0] == "From: iommu-groups <iommu-groups@localhost>", patch.name
        assert rest[2].startswith("Subject: [PATCH] "), patch.name
        assert not [line for line in rest if line.startswith("Signed-off-by:")], patch.name


def test_maintainers_fragment_is_a_patch():
    lines = (TOP / "MAINTAINERS.fragment").read_text().splitlines()
    files = ["+" + line for line in lines if line.startswith("F:")]
    added = [line for patch in PATCHES for line in patch.read_text().splitlines()]
    assert files and set(files) <= set(added)


# What python compiles, what lspci printed in guests, and what a fuzzer made of that.
NOT_WRITTEN = {"__pycache__", "dumps", "corpus"}


def own_files():
    folders = [TOP / name for name in ("scripts", "tests", "qemu-configs", ".ci")]
    found = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return [TOP / "series", *(path for path in found if not NOT_WRITTEN & set(path.parts))]


def test_every_file_has_its_licence():
    lacking = [path for path in own_files() if "SPDX-License-Identifier: GPL-2.0-only" not in path.read_text()[:300]]
    assert lacking == []


def test_shellcheck():
    scripts = [path for path in own_files() if re.match(r"#!/bin/(ba)?sh|.*\n# shellcheck shell=(ba)?sh", path.read_text())]
    assert {"setup", "get-tree", "import", "export", "build", "demo", "run"} <= {path.name for path in scripts}
    must("shellcheck", "-x", *[path.relative_to(TOP) for path in scripts], cwd=TOP)


@pytest.mark.parametrize(
    "script", [path.name for path in sorted((TOP / "scripts").iterdir()) if os.access(path, os.X_OK) and path.is_file()]
)
def test_help(script):
    assert must(TOP / "scripts" / script, "--help").startswith("usage: ")
