# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""The patches and the scripts that move them: into a tree, out of it, and what they refuse.

The trees here hold only what matters to the patches: the files that they touch, the Makefile
that tells the version, and .gitattributes that tells how to name a function in a diff.
"""

import fcntl
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import bases
import pytest

TOP = Path(__file__).resolve().parent.parent
# All that is here is quick, so it is of both bases.
pytestmark = pytest.mark.older
# The one that takes later versions
on_newest = pytest.mark.parametrize("base", [bases.newest()], indirect=True, ids=str, scope="session")


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


def names_in_series(series):
    lines = [line.partition("#")[0].strip() for line in series.read_text().splitlines()]
    return [line for line in lines if line]


def old_files(base):
    """The files that the patches change and do not add."""
    texts = [patch.read_text() for patch in base.patches()]
    found = {"Makefile", ".gitattributes"}
    found.update(path for text in texts for path in re.findall(r"^--- a/(\S+)$", text, re.MULTILINE))
    added = {path for text in texts for path in re.findall(r"^--- /dev/null\n\+\+\+ b/(\S+)$", text, re.MULTILINE)}
    return sorted(found - added)


def unpack_base(base, directory):
    directory.mkdir()
    archive = subprocess.run(
        ["git", "archive", base.bare_branch, *old_files(base)], cwd=bases.REPOSITORY, stdout=subprocess.PIPE, check=True
    )
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
    """A copy of the repository with nothing built, whose kernels are trees of a few files."""

    def __init__(self, base, directory):
        self.base = base
        self.top = directory / "copy"
        self.top.mkdir()
        self.linux = self.top / "build" / base.name / "linux"
        shutil.copytree(TOP / "scripts", self.top / "scripts")
        for each in bases.every():
            shutil.copytree(each.queue, self.top / each.queue.name)
            shutil.copy(each.series, self.top)
        self.queue = self.top / base.queue.name
        self.series = self.top / base.series.name
        self.plain = unpack_base(base, directory / "plain")

    def command(self, name, *arguments):
        return [self.top / "scripts" / name, "--base", self.base.name, *arguments]

    def get_tree(self):
        return must(*self.command("get-tree"), KERNEL_TREE=self.plain)

    def git(self, *arguments):
        return must("git", *arguments, cwd=self.linux)

    def head(self):
        return self.git("symbolic-ref", "HEAD"), self.git("rev-parse", "HEAD", self.base.bare_branch), self.git("status", "--short")

    def commit(self, author="iommu-groups <iommu-groups@localhost>", message="Change something"):
        with open(self.linux / "Makefile", "a") as makefile:
            makefile.write("# changed\n")
        me = ["-c", "user.name=me", "-c", "user.email=me@localhost"]
        self.git(*me, "commit", "-q", "-a", f"--author={author}", "-m", message)


@pytest.fixture
def copy(base, tmp_path):
    return Copy(base, tmp_path)


def test_git_am_and_quilt_give_the_same_files(base, tmp_path):
    patches = sorted(base.queue.glob("*.patch"))
    assert patches
    by_git = make_git_tree(unpack_base(base, tmp_path / "git"))
    who = {"GIT_COMMITTER_NAME": "me", "GIT_COMMITTER_EMAIL": "me@localhost"}
    must("git", "am", *patches, cwd=by_git, **who)
    assert len(must("git", "rev-list", "HEAD", cwd=by_git).split()) == 1 + len(patches)
    by_quilt = unpack_base(base, tmp_path / "quilt")
    must(
        "quilt", "push", "-a", "--fuzz=0", cwd=by_quilt, QUILT_PATCHES=base.queue, QUILT_SERIES=base.series
    )
    assert files_of(by_git) == files_of(by_quilt)
    assert files_of(by_git) != files_of(unpack_base(base, tmp_path / "base"))


def test_export_of_import_changes_no_byte(copy, tmp_path):
    before = copy.series.read_text()
    (tmp_path / ".gitconfig").write_text(
        "[format]\nsignature = me\nnumbered = true\nattach = true\n"
        "[diff]\nnoprefix = true\nalgorithm = minimal\nrenames = copies\ncontext = 7\n[core]\nabbrev = 7\n"
    )
    copy.get_tree()
    must(*copy.command("import"), HOME=tmp_path)
    for name in names_in_series(copy.series):
        (copy.queue / name).unlink()
    must(*copy.command("export", "--force"), HOME=tmp_path, COLUMNS=200, TZ="Asia/Tokyo", LC_ALL="C.UTF-8")
    assert files_of(copy.queue) == files_of(copy.base.queue)
    assert copy.series.read_text() == before


def test_import_gives_the_same_commits_each_time(copy):
    copy.get_tree()
    must(*copy.command("import"))
    first = copy.git("rev-parse", copy.base.branch)
    copy.commit()
    must(*copy.command("import", "--force"))
    assert copy.git("rev-parse", copy.base.branch) == first


def test_import_keeps_commits_that_were_not_exported(copy):
    copy.get_tree()
    must(*copy.command("import"))
    copy.commit()
    before = copy.head()
    assert "scripts/export" in refused(*copy.command("import"))
    assert copy.head() == before


def test_import_keeps_changes_that_were_not_committed(copy):
    copy.get_tree()
    (copy.linux / "Makefile").write_text("mine\n")
    assert "not committed" in refused(*copy.command("import"))
    assert (copy.linux / "Makefile").read_text() == "mine\n"


def test_patch_that_does_not_apply_is_refused(copy):
    copy.get_tree()
    must(*copy.command("import"))
    before = copy.head()
    name = names_in_series(copy.series)[-1]
    patch = copy.queue / name
    patch.write_text(re.sub(r"^@@ .*\n ", r"\g<0>not in Linux ", patch.read_text(), flags=re.MULTILINE))
    assert name in refused(*copy.command("import"))
    assert copy.head() == before
    assert not Path(copy.git("rev-parse", "--path-format=absolute", "--git-path", "rebase-apply").strip()).exists()


def test_patch_that_is_not_there_is_refused(copy):
    copy.get_tree()
    with open(copy.series, "a") as series:
        series.write("\n9999-missing.patch\n")
    assert "9999-missing.patch" in refused(*copy.command("import"))
    assert copy.git("rev-parse", copy.base.branch) == copy.git("rev-parse", copy.base.bare_branch)


WRONG_VERSIONS = {"7.3": ["6.12", "7.2", "8.0"], "6.12": ["7.3", "6.13", "6.1"]}


def set_version(tree, version):
    makefile = tree / "Makefile"
    text = makefile.read_text()
    for name, number in zip(("VERSION", "PATCHLEVEL"), version.split(".")):
        text = re.sub(rf"^{name} = .*$", f"{name} = {number}", text, count=1, flags=re.MULTILINE)
    makefile.write_text(text)


@pytest.mark.parametrize("which", range(3))
@pytest.mark.parametrize("is_git", [True, False], ids=["git", "plain"])
def test_tree_of_another_version_is_refused(copy, is_git, which):
    version = WRONG_VERSIONS[copy.base.name][which]
    set_version(copy.plain, version)
    if is_git:
        make_git_tree(copy.plain)
    said = refused(*copy.command("get-tree"), KERNEL_TREE=copy.plain)
    assert f"is Linux {version}" in said and f"needs Linux {copy.base}.y" in said
    assert (f"there is --base {version}" in said) == (version in bases.names())
    assert not copy.linux.exists()


@on_newest
def test_tree_of_a_later_version_is_taken_if_all_patches_apply(copy):
    set_version(copy.plain, "7.9")
    assert "Linux 7.9.4 is later than 7.3.y; all patches apply to it" in copy.get_tree()


@on_newest
def test_tree_of_a_later_version_to_which_a_patch_does_not_apply_is_refused(copy):
    set_version(copy.plain, "7.9")
    path = copy.plain / "drivers/iommu/iommu.c"
    path.write_text(path.read_text().replace("iommu", "ommu"))
    said = refused(*copy.command("get-tree"), KERNEL_TREE=copy.plain)
    assert "is Linux 7.9.4, to which 0" in said
    assert not copy.linux.exists()


@pytest.mark.parametrize("is_git", [True, False], ids=["git", "plain"])
@pytest.mark.parametrize("some", [True, False], ids=["some", "all"])
def test_tree_that_has_the_patches_already_is_told_so(copy, is_git, some):
    patches = copy.base.patches()
    for patch in patches[: len(patches) // 2] if some else patches:
        must("patch", "-p1", "-i", patch, cwd=copy.plain)
    if is_git:
        make_git_tree(copy.plain)
    assert "has the patches already" in refused(*copy.command("get-tree"), KERNEL_TREE=copy.plain)
    assert not copy.linux.exists()


def test_directory_that_is_no_tree_is_refused(copy, tmp_path):
    assert "is not a directory" in refused(*copy.command("get-tree"), KERNEL_TREE=tmp_path / "missing")
    (tmp_path / "empty").mkdir()
    assert "no Linux tree" in refused(*copy.command("get-tree"), KERNEL_TREE=tmp_path / "empty")
    assert not copy.linux.exists()


def test_own_git_tree_is_taken_and_not_changed(copy):
    make_git_tree(copy.plain)
    before = files_of(copy.plain), must("git", "rev-parse", "HEAD", cwd=copy.plain)
    copy.get_tree()
    must(*copy.command("import"))
    assert (files_of(copy.plain), must("git", "rev-parse", "HEAD", cwd=copy.plain)) == before
    assert must("git", "branch", "--list", copy.base.branch, cwd=copy.plain) == ""


def test_another_tree_does_not_replace_the_first(copy, tmp_path):
    copy.get_tree()
    other = unpack_base(copy.base, tmp_path / "other")
    assert "made from" in refused(*copy.command("get-tree"), KERNEL_TREE=other)


def test_interrupted_unpacking_leaves_no_tree(copy):
    part = copy.linux.parent / "part"
    part.mkdir(parents=True)
    (part / "Makefile").write_text("half of it")
    copy.get_tree()
    assert files_of(copy.linux) == files_of(copy.plain)
    assert not part.exists()


def test_the_tree_is_the_recorded_base(base):
    recorded = base.recorded
    tree = must("git", "rev-parse", f"{base.bare_branch}^{{tree}}", cwd=bases.REPOSITORY).strip()
    if tree != recorded["BASE_TREE"]:
        pytest.skip(f"build/{base}/linux is another tree")
    tarball = base.made("get-source")
    assert must("sha256sum", tarball).split()[0] == recorded["BASE_SHA256"]
    sublevel = recorded["BASE_VERSION"].rpartition(".")[2]
    assert f"\nSUBLEVEL = {sublevel}\n" in must("git", "show", f"{base.bare_branch}:Makefile", cwd=bases.REPOSITORY)


@pytest.mark.parametrize("which", [0, -1], ids=["oldest", "newest"])
def test_applies_to_what_apt_offers(base, copy, tmp_path, which):
    offered = must(TOP / "scripts" / "get-source", "--base", base.name, "--offered").splitlines()
    package, version = offered[which].split()
    tree = tmp_path / "linux"
    tree.mkdir()
    members = [f"{package}/{name}" for name in old_files(base)]
    tarball = base.made("get-source", f"{package}={version}")
    must("tar", "-C", tree, "--strip-components=1", "-xf", tarball, *members)
    told = must(*copy.command("get-tree"), KERNEL_TREE=tree)
    assert f"Linux {version.split('-')[0]}" in told
    assert "not the recorded base" in told
    must(*copy.command("import"))
    assert len(copy.git("rev-list", base.range).split()) == len(names_in_series(base.series))


def offer(copy, *rows, has=()):
    """A get-source in the copy that offers these packages, and has a tarball of those."""
    script = copy.top / "scripts" / "get-source"
    lines = "".join(f"echo '{row}'\n" for row in rows)
    script.write_text(f'#!/bin/sh\ncase "$*" in\n*--offered*)\n{lines};;\n*) echo {copy.top}/tarball.tar.xz ;;\nesac\n')
    if has:
        must("tar", "-cJf", copy.top / "tarball.tar.xz", copy.plain.name, cwd=copy.plain.parent)


def newer_version(base):
    return {"7.3": "linux-source-7.9 7.9.4-1", "6.12": "linux-source-6.12 6.12.999-1"}[base.name]


def test_a_package_that_is_gone_is_replaced_if_all_patches_apply(copy):
    newer = newer_version(copy.base)
    offer(copy, newer, has=[newer])
    said = must(*copy.command("get-tree"))
    assert f"does not have {copy.base.recorded['BASE_PACKAGE']} {copy.base.recorded['BASE_PACKAGE_VERSION']} any more; {newer} is taken" in said
    must(*copy.command("import"))


def test_a_package_that_is_gone_is_told_when_a_patch_does_not_apply(copy):
    path = copy.plain / "drivers/iommu/iommu.c"
    path.write_text(path.read_text().replace("iommu", "ommu"))
    newer = newer_version(copy.base)
    offer(copy, newer, has=[newer])
    done = run(*copy.command("get-tree"))
    assert done.returncode == 1
    last = done.stdout.splitlines()[-1]
    assert f"it has {newer}, and 0" in last and "KERNEL_TREE=DIR" in last
    assert not copy.linux.exists()


def test_a_package_that_is_gone_without_another_is_told(copy):
    offer(copy)
    assert "nor a later one; give a tree of Linux" in refused(*copy.command("get-tree"))


def test_get_source_says_which_versions_there_are(base):
    package = base.recorded["BASE_PACKAGE"]
    said = refused(TOP / "scripts" / "get-source", "--base", base.name, f"{package}={base}.0-0")
    assert f"{base.recorded['BASE_SUITE']} does not have {package}={base}.0-0; it has {package} " in said


def test_the_machines_apt_is_not_touched(base):
    before = [path.stat().st_mtime_ns for path in map(Path, ("/etc/apt", "/etc/apt/sources.list.d", "/var/lib/apt/lists"))]
    must(TOP / "scripts" / "get-source", "--base", base.name, "--offered")
    after = [path.stat().st_mtime_ns for path in map(Path, ("/etc/apt", "/etc/apt/sources.list.d", "/var/lib/apt/lists"))]
    assert before == after


def test_export_refuses_another_author(copy):
    copy.get_tree()
    must(*copy.command("import"))
    copy.commit(author="Somebody Else <else@localhost>")
    assert "the author must be" in refused(*copy.command("export"))
    assert files_of(copy.queue) == files_of(copy.base.queue)


def test_export_refuses_a_sign_off(copy):
    copy.get_tree()
    must(*copy.command("import"))
    copy.commit(message="Change something\n\nSigned-off-by: Somebody <somebody@localhost>")
    assert "Signed-off-by" in refused(*copy.command("export"))
    assert files_of(copy.queue) == files_of(copy.base.queue)


@pytest.mark.parametrize("kind", ["fixup", "squash", "amend"])
def test_export_refuses_what_is_not_squashed(copy, kind):
    copy.get_tree()
    must(*copy.command("import"))
    copy.commit(message=f"{kind}! Change something")
    assert f"({kind}! Change something) is not squashed; run git rebase -i --autosquash" in refused(*copy.command("export"))
    assert files_of(copy.queue) == files_of(copy.base.queue)


@pytest.mark.parametrize("script", ["import", "export"])
def test_a_rebase_in_progress_is_refused(copy, script):
    copy.get_tree()
    must(*copy.command("import"))
    copy.commit()
    me = {"GIT_COMMITTER_NAME": "me", "GIT_COMMITTER_EMAIL": "me@localhost"}
    edit = f"sed -i s/^pick/edit/"
    must("git", "rebase", "-i", "HEAD~1", cwd=copy.linux, GIT_SEQUENCE_EDITOR=edit, **me)
    assert "in the middle of a git am or rebase; finish it" in refused(*copy.command(script))


def test_export_warns_of_what_is_not_committed(copy):
    copy.get_tree()
    must(*copy.command("import"))
    assert "warning" not in must(*copy.command("export"))
    (copy.linux / "drivers" / "iommu" / "new.c").write_text("mine\n")
    assert "warning: drivers/iommu/new.c in build/" in must(*copy.command("export"))
    (copy.linux / "Makefile").write_text("mine\n")
    assert "warning: Makefile in build/" in must(*copy.command("export"))
    assert files_of(copy.queue) == files_of(copy.base.queue)


def while_it_waits(top, command, change=lambda: None):
    """What a script prints that begins while another holds the lock, which is given up after the change."""
    with open(top / "build" / "trees.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        script = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        said = script.stdout.readline()
        assert "waiting for another" in said
        change()
        time.sleep(0.5)
        assert script.poll() is None
    said = script.communicate()[0]
    assert script.returncode == 0, said
    return said


@pytest.mark.parametrize("script", ["get-tree", "import", "export"])
def test_one_waits_for_the_other(copy, script):
    copy.get_tree()
    must(*copy.command("import"))
    while_it_waits(copy.top, copy.command(script))
    assert "waiting" not in must(*copy.command(script))


def shorten(series):
    """Without its last patch."""
    last = names_in_series(series)[-1]
    series.write_text(series.read_text().replace(f"{last}\n", ""))


def test_import_takes_the_list_as_it_is_after_it_waited(copy):
    copy.get_tree()
    count = len(names_in_series(copy.series)) - 1
    said = while_it_waits(copy.top, copy.command("import"), lambda: shorten(copy.series))
    assert f" and {count} patches" in said
    assert len(copy.git("rev-list", copy.base.range).split()) == count


@pytest.mark.parametrize("change", ["patch", "series"])
def test_export_keeps_a_queue_that_was_not_imported(copy, change):
    copy.get_tree()
    must(*copy.command("import"))
    if change == "patch":
        patch = copy.base.patches()[-1].name
        (copy.queue / patch).write_text((copy.queue / patch).read_text().replace("\n---\n", "\nMore.\n---\n", 1))
    else:
        shorten(copy.series)
    before = files_of(copy.queue), copy.series.read_text()
    assert f"run scripts/import --base {copy.base}" in refused(*copy.command("export"))
    assert (files_of(copy.queue), copy.series.read_text()) == before
    must(*copy.command("import"))
    must(*copy.command("export"))
    must(*copy.command("export"))


def test_export_may_throw_away_a_queue_that_was_not_imported(copy):
    copy.get_tree()
    must(*copy.command("import"))
    for path in copy.queue.glob("*.patch"):
        path.write_text("")
    must(*copy.command("export", "--force"))
    assert files_of(copy.queue) == files_of(copy.base.queue)


def test_export_of_a_tree_without_patches_is_refused(copy):
    copy.get_tree()
    for option in ([], ["--force"]):
        assert f"has no patches; run scripts/import --base {copy.base} first" in refused(*copy.command("export", *option))
    assert files_of(copy.queue) == files_of(copy.base.queue)


def test_export_refuses_two_patches_of_one_subject(copy):
    copy.get_tree()
    must(*copy.command("import"))
    copy.commit()
    copy.commit()
    assert "two commits are called 'Change something'" in refused(*copy.command("export"))
    assert files_of(copy.queue) == files_of(copy.base.queue)


def test_import_keeps_commits_that_no_branch_has(copy):
    copy.get_tree()
    must(*copy.command("import"))
    copy.git("checkout", "-q", "--detach")
    copy.commit()
    shorten(copy.series)
    mine = copy.git("rev-parse", "HEAD")
    assert "keep them with git branch" in refused(*copy.command("import"))
    assert copy.git("rev-parse", "HEAD") == mine
    copy.git("branch", "mine")
    must(*copy.command("import"))
    assert copy.git("symbolic-ref", "--short", "HEAD").strip() == copy.base.branch


def failing_git(copy, when, then):
    """A PATH with a git that does something else when its arguments match."""
    folder = copy.top / "bin"
    folder.mkdir()
    (folder / "git").write_text(f'#!/bin/sh\ncase "$*" in\n{when}) {then} ;;\nesac\nexec {shutil.which("git")} "$@"\n')
    (folder / "git").chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


def test_import_says_what_failed(copy):
    copy.get_tree()
    before = copy.head()
    full = failing_git(copy, "*' am '*", "echo 'fatal: Unable to write new index file' >&2; exit 128")
    said = refused(*copy.command("import"), **full)
    assert "cannot be imported: fatal: Unable to write new index file" in said
    assert copy.head() == before


@pytest.mark.parametrize("when", ["*' am '*", "*'checkout -q -B'*", "*'update-ref refs/iommu-groups/exported-'*' series-'*"], ids=["am", "checkout", "record"])
def test_an_interrupted_import_leaves_nothing_half_done(copy, when):
    copy.get_tree()
    must(*copy.command("import"))
    before = copy.head()
    shorten(copy.series)
    git = shutil.which("git")
    done = run(*copy.command("import"), **failing_git(copy, when, f'{git} "$@"; kill -INT $PPID; exit 130'))
    assert done.returncode != 0
    assert copy.head() == before
    assert sorted(path.name for path in copy.linux.parent.iterdir()) == ["linux"]
    assert len(copy.git("worktree", "list").splitlines()) == 2
    must(*copy.command("import"))
    assert len(copy.git("rev-list", copy.base.range).split()) == len(names_in_series(copy.series))


def blocks_of(series):
    return [block.splitlines() for block in series.read_text().strip().split("\n\n")]


def test_series_follows_what_is_added_renamed_split_and_moved(copy):
    """In the second block: a patch is renamed, another is split, the last goes to the front, and one is new."""
    copy.get_tree()
    must(*copy.command("import"))
    before = blocks_of(copy.series)
    commits = copy.git("rev-list", "--reverse", copy.base.range).split()
    me = {"GIT_COMMITTER_NAME": "me", "GIT_COMMITTER_EMAIL": "me@localhost"}
    copy.git("reset", "-q", "--hard", commits[0])
    must("git", "commit", "-q", "--amend", "-m", "iommu: Have another name", cwd=copy.linux, **me)
    copy.commit(message="iommu: Be new")
    for commit in commits[1:]:
        must("git", "cherry-pick", "--allow-empty", commit, cwd=copy.linux, **me)
    must(*copy.command("export"))
    after = blocks_of(copy.series)
    names = sorted(path.name for path in copy.queue.glob("*.patch"))
    assert names_in_series(copy.series) == names and len(names) == len(commits) + 1
    comments = [[line for line in block if line.startswith("#")] for block in after]
    assert comments == [[line for line in block if line.startswith("#")] for block in before]
    first = [line for line in after[0] if not line.startswith("#")]
    assert first[:2] == ["0001-iommu-Have-another-name.patch", "0002-iommu-Be-new.patch"]
    assert len(first) == len([line for line in before[0] if not line.startswith("#")]) + 1
    bare = [[re.sub("^[0-9]+-", "", line) for line in block] for block in (*before[1:], *after[1:])]
    assert bare[: len(before) - 1] == bare[len(before) - 1 :]


def test_series_keeps_a_patch_in_its_block_when_it_moves(tmp_path):
    (tmp_path / "series").write_text("# SPDX-License-Identifier: x\n# one\n0001-a.patch\n0002-b.patch\n\n# two\n0003-c.patch\n0004-d.patch\n")
    folder = tmp_path / "patches"
    folder.mkdir()
    for name in ("0001-b.patch", "0002-a.patch", "0003-x.patch", "0004-d.patch", "0005-y.patch", "0006-c.patch"):
        (folder / name).write_text("")
    told = must(TOP / "scripts" / "sort-series", tmp_path / "series", folder)
    assert told == (
        "# SPDX-License-Identifier: x\n# one\n0001-b.patch\n0002-a.patch\n0003-x.patch\n\n# two\n0004-d.patch\n0005-y.patch\n0006-c.patch\n"
    )


def test_series_lists_what_is_in_the_queue(base):
    assert names_in_series(base.series) == sorted(path.name for path in base.queue.glob("*.patch"))


def test_every_block_of_series_says_why(base):
    blocks = base.series.read_text().strip().split("\n\n")
    assert [block for block in blocks if not block.startswith("#")] == []


def test_patches_have_the_stable_form(base):
    for patch in base.patches():
        first, *rest = patch.read_text().splitlines()
        assert first == "From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001", patch.name
        assert rest[0] == "From: iommu-groups <iommu-groups@localhost>", patch.name
        assert rest[2].startswith("Subject: [PATCH] "), patch.name
        assert not [line for line in rest if line.startswith("Signed-off-by:")], patch.name


def test_maintainers_fragment_is_a_patch(base):
    lines = (TOP / "MAINTAINERS.fragment").read_text().splitlines()
    files = ["+" + line for line in lines if line.startswith("F:")]
    added = [line for patch in base.patches() for line in patch.read_text().splitlines()]
    assert files and set(files) <= set(added)


# What python compiles, what lspci printed in guests, and what a fuzzer made of that.
NOT_WRITTEN = {"__pycache__", "dumps", "corpus"}


def own_files():
    folders = [TOP / name for name in ("scripts", "tests", "qemu-configs", ".ci")]
    found = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return [*(base.series for base in bases.every()), *(path for path in found if not NOT_WRITTEN & set(path.parts))]


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
