# SPDX-License-Identifier: MIT
"""Copies of the tree that are nobody's, built: the base without a mistake, one for each worker."""
import ctypes
import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

# Folders of a build that are worth a copy.
BUILT = {"hv-obj", "hv-debug", "debug-obj", "hostile-obj", "guest-obj", "gen", "guests", "archive",
         "unit", "native", "port", "scan"}
# Warnings would be errors: a mutant may leave a variable unused.
MAKE = ["make", "--no-print-directory", "-s", "B=build", "DEPS=present", "CC=gcc -w"]


class Broken(Exception):
    """The tool cannot go on; the text says why."""


def die_with_parent():
    ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL)


def start(command, tree, environment=None):
    return subprocess.Popen(command, cwd=tree, env=environment, text=True, errors="replace",
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            start_new_session=True, preexec_fn=die_with_parent)


def make(tree, *targets, jobs=1):
    """None, or what make complains of."""
    process = start([*MAKE, f"-j{jobs}", *targets], tree)
    said = process.communicate()[0]
    return said if process.returncode else None


def fingerprint(tree, files):
    """What the code in some products is, debugging information and local names aside."""
    digest = hashlib.sha1()
    with tempfile.NamedTemporaryFile() as bare:
        for file in files:
            subprocess.run(["objcopy", "-D", "--strip-unneeded", str(tree / file), bare.name],
                           check=True)
            digest.update(pathlib.Path(bare.name).read_bytes())
    return digest.hexdigest()[:16]


def prepare_base(root, build, base):
    """The tree as it is now, copied and built."""
    listing = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=root, text=True,
                             stdout=subprocess.PIPE)
    if listing.returncode:
        raise Broken("the files of the tree are those that git knows, and git knows none here")
    wanted = [line for line in listing.stdout.splitlines() if (root / line).is_file()]
    first = not (base / "Makefile").exists()
    for line in wanted:
        source, target = root / line, base / line
        if not target.exists() or target.read_bytes() != source.read_bytes():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
            if not first:
                target.touch()
    kept = base / "files.json"
    for line in set(json.loads(kept.read_text()) if kept.exists() else []) - set(wanted):
        (base / line).unlink(missing_ok=True)
    kept.write_text(json.dumps(wanted))
    for name in ("times", "build"):
        (base / name).mkdir(exist_ok=True)
    if first and build == root / "build":               # what is built need not be built again
        for entry in build.iterdir():
            if entry.suffix in (".elf", ".a", ".tar", ".parts"):
                shutil.copy2(entry, base / "build")
            elif entry.name in BUILT:
                shutil.copytree(entry, base / "build" / entry.name)
    units = [f"build/unit/{path.stem[5:]}/test" for path in base.glob("tests/unit/test_*.c")]
    if complaint := make(base, "all", "build/reach.so", "build/domus-scan.1", *units,
                         jobs=os.cpu_count()):
        raise Broken(f"the tree does not build as it is:\n{complaint}")
    for name in ("linux", "peer", "rig"):
        if (build / name).exists() and not (base / "build" / name).exists():
            (base / "build" / name).symlink_to((build / name).resolve())


def all_refusals(base):
    """The places "FILE:LINE" that count how often they say no, as the tree's own tool has it."""
    code = "import pathlib, refusals; print(*refusals.all_places(pathlib.Path('build')))"
    environment = {**os.environ, "PYTHONPATH": str(base / "tests/tools")}
    done = subprocess.run([sys.executable, "-c", code], cwd=base, env=environment, text=True,
                          check=True, stdout=subprocess.PIPE)
    return done.stdout.split()


def copy_of(base, path):
    """A scratch copy, fresh."""
    shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(base, path, symlinks=True,
                    ignore=lambda folder, names: {"logs", "isos", "disks"} & set(names)
                    if pathlib.Path(folder) == base / "build" else set())
