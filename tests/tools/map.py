#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""make map: the rooms of hypervisor/ and who includes whom, as a picture made from the includes.

map.py [FILE]  writes the SVG to FILE; `make map` to hypervisor/rooms.svg, which the README shows
and make lint compares. Arcs on the right go down, as they shall; those on the left go up, and each
is of the table STATE, or has its reason in UPWARDS.
"""
import pathlib
import re
import sys

# From the lowest: a room includes itself and those before it.
ORDER = ("lib", "machine", "memory", "domain", "entry", "svm", "emulate", "calls", "control",
         "boot")
# What a higher room keeps of a vCPU: embedded in struct vcpu by domain.h, and nothing but data, for
# it includes lib/ at most.
STATE = ("entry/guest_entry.h", "emulate/ports.h")
STATE_IN = "domain/domain.h"
# (who, whom): why such an arrow is not turned. There is none.
UPWARDS = {}
INCLUDE = re.compile(r'^\s*[#%]\s*include\s*"((\w+)/[^"]+)"', re.M)
PICTURE = pathlib.Path("hypervisor/rooms.svg")


def allowed(who, whom):
    """May hypervisor/`who` include hypervisor/`whom`?"""
    room, target = who.split("/")[0], whom.split("/")[0]
    if who in STATE:
        return target == "lib"
    if room not in ORDER or target not in ORDER:
        return False
    return (ORDER.index(target) <= ORDER.index(room) or (who, whom) in UPWARDS or
            (who == STATE_IN and whom in STATE))


def includes(folder="hypervisor"):
    """[(who, whom), ...] below the folder, of one room in another."""
    found = []
    for path in sorted(pathlib.Path(folder).glob("*/*")):
        if path.suffix in (".c", ".h", ".asm", ".inc"):
            who = "/".join(path.parts[-2:])
            found += [(who, whom) for whom, room in INCLUDE.findall(path.read_text())
                      if room != path.parts[-2] and room in ORDER]
    return found


HEIGHT, WIDTH, LEFT, BOX = 44, 520, 110, 110
COLOURS = ("#888", "#0072b2", "#009e73",
           "#8a6d00", "#d55e00", "#a00000", "#cc79a7", "#56b4e9", "#6a3d9a", "#333")


def middle(room):
    return 24 + HEIGHT * (len(ORDER) - 1 - ORDER.index(room))


def arc(source, target):
    """From the box's edge to the other's; each room's begin a little beside each other's ends."""
    down = ORDER.index(target) < ORDER.index(source)
    x = LEFT + BOX if down else LEFT
    y1, y2 = middle(source) + (6 if down else -6), middle(target) - (6 if down else -6)
    bend = abs(y2 - y1) * 0.8 + 14
    out = x + bend if down else x - min(bend, LEFT)
    dashed = "" if down else ' stroke-dasharray="4 3"'
    return (f'<path d="M{x} {y1}C{out:.0f} {y1} {out:.0f} {y2} {x} {y2}" fill="none"'
            f' stroke="{COLOURS[ORDER.index(source)]}" marker-end="url(#a)"{dashed}/>')


def picture(found):
    arrows = sorted({(who.split("/")[0], whom.split("/")[0]) for who, whom in found
                     if who.split("/")[0] in ORDER},
                    key=lambda arrow: [ORDER.index(room) for room in arrow])
    height = 2 * 24 + HEIGHT * (len(ORDER) - 1)
    lines = ['<!-- SPDX-License-Identifier: MIT; made by make map -->',
             f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}"'
             ' font-family="sans-serif" font-size="14">',
             '<defs><marker id="a" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7"'
             ' markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z"/></marker></defs>',
             f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>']
    lines += [arc(*arrow) for arrow in arrows]
    for room in ORDER:
        y = middle(room)
        lines += [f'<rect x="{LEFT}" y="{y - 15}" width="{BOX}" height="30" rx="4" fill="#fff"'
                  f' stroke="{COLOURS[ORDER.index(room)]}"/>',
                  f'<text x="{LEFT + BOX // 2}" y="{y + 5}" text-anchor="middle">{room}/</text>']
    return "\n".join(lines) + "\n</svg>\n"


if __name__ == "__main__":
    if sys.argv[1:] == ["--help"]:
        sys.exit(__doc__)
    out = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else PICTURE)
    out.write_text(picture(includes()))
    print(f"  MAP     {out}")
