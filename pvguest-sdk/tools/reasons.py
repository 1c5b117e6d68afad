#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Which refusals a hypercall can come to, read out of the hypervisor's C.

Each place that refuses is `fail(-ERRNO, "why")` or one of its kin (hypervisor/lib/fail.h), and rule
7 of the house keeps it so. What a handler can reach is what its function names, and what those
name: a function that is called in another's body, or handed on there by its name.
So the answer may hold a refusal that another check in front of it makes impossible; none is left
out. Handlers themselves (do_*) are not followed, else a multicall would be everything.
"""
import collections
import pathlib
import re

Refusal = collections.namedtuple('Refusal', 'errno why file function line')

FUNCTION = re.compile(r'^(?!typedef|#)(?P<head>[A-Za-z_][\w \*\(\)]*?\b(?P<name>[a-z_]\w*)'
                      r'\((?P<arguments>[^;{}]*?)\)[^;{}]*?)\n\{\n(?P<body>.*?)^\}', re.M | re.S)
REFUSES = re.compile(r'\b(fail|fail_frame|fail_value|expected|refuse|refuse_frame|refuse_value)'
                     r'\(\s*(?P<errno>[^;"]*?),\s*(?P<why>(?:"(?:[^"\\]|\\.)*"\s*)+)')
MACRO = re.compile(r'^#define (?P<name>[A-Z_]+)\s+(?P<body>(?:fail|refuse)\w*\([^\n]*\))$', re.M)
# Called, or by itself between what surrounds an argument; a member is neither.
NAMED = re.compile(r'(?<![\w.>])([A-Za-z_]\w*)(?=\s*\()'
                   r'|(?<=[(,=?:])\s*([A-Za-z_]\w*)(?=\s*[,);:}])')
ATTRIBUTE = re.compile(r'__attribute__\(\((?:[^()]|\([^()]*\))*\)\)')
ROW = re.compile(r'\b(?:ROW|ROW_AT|OPERATION)\((\w+),[^()]*?\b(\w+)\)', re.S)
STRING = re.compile(r'"(?:[^"\\]|\\.)*"')


def bare(text):
    """The same without comments and attributes, but with its lines where they were."""
    blank = lambda match: re.sub(r'[^\n]', ' ', match.group(0))
    return ATTRIBUTE.sub('', re.sub(r'/\*.*?\*/', blank, text, flags=re.S))


class Source:
    """The functions of some folders, who names whom, and what each refuses by itself."""

    def __init__(self, *folders):
        self.functions = collections.defaultdict(dict)      # file -> name -> body
        self.everywhere, self.rows, self.refusals = {}, {}, {}
        self.count = 0
        files = [(path, bare(path.read_text())) for folder in folders
                 for path in sorted(pathlib.Path(folder).rglob('*.[ch]'))]
        macros = {m['name']: m['body'] for _, text in files for m in MACRO.finditer(text)}
        for path, text in files:
            self.read(str(path), text, macros)
        self.names = {key: self.named(*key) for key in self.refusals}

    def read(self, path, text, macros):
        for match in FUNCTION.finditer(text):
            name, body = match['name'], match['body']
            for macro, meaning in macros.items():
                body = re.sub(rf'\b{macro}\b', lambda _, m=meaning: m, body)
            self.functions[path][name] = body
            if not match['head'].startswith('static ') or path.endswith('.h'):
                self.everywhere.setdefault(name, path)
            first = text.count('\n', 0, match.start('body')) + 1
            found = [Refusal(' '.join(r['errno'].split()).lstrip('-'),
                             ''.join(s[1:-1] for s in STRING.findall(r['why'])), path, name,
                             first + body.count('\n', 0, r.start()))
                     for r in REFUSES.finditer(body)]
            self.refusals[path, name] = found
            self.count += len(found)
        for name, function in ROW.findall(text):
            self.rows.setdefault(name, (path, function))

    def find(self, path, name):
        if name in self.functions[path]:
            return path, name
        return (self.everywhere[name], name) if name in self.everywhere else None

    def named(self, path, name):
        body = STRING.sub('', self.functions[path][name])
        words = {word for pair in NAMED.findall(body) for word in pair if word} - {name}
        return {found for found in (self.find(path, word) for word in sorted(words)) if found}

    def reach(self, start):
        """What (path, name) comes to, nearest first: [Refusal]."""
        seen, queue, result = {start}, [start], []
        while queue:
            key = queue.pop(0)
            result += self.refusals[key]
            for other in sorted(self.names[key]):
                if other not in seen and not other[1].startswith('do_'):
                    seen.add(other)
                    queue.append(other)
        return result

    def of_handler(self, handler):
        return self.reach((self.everywhere[handler], handler))

    def of_operation(self, name):
        path, function = self.rows.get(name, (None, None))
        key = self.find(path, function) if path else None
        return self.reach(key) if key else []
