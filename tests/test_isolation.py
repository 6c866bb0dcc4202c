# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""The groups of PCI functions on random hierarchies, the series beside the kernel of today.

The KUnit suite iommu-group-pci compares each with an oracle that answers by the letter of the
rule.  The same suite, from the same seed, counts what the kernel of today gets wrong.
"""

import bases
import guest
import pytest
from boots import assert_passed


SEED = 612
# So many topologies, each under one policy after the other; some of them in the plain run
COUNT = 10000
IN_SHORT = 2000
# Every function leaves lines in the log, and the emulated serial port is slow.
WORDS = ["printk.ignore_loglevel=0", "quiet", "loglevel=1", "panic_on_warn=1", "kunit.enable=1", "kunit.autorun=1"]
LIMITS = guest.Limits(first_byte=900, silence=900, total=900)

# What 6.12 answers, functions in four orders, and then in the one that suits it best.
TODAY = {"unsafe": 6633, "large": 355, "order": 5651}
TODAY_UPSTREAM_FIRST = {"unsafe": 2209, "large": 355}


def suite(stage, *words, count=COUNT):
    """The arguments of the boot that runs it."""
    numbers = {"seed": SEED, "count": count, "show": 5}
    parameters = [f"iommu_group_pci_test.{name}={number}" for name, number in numbers.items()]
    words = [*WORDS, "kunit.filter_glob=iommu-group-pci", *parameters, *words]
    return "none", stage, ["kunit"], words, LIMITS


def suite_of_today():
    return suite("stock-tests", "iommu_group_pci_test.count_only=1")


def begin(boots, with_full):
    if with_full:
        boots.begin(*suite("all"))
        boots.begin(*suite_of_today())
    else:
        boots.begin(*suite("all", count=IN_SHORT))


def summary(run):
    """The name=value pairs of the lines that sum up, in a dict for each line."""
    assert_passed(run)
    lines = [line for _, result in run.result.walk() for line in result.diagnostics]
    lines = [line.partition("test_summary: ")[2] for line in lines if "test_summary: " in line]
    return [dict(pair.split("=") for pair in line.split() if "=" in pair) for line in lines]


def numbers(line, names):
    return {name: int(line[name]) for name in names}


@pytest.mark.older(count=[IN_SHORT])
@pytest.mark.parametrize("count", [IN_SHORT, pytest.param(COUNT, marks=pytest.mark.full)])
def test_series_answers_all_by_the_rule(begun, count):
    total, _, late, comparable = summary(begun.run(*suite("all", count=count)))[:4]
    assert (int(total["seed"]), int(total["topologies"])) == (SEED, count)
    assert numbers(total, TODAY) == dict.fromkeys(TODAY, 0)
    none = ["late", "refused", "coarser", "stock", "set"]
    assert numbers(late, none) == dict.fromkeys(none, 0)
    assert int(comparable["arrivals"]) > count and int(comparable["refusals"]) > 0


@pytest.mark.full
def test_the_kernel_of_today(begun):
    series = summary(begun.run(*suite("all")))
    total, upstream_first, _, comparable = summary(begun.run(*suite_of_today()))[:4]
    assert numbers(total, TODAY) == TODAY
    assert numbers(upstream_first, TODAY_UPSTREAM_FIRST) == TODAY_UPSTREAM_FIRST
    # The same answers, one by one, wherever nothing is known that sets them apart.
    assert int(comparable["plain"]) > COUNT / 4
    assert (comparable["plain"], comparable["plain-hash"]) == (series[3]["plain"], series[3]["plain-hash"])


@pytest.mark.parametrize("text", ["RESULTS.md", "patches/cover-letter"])
def test_the_words_tell_the_numbers(text):
    words = (bases.TOP / text).read_text().split()
    for number in TODAY.values():
        assert f"{number:,}" in [word.strip(".,;()|") for word in words]
    assert str(SEED) in " ".join(words)
