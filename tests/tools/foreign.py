# SPDX-License-Identifier: MIT
"""Debian packages taken apart, never installed: where the guests come from that nobody here wrote.

fetch() leaves the wanted files of a package in a folder; backports() and newest() are the apt that
knows Debian's newer kernels; grub() is GRUB's PV image. Each raises Unavailable with the reason
when Debian's archive cannot be reached. A second call fetches nothing.
"""
import fnmatch
import hashlib
import io
import os
import pathlib
import re
import shutil
import subprocess
import tarfile

# An archive that does not answer is soon given up; root's downloads stay root's, for _apt may not
# write here.
APT_OPTIONS = ["-o", "Acquire::Retries=1",
               "-o", "Acquire::http::Timeout=15", "-o", "Acquire::https::Timeout=15"]
if os.geteuid() == 0:
    APT_OPTIONS += ["-o", "APT::Sandbox::User=root"]


CHECKSUM = "package.sha256"
WANTED = "package.wanted"         # the patterns that were unpacked: others are fetched anew


class Unavailable(Exception):
    """Debian's archive, or the tools to reach it, are not here."""


def call(*command, cwd=None):
    try:
        done = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
    except OSError as problem:
        raise Unavailable(f"{command[0]}: {problem}") from problem
    if done.returncode:
        raise Unavailable(f"{command[0]} {command[-1]}: {done.stdout.strip()[-300:]}")
    return done.stdout


def dependency(package, pattern, apt=()):
    """The package that a meta package stands for: linux-image-amd64 depends on the kernel of
    today."""
    found = re.search(rf"Depends: ({pattern})", call("apt-cache", *apt, "depends", package))
    if not found:
        raise Unavailable(f"{package} is not known to apt")
    return found.group(1)


def fetch(folder, package, *wanted, apt=()):
    """Those of the package's files that match the wanted patterns, below folder/package; which
    package that was, and its checksum: checksum()."""
    folder = pathlib.Path(folder).resolve()
    root, scratch = folder / package, folder / f"{package}.new"
    asked = "".join(f"{pattern}\n" for pattern in wanted)
    if (root / WANTED).exists() and (root / WANTED).read_text() == asked:
        return root
    for stale in root, scratch:                 # other files of it were wanted; a fetch that broke
        shutil.rmtree(stale, ignore_errors=True)
    scratch.mkdir(parents=True)
    call("apt-get", *APT_OPTIONS, *apt, "-qq", "download", package, cwd=scratch)
    deb = next(scratch.glob("*.deb"), None)
    if not deb:
        raise Unavailable(f"{package}: apt-get says nothing and brings nothing")
    data = subprocess.run(["dpkg", "--fsys-tarfile", str(deb)],
                          check=True, stdout=subprocess.PIPE).stdout
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        tar.extractall(scratch, [member for member in tar
                                 if any(fnmatch.fnmatch(member.name, w) for w in wanted)])
    (scratch / CHECKSUM).write_text(f"{hashlib.sha256(deb.read_bytes()).hexdigest()}  {deb.name}\n")
    (scratch / WANTED).write_text(asked)
    deb.unlink()
    scratch.rename(root)
    return root


def checksum(root):
    """The line of sha256sum for the package that fetch() unpacked there."""
    return (root / CHECKSUM).read_text().strip()


def backports(folder):
    return suite(folder, "{}-backports")


def newest(folder):
    return suite(folder, "unstable")


def suite(folder, wanted):
    """Options for apt-get and apt-cache that make them see another suite ({}: this Debian's name),
    from the mirror that apt uses, with lists and cache of our own: the machine's apt is not
    changed."""
    folder = pathlib.Path(folder).resolve()
    release = re.search(r"^VERSION_CODENAME=(\S+)",
                        pathlib.Path("/etc/os-release").read_text(), re.M)
    mirror = call("apt-get", "indextargets", "--format",
                  "$(REPO_URI)", "Created-By: Packages", f"Codename: {release.group(1)}")
    if not mirror.strip():
        raise Unavailable("apt has no lists of this Debian")
    for name in ("lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    source = folder / "sources.list"
    source.write_text(f"deb {mirror.splitlines()[0]} {wanted.format(release.group(1))} main\n")
    options = ["-o", f"Dir::Etc::sourcelist={source}",
               "-o", "Dir::Etc::sourceparts=/dev/null", "-o", f"Dir::State::Lists={folder}/lists",
               "-o", f"Dir::Cache={folder}/cache"]
    if not list((folder / "lists").glob("*Packages*")):
        call("apt-get", *APT_OPTIONS, *options, "-qq", "update")
    return options


def grub(folder):
    return fetch(folder, "grub-xen-host",
                 "*/grub-x86_64-xen.bin") / "usr/lib/grub-xen/grub-x86_64-xen.bin"
