# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""The topics that the series is posted in: each has a cover letter, and scripts/post makes the mails."""

import email
import email.policy
import functools
import os
import re
import subprocess

import bases
import pytest
from test_repository import Copy, make_git_tree, must, refused

BASE = bases.newest()
COVERS = bases.TOP / "covers"
TOPICS = BASE.topics()
NAMES = [path.name.partition("-")[2] for path in sorted(COVERS.iterdir())]
MOST = 15
POST = bases.TOP / "scripts" / "post"
GIT = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_COMMITTER_NAME": "me", "GIT_COMMITTER_EMAIL": "me@localhost"}
HEADINGS = ["Problem", "Solution", "What was tested", "Who decides"]


def cover_of(topic):
    [path] = COVERS.glob(f"[0-9]-{topic}")
    return path.read_text()


def test_every_block_of_series_is_of_a_topic_with_a_cover():
    assert list(TOPICS) == NAMES


def test_topics_are_posted_in_the_order_of_the_patches():
    assert [path for patches in TOPICS.values() for path in patches] == BASE.patches()


@pytest.mark.parametrize("topic", NAMES)
def test_a_topic_can_be_reviewed_in_one_go(topic):
    assert 0 < len(TOPICS[topic]) <= MOST


@pytest.mark.parametrize("topic", NAMES)
def test_a_cover_says_what_a_reviewer_asks_first(topic):
    subject, _, body = cover_of(topic).partition("\n\n")
    assert re.fullmatch(r"Subject: \S+: [A-Z].*|Subject: \S+, .*: [A-Z].*", subject)
    found = re.findall(r"^(\w.*)\n-+$", body, re.MULTILINE)
    assert [heading for heading in HEADINGS if not any(line.startswith(heading) for line in found)] == []
    assert re.search(r"^ ?-? ?Not tested: |was run there only", body, re.MULTILINE)
    assert max(map(len, body.splitlines())) <= 75 or topic == "tool"
    assert body.isascii() and "Signed-off-by" not in body


def test_the_covers_name_patches_that_there_are():
    subjects = {re.search(r"^Subject: \[PATCH\] (.*(?:\n .*)*)$", path.read_text(), re.MULTILINE)[1] for path in BASE.patches()}
    subjects = {" ".join(subject.split()) for subject in subjects}
    quoted = {" ".join(text.split()) for topic in NAMES for text in re.findall(r'"(\w[^"]*?: [A-Z][^"]*)"', cover_of(topic))}
    assert quoted and quoted <= subjects


def commits_of(topic):
    """The commit before the first patch of a topic, and that of the last."""
    commits = must("git", "rev-list", "--reverse", BASE.range, cwd=bases.REPOSITORY).split()
    commits = [BASE.bare_branch, *commits]
    numbers = [BASE.patches().index(path) + 1 for path in TOPICS[topic]]
    return commits[numbers[0] - 1], commits[numbers[-1]]


def write_mails(topic, folder, *more):
    must(POST, topic, "--to-folder", folder, *more)
    return read_mails(folder)


def read_mails(folder):
    """The mails of a folder as Python's parser reads them."""
    texts = [path.read_bytes() for path in sorted(folder.iterdir())]
    return [email.message_from_bytes(text.partition(b"\n")[2], policy=email.policy.default) for text in texts]


@pytest.fixture(scope="module")
def folder_of(tmp_path_factory):
    @functools.cache
    def written(topic):
        folder = tmp_path_factory.mktemp("mails") / topic
        must(POST, topic, "--to-folder", folder)
        return folder

    return written


def subject_of(mail):
    return " ".join(mail["Subject"].split())


@pytest.mark.parametrize("topic", NAMES)
def test_the_folder_holds_well_formed_mails(topic, folder_of):
    cover, *mails = read_mails(folder_of(topic))
    count = len(TOPICS[topic])
    assert len(mails) == count
    for number, mail in enumerate([cover, *mails]):
        assert mail.defects == [] and mail.get_content_type() == "text/plain"
        number = f"{number:0{len(str(count))}}"
        assert subject_of(mail).startswith(f"[PATCH {number}/{count}] " if count > 1 else "[PATCH ")
        assert mail["Date"].datetime and mail["From"].addresses[0].addr_spec == "iommu-groups@localhost"
        addresses = [*mail["To"].addresses, *mail["Cc"].addresses]
        assert mail["To"].addresses and "linux-kernel@vger.kernel.org" in [each.addr_spec for each in addresses]
        assert all(each.domain and "." in each.domain for each in addresses)
    text = cover.get_content()
    assert subject_of(cover).endswith(cover_of(topic).partition("\n")[0].removeprefix("Subject: "))
    assert cover_of(topic).partition("\n\n")[2] in text and "HERE ***" not in text
    base = must("git", "rev-parse", BASE.bare_branch, cwd=bases.REPOSITORY).strip()
    assert BASE.recorded["BASE_TREE"] in text and f"\nbase-commit: {base}\n" in text
    assert text.count("prerequisite-patch-id: ") == BASE.patches().index(TOPICS[topic][0])


@pytest.mark.parametrize("topic", NAMES)
def test_git_am_of_the_folder_gives_the_series(topic, tmp_path, folder_of):
    before, last = commits_of(topic)
    touched = must("git", "diff", "--name-only", "--no-renames", before, last, cwd=bases.REPOSITORY).splitlines()
    there = must("git", "ls-tree", "-r", "--name-only", before, ".gitattributes", *touched, cwd=bases.REPOSITORY).splitlines()
    tree = tmp_path / "linux"
    tree.mkdir()
    archive = subprocess.run(["git", "archive", before, *there], cwd=bases.REPOSITORY, stdout=subprocess.PIPE, check=True)
    subprocess.run(["tar", "-C", tree, "-x"], input=archive.stdout, check=True)
    make_git_tree(tree)
    must("git", "am", "-q", "--empty=drop", *sorted(folder_of(topic).iterdir()), cwd=tree, **GIT)
    assert must("git", "ls-tree", "-r", "HEAD", cwd=tree) == must(
        "git", "ls-tree", "-r", last, ".gitattributes", *touched, cwd=bases.REPOSITORY
    )
    form = ["git", "log", "--format=%an %ae %at%n%B"]
    assert must(*form, f"{before}..{last}", cwd=bases.REPOSITORY) == must(*form, "main~%d..main" % len(TOPICS[topic]), cwd=tree)


def test_a_further_version_says_which_patches_changed(tmp_path, folder_of):
    topic = "core"
    folder_of(topic)
    cover, *mails = write_mails(topic, tmp_path / "2", "--version", "2")
    assert all(subject_of(mail).startswith("[PATCH v2 ") for mail in [cover, *mails])
    assert re.search(r"^Changes in v2\n-------------$", cover.get_content(), re.MULTILINE)
    table = re.findall(r"^  +\d+: = +\d+: (.*)$", cover.get_content(), re.MULTILINE)
    assert table == [subject_of(mail).partition("] ")[2] for mail in mails]


WRONG_CALLS = {
    (): "give a topic; there are: fixes ",
    ("nosuch",): "there is no topic 'nosuch'; there are: fixes ",
    ("pci", "core"): "one topic at a time, not 'pci' and 'core'",
    ("pci", "--version", "0"): "--version wants a number from 1, not '0'",
    ("pci", "--version"): "--version wants a number from 1, not ''",
    ("pci", "--to-folder"): "--to-folder wants a folder",
    ("pci", "--to-folder", bases.TOP): "is there and not an empty folder",
    ("pci", "--send"): "unknown argument '--send'",
}


@pytest.mark.parametrize("arguments", WRONG_CALLS, ids=lambda words: " ".join(map(str, words)) or "none")
def test_a_wrong_call_is_refused(arguments):
    assert WRONG_CALLS[arguments] in refused(POST, *arguments)


def test_what_was_not_exported_is_not_posted(tmp_path):
    copy = Copy(BASE, tmp_path)
    (copy.top / "covers").symlink_to(COVERS)
    copy.get_tree()
    must(*copy.command("import"))
    copy.commit()
    assert "run scripts/export or scripts/import first" in refused(copy.top / "scripts" / "post", "pci")
