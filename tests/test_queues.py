# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""What is changed in the newest queue is carried to the older one, and how the two differ is shown.

As in test_repository, the trees here hold only what matters to the patches.
"""

import os
import re
import subprocess

import bases
import pytest
from test_repository import Copy, files_of, make_git_tree, must, refused, run, unpack_base, while_it_waits

NEWEST, OLDER = bases.every()
# What is of one base only does not begin before both have the group core.
NEW_FILE = "drivers/iommu/group/pci.c"
ME = {"GIT_COMMITTER_NAME": "me", "GIT_COMMITTER_EMAIL": "me@localhost"}


class Both(Copy):
    """A copy with the trees of both bases, whose own history has the queues."""

    def __init__(self, directory):
        super().__init__(NEWEST, directory)
        make_git_tree(self.top)
        plain = {NEWEST: self.plain, OLDER: unpack_base(OLDER, directory / "older")}
        for base, tree in plain.items():
            must(self.top / "scripts" / "get-tree", "--base", base.name, KERNEL_TREE=tree)
            must(self.top / "scripts" / "import", "--base", base.name)
        self.older = self.top / "build" / OLDER.name / "linux"
        self.older_queue = self.top / OLDER.queue.name

    def script(self, name, *arguments):
        return [self.top / "scripts" / name, *arguments]

    def carry(self):
        must(*self.command("export"))
        return run(*self.script("carry"))

    def export_older(self):
        must(*self.script("export", "--base", OLDER.name))
        return {re.sub(r"^\d+-", "", path.name): path.read_text() for path in self.older_queue.glob("*.patch")}

    def change(self, number, file, old, new):
        """Changes a file in the commit of that number, from 1, with what comes after it."""
        commits = self.git("rev-list", "--reverse", NEWEST.range).split()
        self.git("reset", "-q", "--hard", commits[number - 1])
        text = (self.linux / file).read_text()
        assert old in text
        (self.linux / file).write_text(text.replace(old, new, 1))
        must("git", "commit", "-q", "-a", "--amend", "--no-edit", cwd=self.linux, **ME)
        self.pick(commits[number:])

    def pick(self, commits):
        if commits:
            must("git", "cherry-pick", "-X", "theirs", *commits, cwd=self.linux, **ME)


@pytest.fixture
def both(tmp_path):
    return Both(tmp_path)


def older_texts():
    return {re.sub(r"^\d+-", "", path.name): path.read_text() for path in OLDER.patches()}


def number_of(pattern, base=NEWEST):
    return next(n for n, path in enumerate(base.patches(), 1) if re.search(pattern, path.read_text(), re.MULTILINE))


def test_the_older_queue_is_carried_from_the_newest_as_it_is():
    must(bases.TOP / "scripts" / "carry", "--check")


def test_carrying_what_did_not_change_changes_no_byte(both):
    assert both.carry().returncode == 0
    both.export_older()
    assert files_of(both.older_queue) == files_of(OLDER.queue)


def test_a_change_of_what_both_have_is_carried(both):
    number = number_of(rf"^\+\+\+ b/{NEW_FILE}$")
    both.change(number, NEW_FILE, "\n", "\n/* carried */\n")
    assert run(*both.script("carry", "--check")).returncode == 0
    done = both.carry()
    assert done.returncode == 0, done.stdout
    assert "run scripts/carry" in refused(*both.script("carry", "--check"))
    before, after = older_texts(), both.export_older()
    must(*both.script("carry", "--check"))
    subject = re.sub(r"^\d+-", "", NEWEST.patches()[number - 1].name)
    assert "+/* carried */" in after[subject]
    # Others may have it as context
    assert [name for name, text in after.items() if "+/* carried */" in text] == [subject]
    assert set(before) == set(after)


def test_a_changed_message_is_carried(both):
    both.git("commit", "-q", "--amend", "-m", both.git("log", "-1", "--format=%s").strip() + "\n\nCarried.")
    assert both.carry().returncode == 0
    [changed] = [name for name, text in both.export_older().items() if text != older_texts()[name]]
    assert changed == re.sub(r"^\d+-", "", NEWEST.patches()[-1].name)


def test_a_new_patch_is_carried_and_one_that_is_gone_is_dropped(both):
    last = both.git("log", "-1", "--format=%f").strip()
    both.git("reset", "-q", "--hard", "HEAD~1")
    both.commit(message="Change the Makefile")
    (both.linux / "Makefile").write_text((both.linux / "Makefile").read_text())
    assert both.carry().returncode == 0
    before, after = set(older_texts()), set(both.export_older())
    assert after - before == {"Change-the-Makefile.patch"}
    [gone] = before - after
    assert gone.removesuffix(".patch") in last


def test_what_is_of_the_older_base_only_stays(both):
    own = [path.name for path in OLDER.patches() if "[ Upstream commit " in path.read_text()]
    assert own
    both.commit(message="Change the Makefile")
    assert both.carry().returncode == 0
    both.export_older()
    assert set(own) <= {path.name for path in both.older_queue.glob("*.patch")}


@pytest.fixture
def conflict(both):
    """A line that the bases do not share, and that the newest now has otherwise."""
    both.commit(message="Change the Makefile")
    both.carry()
    both.export_older()
    text = (both.older / "Makefile").read_text()
    (both.older / "Makefile").write_text(text.replace("# changed", "# changed otherwise"))
    must("git", "commit", "-q", "-a", "--amend", "--no-edit", cwd=both.older, **ME)
    both.export_older()
    must("git", "add", "-Af", ".", cwd=both.top)
    must("git", "-c", "user.name=me", "-c", "user.email=me@localhost", "commit", "-q", "-m", "carried", cwd=both.top)
    text = (both.linux / "Makefile").read_text()
    (both.linux / "Makefile").write_text(text.replace("# changed", "# changed again"))
    must("git", "commit", "-q", "-a", "--amend", "--no-edit", cwd=both.linux, **ME)
    both.change(len(both.git("rev-list", NEWEST.range).split()) - 1, "MAINTAINERS", "\n", "\n\n")
    return both


def test_a_conflict_is_left_for_a_person(conflict):
    done = conflict.carry()
    assert done.returncode == 1
    assert "'Change the Makefile' is to be merged by hand" in done.stdout and done.stdout.count("\n") == 1
    assert "Makefile; edit" in done.stdout
    assert "a merge was left for a person" in refused(*conflict.script("carry"))
    assert "Makefile still has the marks" in refused(*conflict.script("carry", "--continue"))
    text = (conflict.older / "Makefile").read_text()
    assert "# changed otherwise" in text and "# changed again" in text
    (conflict.older / "Makefile").write_text(re.sub(r"<<<<<<<.*>>>>>>> \S+", "# changed in both ways", text, flags=re.DOTALL))
    must(*conflict.script("carry", "--continue"))
    assert "+# changed in both ways" in conflict.export_older()["Change-the-Makefile.patch"]


def test_carry_waits_for_the_others(both):
    while_it_waits(both.top, both.script("carry"))


def test_what_was_carried_and_thrown_away_is_not_recorded(both):
    both.commit(message="Change the Makefile")
    both.carry()
    must(*both.script("import", "--base", OLDER.name, "--force"))
    both.export_older()
    assert "run scripts/carry" in refused(*both.script("carry", "--check"))
    must(*both.script("carry"))
    assert "Change-the-Makefile.patch" in both.export_older()
    must(*both.script("carry", "--check"))


def test_two_are_carried_without_a_commit_in_between(both):
    for subject in ("Change one", "Change two"):
        both.commit(message=subject)
        done = both.carry()
        assert done.returncode == 0, done.stdout
        carried = both.export_older()
    assert {"Change-one.patch", "Change-two.patch"} <= set(carried)


def test_two_patches_of_one_subject_are_not_carried(both):
    both.commit(message="Change it")
    both.commit(message="Change it")
    both.git("update-ref", f"refs/iommu-groups/exported-{NEWEST}", NEWEST.branch)
    assert f"two commits of {NEWEST.branch} are called 'Change it'" in refused(*both.script("carry"))


def test_a_message_that_was_adapted_stays(both):
    for tree, words in ((both.older, "As 6.12 has it."), (both.linux, "As 7.3 has it.")):
        subject = must("git", "log", "-1", "--format=%s", cwd=tree).strip()
        must("git", "commit", "-q", "--amend", "-m", f"{subject}\n\n{words}", cwd=tree, **ME)
        both.export_older()
    done = both.carry()
    assert done.returncode == 0 and f"the message of '{subject}'" in done.stdout
    texts = both.export_older().values()
    assert [text for text in texts if "As 6.12 has it." in text] and not [text for text in texts if "As 7.3 has it." in text]


@pytest.fixture
def files(both):
    """A new patch that conflicts in the Makefile, adds a file, and removes one that is the same on both bases and one that is not."""
    listed = [must("git", "ls-tree", "-r", branch, cwd=both.linux).splitlines() for branch in (NEWEST.branch, OLDER.branch)]
    same = set(listed[0]) & set(listed[1])
    both.gone = next(line for line in sorted(same) if "\tdrivers/iommu/" in line).partition("\t")[2]
    both.other = "drivers/iommu/iommu.c"
    assert not [line for line in same if line.endswith(f"\t{both.other}")]
    makefile = both.linux / "Makefile"
    makefile.write_text(re.sub(r"^SUBLEVEL = .*", "SUBLEVEL = 99", makefile.read_text(), flags=re.MULTILINE))
    (both.linux / "drivers/iommu/added.c").write_text("/* added */\n")
    both.git("add", "-f", "drivers/iommu/added.c")
    both.git("rm", "-q", both.gone, both.other)
    me = ["--author", "iommu-groups <iommu-groups@localhost>"]
    must("git", "commit", "-q", "-a", "-m", "Add and remove files", *me, cwd=both.linux, **ME)
    return both


def test_files_that_a_patch_adds_and_removes_outlive_a_merge_by_hand(files):
    done = files.carry()
    assert done.returncode == 1 and f"linux: Makefile {files.other}; edit" in done.stdout, done.stdout
    text = (files.older / "Makefile").read_text()
    (files.older / "Makefile").write_text(re.sub(r"<<<<<<<.*>>>>>>> \S+", "SUBLEVEL = 98", text, flags=re.DOTALL))
    (files.older / files.other).unlink()
    must(*files.script("carry", "--continue"))
    patch = files.export_older()["Add-and-remove-files.patch"]
    assert "+++ b/drivers/iommu/added.c\n" in patch and "+/* added */" in patch
    assert f"--- a/{files.gone}\n+++ /dev/null\n" in patch
    assert f"--- a/{files.other}\n+++ /dev/null\n" in patch


def test_files_that_a_patch_adds_do_not_outlive_the_abort(files):
    before = files_of(files.older)
    assert files.carry().returncode == 1
    assert (files.older / "drivers/iommu/added.c").exists()
    must(*files.script("carry", "--abort"))
    assert files_of(files.older) == before


def edit_makefile(tree, old, new, *commit):
    text = (tree / "Makefile").read_text()
    assert old in text
    (tree / "Makefile").write_text(text.replace(old, new))
    must("git", "commit", "-q", "-a", *commit, cwd=tree, **ME)


def test_after_a_persons_merge_nothing_is_lost(both):
    """The next patch changes the same line, so it is left for a person too."""
    both.commit(message="Change the Makefile")
    further = ["-m", "Change it further", "--author", "iommu-groups <iommu-groups@localhost>"]
    edit_makefile(both.linux, "# changed", "# further", *further)
    both.carry()
    both.export_older()
    second = must("git", "rev-parse", "HEAD", cwd=both.older).strip()
    must("git", "reset", "-q", "--hard", "HEAD~1", cwd=both.older)
    edit_makefile(both.older, "# changed", "# changed otherwise", "--amend", "--no-edit")
    must("git", "cherry-pick", "-X", "theirs", second, cwd=both.older, **ME)
    both.export_older()
    must("git", "add", "-Af", ".", cwd=both.top)
    must("git", "-c", "user.name=me", "-c", "user.email=me@localhost", "commit", "-q", "-m", "carried", cwd=both.top)
    both.git("reset", "-q", "--hard", "HEAD~1")
    edit_makefile(both.linux, "# changed", "# changed again", "--amend", "--no-edit")
    edit_makefile(both.linux, "# changed again", "# further again", *further)

    for subject, line in {"Change the Makefile": "# changed in both ways", "Change it further": "# further in both ways"}.items():
        done = both.carry() if "further" not in subject else run(*both.script("carry", "--continue"))
        assert done.returncode == 1 and f"'{subject}' is to be merged by hand" in done.stdout, done.stdout
        text = (both.older / "Makefile").read_text()
        (both.older / "Makefile").write_text(re.sub(r"<<<<<<<.*>>>>>>> \S+", line, text, flags=re.DOTALL))
    must(*both.script("carry", "--continue"))
    carried = both.export_older()
    assert "+# changed in both ways" in carried["Change-the-Makefile.patch"]
    assert "+# further in both ways" in carried["Change-it-further.patch"]


def test_a_conflict_may_be_left_alone(conflict):
    before = must("git", "rev-parse", OLDER.branch, cwd=conflict.older)
    conflict.carry()
    must(*conflict.script("carry", "--abort"))
    assert must("git", "rev-parse", "HEAD", cwd=conflict.older) == before
    assert must("git", "status", "--porcelain", cwd=conflict.older) == ""


def test_what_was_not_exported_is_not_carried(both):
    both.commit()
    assert "run scripts/export --base 7.3 first" in refused(*both.script("carry"))


def test_nothing_is_carried_over_what_was_not_exported(both):
    edit_makefile(both.older, "VERSION", "VERSION", "--amend", "-m", "Mine")
    assert "run scripts/export --base 6.12 first" in refused(*both.script("carry"))


def test_what_was_not_imported_is_not_carried(both):
    both.series.write_text("".join(both.series.read_text().splitlines(keepends=True)[:-1]))
    assert "run scripts/import --base 7.3 first" in refused(*both.script("carry"))


def compared(*arguments):
    return must(bases.TOP / "scripts" / "compare-queues", *arguments)


def test_the_queues_are_compared_patch_by_patch():
    rows = re.findall(r"^ *(.+?)  (\S+\.patch)$", compared("--table"), re.MULTILINE)
    names = [re.sub(r"^\d+-", "", name) for _, name in rows]
    assert sorted(names) == sorted({re.sub(r"^\d+-", "", path.name) for base in bases.every() for path in base.patches()})
    kinds = {re.sub(r"^\d+ ", "N ", what) for what, _ in rows}
    assert kinds <= {"the same", "context", "N lines", f"{NEWEST} only", f"{OLDER} only"}


def test_a_difference_of_one_line_is_shown(both):
    number = number_of(rf"^\+\+\+ b/{NEW_FILE}$")
    both.change(number, NEW_FILE, "\n", "\n/* of the newest */\n")
    must(*both.command("export"))
    shown = must(*both.script("compare-queues"))
    before = compared()
    assert "+ +/* of the newest */".replace("+ +", "++") in shown
    count = [int(re.search(r"(\d+) of 7\.3$", text, re.MULTILINE)[1]) for text in (before, shown)]
    assert count[1] == count[0] + 1


def test_a_line_that_only_one_removes_is_shown(tmp_path):
    copy = Copy(OLDER, tmp_path)
    both = {re.sub(r"^\d+-", "", path.name) for path in NEWEST.patches()}
    patches = [path for path in copy.queue.glob("*.patch") if re.sub(r"^\d+-", "", path.name) in both]
    patch = next(path for path in patches if re.search(r"^-\t\w", path.read_text(), re.MULTILINE))
    patch.write_text(re.sub(r"^-\t(\w)", r"-\tof the older \1", patch.read_text(), count=1, flags=re.MULTILINE))
    assert re.search(r"^--\tof the older \w", must(copy.top / "scripts" / "compare-queues"), re.MULTILINE)


def test_what_is_read_in_ten_minutes():
    """Some 90 lines a minute, most of them whole cases of KUnit that one base has."""
    assert len(compared().splitlines()) < 1100


@pytest.mark.parametrize("option", [[], ["--table"]], ids=["long", "short"])
def test_ends_with_the_pipe(option):
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([bases.TOP / "scripts" / "compare-queues", *option], stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert done.returncode != 0 and done.stderr == ""
