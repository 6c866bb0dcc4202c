# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""The readers of texts under ASan and UBSan: what fuzzing has found, and with --full more of it.

corpus/ is what libFuzzer kept of the worked examples, of texts of guests and of what it made of
them.  Longer, with CORPUS a directory where it may add what it finds:

    clang ... (see build() below) -o fuzz
    ./fuzz -max_total_time=600 -dict=tests/tool/fuzz.dict CORPUS tests/tool/corpus
"""

import os
import re
import subprocess

import pytest
from lspci_output import both, dump, hexdump, verbose
from test_texts import EXAMPLES, PASTED, grouped
from tool import HERE, program

SECONDS = 30
SANITIZERS = ["-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=undefined"]
# libpci's reader of udev's database leaks when there is none
ENVIRONMENT = {**os.environ, "LSAN_OPTIONS": f"suppressions={HERE / 'lsan.supp'}"}


def build(target):
    tool = program().parent
    sources = [source for source in sorted(tool.glob("*.c")) if source.name != "iommu-groups.c"]
    assert sources, f"{tool} has no sources"
    includes = [f"-I{tool}", f"-I{tool.parent / 'include'}"]
    command = ["clang", "-g", "-O1", *SANITIZERS, "-D_GNU_SOURCE", *includes, HERE / "fuzz_dump.c", *sources]
    done = subprocess.run([*command, "-lpci", "-o", target], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    return target


@pytest.fixture(scope="module")
def fuzzer(tmp_path_factory):
    return build(tmp_path_factory.mktemp("fuzz") / "fuzz")


def fuzz(fuzzer, *arguments):
    return subprocess.run(
        [fuzzer, "-timeout=60", f"-artifact_prefix={fuzzer.parent}/", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", env=ENVIRONMENT,
    )


def runs(done):
    return int(re.search(r"^Done (\d+) runs in ", done.stdout, re.MULTILINE)[1])


def seeds(directory):
    """The worked examples, and what becomes of one of them on its way."""
    directory.mkdir()
    for name in EXAMPLES:
        functions = grouped(name)
        for how in (verbose, both):
            (directory / f"{name} {how.__name__}").write_text(dump(functions, how))
        (directory / f"{name} short").write_text(dump(functions, lambda fn: hexdump(fn, 384)))
    for paste, change in PASTED.items():
        (directory / f"paste {paste}").write_text(change(dump(grouped("E17"))), newline="")
    return directory


def test_corpus_and_examples(fuzzer, tmp_path):
    done = fuzz(fuzzer, "-runs=0", HERE / "corpus", seeds(tmp_path / "seeds"))
    assert done.returncode == 0, done.stdout[-4000:]
    texts = [*(HERE / "corpus").iterdir(), *(tmp_path / "seeds").iterdir()]
    assert len(texts) > 300 and runs(done) >= len(texts)


@pytest.mark.full
def test_more(fuzzer, tmp_path):
    new = tmp_path / "new"
    new.mkdir()
    done = fuzz(fuzzer, f"-max_total_time={SECONDS}", f"-dict={HERE / 'fuzz.dict'}", "-max_len=6000", new, HERE / "corpus")
    assert done.returncode == 0, done.stdout[-4000:]
    assert runs(done) > 1000
