# SPDX-License-Identifier: MIT
"""The ABI page (pvguest-sdk/tools/reference.py): every operation and every refusal there is stands
on it, each where a guest would look, and a new one comes by itself."""
import html.parser
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "pvguest-sdk" / "tools"))
import hypercalls  # noqa: E402
import reasons  # noqa: E402

TABLES = ROOT / "pvguest-sdk" / "include" / "abi"
PLACE = re.compile(r"\b(?:fail|fail_frame|fail_value|expected|refuse|refuse_frame|refuse_value)"
                   r"\(\s*[^;\"]*?,\s*\"((?:[^\"\\]|\\.)*)\"")


def made(name, tree, tmp_path):
    out = tmp_path / name
    subprocess.run([sys.executable, ROOT / "pvguest-sdk/tools/reference.py", out], cwd=tree,
                   check=True)
    return out.read_text()


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return made("abi.md", ROOT, tmp_path_factory.mktemp("page"))


def section(page, title):
    return re.search(rf"(?ms)^(#+) {re.escape(title)}.*?(?=^#|\Z)", page).group(0)


def test_every_operation_has_a_row(page):
    calls = hypercalls.read_hypercalls(TABLES / "hypercall.tbl")
    for row in hypercalls.read_operations(TABLES / "privilege.tbl", calls):
        number = calls[row.hypercall].number
        name = "the call" if row.name == "-" else f"`{row.name}`"
        assert f"| {name} |" in section(page, f"{row.hypercall} ({number})"), row


def test_every_sentence_of_the_source_is_there(page):
    missing = []
    for path in sorted((ROOT / "hypervisor").rglob("*.c")):
        for why in PLACE.findall(reasons.bare(path.read_text())):
            if f"| {why}" not in page:
                missing.append((path.name, why))
    assert not missing


@pytest.mark.parametrize("where,errno,why", [
    ("mmu_update (1)", "-EINVAL", "reserved or PAT bits in a level-1 entry"),
    ("mmu_update (1)", "-EFAULT", "the list of updates"),
    ("set_gdt (2)", "-EINVAL", "a GDT of more than 14 pages"),
    ("iret (23)", None, None),
    ("`VCPUOP_register_vcpu_info`", "-EINVAL", "the info was moved already"),
    ("`MMUEXT_SET_LDT`", "-EINVAL", ""),
    ("`MMUEXT_PIN_L1_TABLE`, ", "-EINVAL", "the frame is in use as another type, or is nobody's"),
    ("`SCHEDOP_watchdog`", "-ENOSPC", "all watchdogs are in use"),
    ("grant_table_op (20)", "GNTST_bad_copy_arg", "the copy crosses a page boundary"),
    ("`GNTTABOP_transfer`", "-ENOSYS", ""),
    ("event_channel_op (32)", "-EFAULT", "the argument cannot be read"),
])
def test_a_refusal_is_where_one_looks(page, where, errno, why):
    text = section(page, where)
    if errno:
        assert re.search(rf"^\| `{errno}` \| {re.escape(why)}", text, re.M), text


def test_a_refusal_of_one_operation_is_not_another_ones(page):
    assert "all watchdogs are in use" not in section(page, "`SCHEDOP_poll`")
    assert "all watchdogs are in use" not in section(page, "sched_op (29)")


def test_what_is_new_comes_by_itself(tmp_path):
    tree = tmp_path / "tree"
    shutil.copytree(ROOT / "hypervisor", tree / "hypervisor")
    shutil.copytree(TABLES, tree / "pvguest-sdk/include/abi")
    path = tree / "hypervisor/calls/sched_op.c"
    text = path.read_text()
    asked = 'return fail(-ENOSPC, "all watchdogs are in use");'
    assert asked in text
    path.write_text(text.replace(asked, 'return fail(-E2BIG, "a new reason");'))
    assert "| `-E2BIG` | a new reason |" in section(made("a.md", tree, tmp_path),
                                                    "`SCHEDOP_watchdog`")


class Structure(html.parser.HTMLParser):
    """What stands open at the end, and what is fetched from elsewhere."""

    def __init__(self):
        super().__init__()
        self.open, self.elsewhere, self.anchors, self.links = [], [], set(), set()

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag != "meta":
            self.open.append(tag)
        self.elsewhere += [value for key, value in attributes.items() if key == "src"]
        self.links.add(attributes.get("href", "#rest"))
        self.anchors.add("#" + attributes.get("id", ""))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_html_page_is_whole_and_alone(page, tmp_path):
    text = made("abi.html", ROOT, tmp_path)
    structure = Structure()
    structure.feed(text)
    assert not structure.open and not structure.elsewhere
    assert structure.links <= structure.anchors
    assert "prefers-color-scheme: dark" in text
    assert len(re.findall("<tr><td>", text)) == \
        len(re.findall(r"(?m)^\| (?!errno|operation)", page))
