# SPDX-License-Identifier: MIT
"""C as the mutants' makers see it: tokens, who encloses whom, functions, statements. No parser: as
much as a careful reader sees without types. Comments are no tokens, texts are tokens that nobody
changes, a directive is one token."""
import bisect
import re

TOKEN = re.compile(r"""
    (?P<blank>\s+|/\*.*?\*/|//[^\n]*)
  | (?P<directive>(?<![^\n])[ \t]*\#(?:/\*.*?\*/|\\\n|[^\n])*)
  | (?P<text>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')
  | (?P<number>(?:0[xX][0-9a-fA-F]+|\d+)[uUlL]*)
  | (?P<word>[A-Za-z_]\w*)
  | (?P<op><<=|>>=|\.\.\.|->|\+\+|--|&&|\|\||[-+*/%&|^<>=!]=|<<|>>|.)
""", re.X | re.S)
DEFINE = re.compile(r"[ \t]*#[ \t]*define[ \t]+(\w+(?:\([^)]*\))?)[ \t]+")
PAIRS = {"(": ")", "[": "]", "{": "}"}
ASSIGNMENTS = {"=", "|=", "&=", "^=", "+=", "-=", "*=", "/=", "%=", "<<=", ">>="}
HEADS = {"if", "for", "while", "switch"}
# What is said, asserted or declared with these is no behaviour of a guest's concern.
SILENT = re.compile(r"(printk\w*|vprintk|printf|log_\w+|panic|assert|ASSERT|BUG|BUG_ON|"
                    r"static_assert|_Static_assert|must|__attribute__|aligned|__asm__|asm|sizeof|"
                    r"offsetof|list_for_each\w*|va_start|va_end)$")


class Token:
    __slots__ = ("kind", "text", "start", "end")

    def __init__(self, kind, text, start):
        self.kind, self.text, self.start, self.end = kind, text, start, start + len(text)


def scan(text, base=0):
    for match in TOKEN.finditer(text):
        if match.lastgroup != "blank":
            yield Token(match.lastgroup, match.group(), base + match.start())


class Source:
    def __init__(self, path, text):
        self.path, self.text = path, text
        self.line_starts = [0] + [match.end() for match in re.finditer("\n", text)]
        every = list(scan(text))
        self.tokens = [token for token in every if token.kind != "directive"]
        self.directives = [token for token in every if token.kind == "directive"]
        self.match, self.inside = brackets(self.tokens)
        self.functions = list(self.find_functions())        # (name, first token, last token)
        self.silent = self.find_silent()

    def line_of(self, position):
        return bisect.bisect_right(self.line_starts, position)

    def word(self, index):
        return self.tokens[index].text if 0 <= index < len(self.tokens) else ""

    def slice(self, first, last):
        """The text of tokens first to last, with what stands between them."""
        return self.text[self.tokens[first].start:self.tokens[last].end]

    def find_functions(self):
        at = 0
        while at < len(self.tokens):
            if self.word(at) == "{" and self.inside[at] < 0:
                end = self.match.get(at, len(self.tokens) - 1)
                before = at - 1
                while self.word(before) == ")" and SILENT.match(self.word(self.match[before] - 1)):
                    before = self.match[before] - 2         # attributes behind the parameters
                if self.word(before) == ")" and self.tokens[self.match[before] - 1].kind == "word":
                    name = self.match[before] - 1
                    yield self.word(name), name, end
                at = end
            at += 1

    def find_silent(self):
        """Tokens inside log calls, assertions and the like, and the expressions of case labels."""
        silent = set()
        for i, token in enumerate(self.tokens):
            if token.kind == "word" and SILENT.match(token.text) and self.word(i + 1) == "(":
                silent.update(range(i, self.match[i + 1] + 1))
            if token.text == "case":
                end = i
                while end < len(self.tokens) and self.word(end) != ":":
                    end += 1
                silent.update(range(i, end))
        return silent

    def end_of_statement(self, start):
        """The last token of the simple statement that begins at start, or None when it is none."""
        at = start
        while at < len(self.tokens):
            if self.word(at) in PAIRS:
                at = self.match.get(at, len(self.tokens))
            elif self.word(at) == ";":
                return at
            elif self.word(at) in ")]}":
                return None
            at += 1
        return None

    def end_of_body(self, start):
        """The last token of the statement or block behind a head."""
        return self.match[start] if self.word(start) == "{" else self.end_of_statement(start)

    def statements(self, function):
        """Yields (first, last, guarded) of each simple statement; guarded: all that an if does."""
        _, name, end = function
        at = next(i for i in range(name, end) if self.word(i) == "{") + 1
        guarded = False
        while at < end:
            text = self.word(at)
            if text in HEADS and self.word(at + 1) == "(":
                guarded = text == "if"
                at = self.match[at + 1] + 1
            elif text in ("else", "do"):
                guarded = True
                at += 1
            elif text == "case" or self.tokens[at].kind == "word" and self.word(at + 1) == ":":
                while self.word(at) != ":":
                    at += 1
                at, guarded = at + 1, False
            elif text in "{};":
                at, guarded = at + 1, text == "{" and guarded
            else:
                last = self.end_of_statement(at)
                if last is None:                # a list in braces, or a macro without semicolon
                    at, guarded = at + 1, False
                    continue
                yield at, last, guarded
                at, guarded = last + 1, False


def brackets(tokens):
    """{index: its partner's}, and for each token the index of the bracket around it (-1: none)."""
    match, inside, stack = {}, [], []
    for i, token in enumerate(tokens):
        if token.kind == "op" and token.text in (")", "]", "}") and stack:
            opened = stack.pop()
            match[opened], match[i] = i, opened
        inside.append(stack[-1] if stack else -1)
        if token.kind == "op" and token.text in PAIRS:
            stack.append(i)
    for opened in stack:
        match[opened] = len(tokens) - 1
    return match, inside
