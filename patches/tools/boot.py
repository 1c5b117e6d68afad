#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""make port: boots both kernels and compares them.

    boot.py BUILD              native on QEMU, and the whole series as a domU of Domus: the kernel's
                               tests and bench
    boot.py BUILD --step N     only the kernel after patch N, and how far it gets
    boot.py BUILD --tree [N]   only build/port/own/insula.elf, a tree of somebody's own; N: it is
                               that far in the series, else it has all of it
"""
import os
import pathlib
import re
import shutil
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
if sys.argv[1:2] in ([], ["--help"]):
    sys.exit(__doc__)
build = pathlib.Path(sys.argv[1]).resolve()
os.environ["DOMUS_BUILD"] = str(build)
sys.path += [str(ROOT / name) for name in ("pvguest-sdk/tools", "tests/tools", "patches/tools")]
import archive  # noqa: E402
try:
    import machine  # noqa: E402
except ImportError as problem:
    sys.exit(f"make port: kernels are booted and compared by the tests' machine (tests/tools): "
             f"{problem}")
import port  # noqa: E402
import portsize  # noqa: E402

RUN = "run=tests;bench;poweroff"
ADDRESS = "ip=10.0.2.15/24 gw=10.0.2.2"
# the first patch whose kernel has a disk of dom0's; before that it gets one in memory
BLOCK_PATCH = 9


def text_of(run):
    if not run.log.closed:
        run.log.flush()
    return machine.ESCAPES.sub("", run.transcript.read_text(errors="replace"))


def bench_of(run):
    return {name: int(ticks) for name, ticks in re.findall(r"bench: (\w+) (\d+)", text_of(run))}


def boot_native():
    disk = build / "disks" / "port-native.img"
    disk.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(build / "native/insula-fs.img", disk)
    kernel = machine.Hypervisor("insula", build / "native/insula.elf",
                                [f'"{ADDRESS} {RUN}"'], "max")
    with machine.Machine("port-native", hypervisor=kernel,
                         modules=[], memory=256, disk=disk, net="user,id=n0",
                         icount=True) as run:
        run.expect("ALL TESTS PASSED", timeout=180)
        run.expect("bench: done", timeout=120)
        run.wait_off()
        return bench_of(run)


def domu(name, elf, configuration, script):
    """A machine with Domus, our dom0 and one guest."""
    # not the tree, where it would look like an edit
    folder = build / "port-boot" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "insula.cfg").write_text(configuration)
    (folder / "init.rc").write_text(script)
    tar = folder / "archive.tar"
    archive.make_archive(tar, [f"{elf}=insula.elf", folder / "insula.cfg",
                               folder / "init.rc", build / "native/insula-fs.img"])
    return machine.Machine(f"port-{name}", modules=[[build / "dom0.elf"], [tar]],
                           disk=build / "disk.img", snapshot=True,
                           net="user,id=n0", icount=True)


def configuration(step):
    with_devices = "disk = [ 'phy:insula1,xvda,w' ]\nvif = [ 'mac=00:16:3e:00:00:01,bridge=br0' ]\n"
    devices = with_devices if step is None or step >= BLOCK_PATCH else 'ramdisk = "insula-fs.img"\n'
    address = ADDRESS + " " if step is None or step > BLOCK_PATCH else ""
    return f"""name = "insula"
kernel = "insula.elf"
memory = 64
extra = "{address}{RUN}"
on_crash = "destroy"
{devices}"""


SCRIPT = "create insula.cfg\nwait insula\npoweroff\n"


def boot_ported():
    with domu("domu", build / "guests/insula.elf", configuration(None), SCRIPT) as run:
        run.expect("ALL TESTS PASSED", timeout=240)
        run.expect("bench: done", timeout=120)
        run.wait_off(60)
        return bench_of(run)


def boot_step(name, step):
    with domu(name, build / f"port/{name}/insula.elf", configuration(step), SCRIPT) as run:
        try:
            run.wait_off(240)
        except machine.Failed as failure:
            print(failure)
    lines = text_of(run).splitlines()
    first = next((i for i, line in enumerate(lines) if "is created" in line), 0)
    for line in lines[first:]:
        if re.match(r"\(insula\)|\(domus\).*(omain [1-9]|d[1-9])|.*has ended", line):
            print("    " + line)


def main():
    if "--tree" in sys.argv:
        return boot_step("own", int(sys.argv[-1]) if sys.argv[-1].isdigit() else None)
    if "--step" in sys.argv:
        port.says("patches/series", int(sys.argv[-1]))
        return boot_step(f"step-{sys.argv[-1]}", int(sys.argv[-1]))
    native = boot_native()
    print("native: ALL TESTS PASSED")
    ported = boot_ported()
    print("domU:   ALL TESTS PASSED\n")
    print("what the kernel's services cost            native       domU   (instructions, -icount "
          "shift=0,sleep=off)")
    for name, ticks in native.items():
        print(f"  {name:38} {ticks:>11} {ported.get(name, 0):>10}")
    print("  (file_write_sync waits for the disk; time passes in instructions too)\n")
    portsize.main(["portsize.py", "patches/insula", "patches/series"])


try:
    main()
except machine.Failed as failure:
    sys.exit(f"make port: {failure}")
