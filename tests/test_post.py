# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""The topics that the series is posted in: each has a cover letter that says what a reviewer asks first."""

import re

import bases
import pytest

BASE = bases.newest()
COVERS = bases.TOP / "covers"
TOPICS = BASE.topics()
NAMES = [path.name.partition("-")[2] for path in sorted(COVERS.iterdir())]
MOST = 15
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
