# SPDX-License-Identifier: MIT
"""The page of `make compare`: one file with nothing to fetch; a drawing and the tables. Pure."""
import html as escape_html
import math

COLOURS = ["#1b1b1b", "#1f78b4", "#6fb1dc", "#d95f02", "#e6ab02", "#1b9e77", "#7b3294",
           "#c2a5cf"]
MARKS = ["circle", "square", "square", "diamond", "diamond", "diamond", "triangle", "triangle"]
LEFT, RIGHT, TOP, STEP, WIDTH = 210, 50, 108, 34, 980

LETTERS = "<style>text { font: 13px sans-serif; fill: #222 }</style>"     # of a drawing
STYLE = """
body { font: 15px/1.5 sans-serif; max-width: 76em; margin: 2em auto; padding: 0 1em; color: #222 }
svg { width: 100%; height: auto; border: 1px solid #ddd }
table { border-collapse: collapse; margin: .5em 0; font-size: 13px }
td, th { border-bottom: 1px solid #ddd; padding: .2em .7em; text-align: right; font-weight: normal }
th { border-bottom: 2px solid #888; vertical-align: bottom }
td:first-child, th:first-child { text-align: left }
.left td { text-align: left }
"""


def escape(text):
    return escape_html.escape(str(text))


def mark(which, x, y, colour):
    """A point of 5 pixels each way."""
    shapes = {"square": "-5,-5 5,-5 5,5 -5,5", "diamond": "0,-6 6,0 0,6 -6,0",
              "triangle": "0,-6 6,5 -6,5"}
    where = f'transform="translate({x:.1f} {y:.1f})" fill="{colour}" stroke="#fff"'
    if which == "circle":
        return f'<circle r="5" {where}/>'
    return f'<polygon points="{shapes[which]}" {where}/>'


def style_of(number):
    return MARKS[number % len(MARKS)], COLOURS[number % len(COLOURS)]


def legend(titles):
    """Three to a line."""
    parts = []
    for number, title in enumerate(titles):
        x, y = LEFT + 230 * (number % 3), 22 + 22 * (number // 3)
        shape, colour = style_of(number)
        parts.append(mark(shape, x, y, colour) +
                     f'<text x="{x + 12}" y="{y + 4}">{escape(title)}</text>')
    return parts


def axis(low, high, place, bottom):
    """A line for each power of ten."""
    for power in range(low, high + 1):
        x = place(10 ** power)
        yield (f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 8}" y2="{bottom}" stroke="#ddd"/>'
               f'<text x="{x:.1f}" y="{TOP - 13}" text-anchor="middle">{10 ** power:,}</text>')


def drawing(points, titles):
    """points: for each row [(mode's title, instructions, or the reason why there are none)]; a row
    is a line, from left to right on a logarithmic scale."""
    figures = [value for row in points for _, value in row if not isinstance(value, str)]
    modes = [mode for mode, value in points[0] if not isinstance(value, str)]
    low = math.floor(math.log10(max(1, min(figures))))
    high = max(low + 1, math.ceil(math.log10(max(figures))))
    bottom = TOP + STEP * len(points)

    def place(value):
        share = (math.log10(max(1, value)) - low) / (high - low)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    parts = legend(modes) + list(axis(low, high, place, bottom))
    for number, (row, title) in enumerate(zip(points, titles)):
        y = TOP + STEP * number + STEP / 2
        known = {mode: value for mode, value in row if not isinstance(value, str)}
        parts.append(f'<text x="{LEFT - 14}" y="{y + 4}" text-anchor="end">{escape(title)}</text>'
                     f'<line x1="{place(min(known.values())):.1f}" y1="{y}" y2="{y}" '
                     f'x2="{place(max(known.values())):.1f}" stroke="#aaa"/>')
        for mode, value in known.items():
            which = modes.index(mode)
            shape, colour = style_of(which)         # by threes, so that none hides another
            parts.append(f"<g><title>{escape(title)}, {escape(mode)}: {value:,}</title>" +
                         mark(shape, place(value), y + 7 * (which % 3 - 1), colour) + "</g>")
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + 16}" '
            f'role="img" aria-label="Instructions for each operation, in each mode">'
            f'{LETTERS}<rect width="{WIDTH}" height="{bottom + 16}" fill="#fff"/>' +
            "\n".join(parts) + "</svg>")


def table(rows, kind=""):
    def line(cells, tag):
        return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"
    return f'<table class="{kind}">' + "\n".join(
        [line(rows[0], "th")] + [line(row, "td") for row in rows[1:]]) + "</table>"


def html(tables, picture, rows, conditions):
    """tables: [(title, [[cell]], [note])]; picture: of drawing(); rows: (title, whose name, what is
    done) of each."""
    parts = ["<h1>One kernel, all the ways to run it</h1>", f"<p>{escape(conditions)}</p>",
             "<h2>Instructions for each operation, by a logarithmic scale</h2>",
             picture]
    for title, cells, notes in tables:
        parts += [f"<h2>{escape(title)}</h2>", table(cells),
                  "".join(f"<p>{escape(note)}</p>" for note in notes)]
    parts += ["<h2>What the operations are</h2>",
              table([["operation", "the name is", "what is done"], *map(list, rows)], "left")]
    return ('<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/>'
            f"<title>One kernel, all modes</title><style>{STYLE}</style></head>\n<body>" +
            "\n".join(parts) + "</body></html>\n")
