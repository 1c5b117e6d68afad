#!/bin/sh
# SPDX-License-Identifier: MIT
# deps.sh: installs the Debian packages that Domus needs and that are missing; says which and why. A
# second run installs nothing.
#   deps.sh            install what is missing (apt-get; through sudo when not root)
#   deps.sh list       print the table only
#   deps.sh peer DIR   fetch Debian's Xen 4.17 into DIR/xen.elf, without installing it (the real
#                      thing that the tests compare with)
#   deps.sh --help     this
set -eu

# package            why
PACKAGES='
libc6-dev            C library headers: unit tests and image tools run on the host
nasm                 assembles the ways into and out of ring 0
libxen-dev           the public headers of the Xen ABI, which Domus implements
qemu-system-x86      the machine that everything runs on
seabios              the BIOS of that machine
grub-pc-bin          the boot loader that goes into the ISO images
grub-common          grub-mkimage, which links it
xorriso              writes ISO images
libcmocka-dev        unit tests on the host
zlib1g-dev           packs kernels, which dom0 unpacks by itself
libzydis-dev         a disassembler, for domus-scan, and what the decoder is compared with
libdw-dev            reads ELF files and their lines of source, for domus-scan
patch                applies the port of the teaching kernel
pkgconf              compiler flags of the installed kit: a test builds with them
python3-pytest       drives the test suite
python3-pytest-xdist runs two machines at a time in it
python3-pytest-timeout fails a test that hangs, and says where
python3-pexpect      talks to the machines over their serial lines
e2fsprogs            file systems for the disks of Linux guests in the tests
zstd                 unpacks the newer kernel of Debian, a guest in the tests
gdb                  make gdb: the hypervisor under the debugger
'

names() { echo "$PACKAGES" | awk 'NF { print $1 }'; }
why() { echo "$PACKAGES" | awk -v p="$1" '$1 == p { $1 = ""; print }'; }
status() { dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null || true; }
installed() { [ "$(status "$1")" = installed ]; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null; then sudo "$@"
    else echo "deps: not root and no sudo here. As root: $*" >&2; exit 1; fi
}

# A fresh container has no package lists; without them apt-get finds nothing.
need_lists() { ! ls /var/lib/apt/lists/*Packages* >/dev/null 2>&1; }

fetch_peer() {
    peer=$1
    [ -s "$peer/xen.elf" ] && return 0
    command -v apt-get >/dev/null && command -v dpkg >/dev/null ||
        { echo "peer: no apt-get here, so no real Xen" >&2; return 1; }
    mkdir -p "$peer"
    if need_lists; then as_root apt-get -qq update || true; fi
    # apt-get as root hands downloads to the user _apt, who may not write here: harmless, so its
    # warning is dropped with the rest.
    if ! (cd "$peer" && apt-get -qq download xen-hypervisor-4.17-amd64 >download.log 2>&1); then
        echo "peer: Debian's xen-hypervisor-4.17-amd64 cannot be had ($peer/download.log);" \
            "tests on real Xen are skipped" >&2
        return 1
    fi
    (cd "$peer" && dpkg -x xen-hypervisor-4.17-amd64_*.deb unpacked &&
        gzip -dc unpacked/boot/xen-4.17-amd64.gz >xen.elf.new && mv xen.elf.new xen.elf)
}

case "${1:-install}" in
install) ;;
list) echo "$PACKAGES"; exit 0 ;;
peer) [ -n "${2:-}" ] || { echo "deps.sh peer: into which folder?" >&2; exit 2; }
    fetch_peer "$2"; exit $? ;;
-h | --help) sed -n 's/^# \{0,1\}//p' "$0" | sed -n '3,/--help/p'; exit 0 ;;
*) echo "deps.sh: $1 is not understood; deps.sh --help says what is" >&2; exit 2 ;;
esac

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    echo "deps: this system has no apt-get. Domus is built and tested with these Debian 12" \
        "packages:$PACKAGES" >&2
    echo "deps: install their equivalents, then run: make DEPS=present TARGET" >&2
    exit 1
fi

missing=
for package in $(names); do installed "$package" || missing="$missing $package"; done
[ -n "$missing" ] || exit 0

echo "Installing what is missing (Debian packages):"
for package in $missing; do printf '  %-20s %s\n' "$package" "$(why "$package")"; done
export DEBIAN_FRONTEND=noninteractive
if need_lists; then as_root apt-get -qq update; fi
install="env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends"
install="$install -o Dpkg::Use-Pty=0 install"
# Lists may be old and name files that are gone from the mirror: fetch them anew once before giving
# up. shellcheck disable=SC2086
as_root $install $missing >/dev/null ||
    { as_root apt-get -qq update; as_root $install $missing >/dev/null; }
