# SPDX-License-Identifier: MIT
"""The manual pages (dom0/manual.py) have what the programs know, and nothing else: each command and
option of the prompt, each key of a configuration, each word of the hypervisor's command line. What
is new in a table is on the page; a key that the README does not explain stops the build."""
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = ("xl.1", "xl.cfg.5", "domus.7")


def made(name, tree=ROOT):
    return subprocess.run([sys.executable, ROOT / "dom0/manual.py", name], cwd=tree,
                          capture_output=True, text=True)


def page(name, tree=ROOT):
    run = made(name, tree)
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.fixture
def tree(tmp_path):
    for folder in ("dom0", "hypervisor/lib"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    return tmp_path


def change(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_all_commands_are_there():
    said = set(re.findall(r"(?m)^\.B ([\w\\-]+)", page("xl.1")))
    session = (ROOT / "tests/unit/toolstack.txt").read_text(errors="replace")
    helped = re.search(r"dom0> xl\n((?:  .*\n)+)", session)[1]
    wanted = {re.match(r"  ([\w-]+)", line)[1] for line in helped.splitlines()
              if re.match(r"  [\w-]+", line)}
    assert {name.replace("\\", "") for name in said} == wanted


def test_what_is_new_is_on_the_page(tree):
    change(tree / "dom0/xl/commands.c", '{ "audit", ""', '{ "count", ""')
    change(tree / "hypervisor/lib/params.c", '{ "maxcpus="', '{ "mostcpus="')
    assert ".B count\n" in page("xl.1", tree) and ".B audit\n" not in page("xl.1", tree)
    assert ".B mostcpus=\n" in page("domus.7", tree)


def test_a_key_without_words_stops_the_build(tree):
    change(tree / "dom0/config/config.c", '{ "cap", key_cap }', '{ "lid", key_cap }')
    run = made("xl.cfg.5", tree)
    assert run.returncode and "'lid'" in run.stderr and "'cap'" in run.stderr


def test_a_row_that_is_not_understood_stops_the_build(tree):
    change(tree / "dom0/xl/commands.c", '{ "audit", ""', '{ AUDIT, ""')
    assert made("xl.1", tree).returncode


def test_options_of_the_hypervisor():
    text = page("domus.7")
    source = (ROOT / "hypervisor/lib/params.c").read_text()
    known = re.search(r"those are (dom0_mem=[^;]*?)\",\s", source)[1]
    for word in re.findall(r"[\w=]+=|dom0_vcpus_pin", known):
        assert f".B {word}\n" in text


@pytest.mark.parametrize("name", PAGES)
def test_no_markdown_is_left(name):
    text = page(name)
    assert not re.findall(r"(?m)^(?:\\&)?(?:#|\||```).*", text)
    announced = re.findall(r"(?m).*:\n\.PP\n(?!\.nf).*", text)
    assert not announced                                    # a list that did not come along
    assert name != "xl.1" or ".SS While it runs\n" in text


def test_options_of_a_tool_stand_below_each_other():
    tool = ROOT / "pvguest-sdk/tools/domus-new"
    text = subprocess.run([sys.executable, tool.parent / "manual.py", tool], check=True,
                          capture_output=True, text=True).stdout
    assert re.search(r"(?m)^  NAME ", text) and re.search(r"(?m)^  \\-\\-port ", text)


@pytest.mark.parametrize("name", PAGES)
def test_troff_takes_it(name):
    if not shutil.which("groff"):
        pytest.skip("groff is not installed")
    run = subprocess.run(["groff", "-man", "-Tutf8", "-ww"], input=page(name), text=True,
                         capture_output=True)
    assert run.returncode == 0 and run.stderr == ""
