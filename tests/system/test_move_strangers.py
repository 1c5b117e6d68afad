# SPDX-License-Identifier: MIT
"""Who calls where guests are taken from any machine need not be one: whatever he says or does not
say, the prompt answers, the terminal shows his words as words, and nothing is left of him."""
import contextlib
import socket
import struct
import threading
import time

import pytest

import dom0
import machine

pytestmark = pytest.mark.skipif(dom0.ON_XEN, reason="there, moving is Xen's tools' business")
WELCOME, NO = 1, 4


@pytest.fixture(scope="module")
def box():
    port = machine.free_port()
    net = f"user,id=n0,hostfwd=tcp:127.0.0.1:{port}-{dom0.ADDRESS}:8002"
    with dom0.Dom0("move-strangers", net=net, disk=machine.fresh_disk("move-strangers")) as system:
        system.port = port
        system.ask("migrate-receive any")
        call(system, hello())                   # what the first, and a guest, make grow stays
        system.create("insula1.cfg")
        system.shell("insula1", "echo")
        system.end_all()
        system.said()
        yield system
        system.audit()


def hello(name=b"stranger", pages=2048, magic=b"DomusMv1"):
    return magic + struct.pack("<II16sQ64s128x", 1, 0, b"", pages, name)


def caller(system):
    """Whoever it is waits long for an answer: nobody counts what time the machine really gets."""
    return socket.create_connection(("127.0.0.1", system.port), 100 * machine.PATIENCE)


def talk(system, *words):
    with caller(system) as peer:
        for word in words:
            answer = b""
            with contextlib.suppress(ConnectionError):
                peer.sendall(word)
                while len(answer) < 192 and (piece := peer.recv(192 - len(answer))):
                    answer += piece
    return struct.unpack("<I", answer[:4])[0] if answer else None, answer[4:].rstrip(b"\0")


def call(system, *words):
    """What is answered to the last. It takes one at a time: who is refused comes again."""
    for _ in range(20):
        word, text = talk(system, *words)
        if word:
            break
        time.sleep(0.1)
    return word, text


def welcome_caller(system):
    """One that is let in: who was there before may not have gone yet."""
    def tried():
        peer = caller(system)
        with contextlib.suppress(ConnectionError):
            peer.sendall(hello())
            if struct.unpack("<I", peer.recv(192).ljust(4, b"\0")[:4])[0] == WELCOME:
                return peer
        peer.close()
    return system.until(tried)


def saved(text):
    return b"Xen saved domain, xl format\n \0 \r" + \
        struct.pack("<IIII", 0x01020304, 2, 0, len(text) + 4) + struct.pack("<I", len(text)) + text


def record(kind, body=b""):
    return struct.pack("<II", kind, len(body)) + body + b"\0" * (-len(body) % 8)


PAGES, PV_INFO, P2M_FRAMES = 1, 2, 3
XALLOC, XTAB = 0xe << 60, 0xf << 60


def begun(pages, most):
    """A guest of so many pages, and so many MiB at most, of which nothing has come."""
    lists = struct.pack(f"<II{(pages + 511) // 512}Q", 0, pages - 1, *[0] * ((pages + 511) // 512))
    return (saved(f"name='s'\nkernel='k'\nmemory={pages // 256}\nmaxmem={most}".encode()) +
            struct.pack(">QII", 0x4c6962786c466d74, 2, 0) + record(1) +
            struct.pack(">QIIHxxxxxx", (1 << 64) - 1, 0x58454e46, 3, 0) +
            struct.pack("<IHHII", 1, 12, 0, 4, 17) +
            record(PV_INFO, bytes((8, 4, 0, 0, 0, 0, 0, 0))) + record(P2M_FRAMES, lists))


def words(pages, kind):
    return record(PAGES, struct.pack(f"<II{pages}Q", pages, 0, *(i | kind for i in range(pages))))


@contextlib.contextmanager
def within(system, seconds):
    """Takes no more of the machine's time."""
    since = system.clock.now()
    yield
    assert system.clock.now() - since < seconds * machine.PATIENCE


def is_quick(system):
    with within(system, 2):
        system.ask("list")


def test_silence(box):
    peers = [caller(box) for _ in range(3)]
    peers[0].sendall(hello()[:100])
    for _ in range(10):
        is_quick(box)
        time.sleep(0.3)
        with contextlib.suppress(OSError):
            peers[0].sendall(b"x")              # slowly
    with contextlib.suppress(ConnectionError):
        assert not peers[0].recv(1)             # he was given up
    for peer in peers:
        peer.close()
    assert call(box, hello(pages=1 << 50))[0] == NO


def test_words_of_strangers(box):
    """A terminal does what control characters say."""
    free = box.free_pages()[0]
    assert call(box, hello(name=b"\x1b[2J\rroot"))[0] == NO
    assert call(box, hello(name=b""))[0] == NO
    for text in (b"name='q'\n\x1b[2J\x07", b"name='q'\nmemory='\x1b[2J'", b"name='\x1b[2J'",
                 b"name='q'\nkernel='\x1b[2J'\nvif=['mac=\x1b[2J']"):
        word, why = call(box, hello(), saved(text))
        print(why)
        assert word == NO and not any(c < 32 for c in why), why
    box.see(r"has not come from 10\.0\.2\.2: '\?\[2J' is no", 10)
    said = box.transcript.read_bytes()
    assert b"\x1b[2J" not in said and b"\x07" not in said
    assert box.free_pages()[0] == free


def test_hostile_configurations(box):
    free = box.free_pages()[0]
    box.create("insula1.cfg")
    box.shell("insula1", "echo")
    for text, why in (                      # why: of those that are right but for one thing
            ("name='Domain-0'", "runs already"), ("name='insula1'", "runs already"),
            ("name='s'\nmemory=0", ""), ("name='s'\nmemory=16777216", "memory"),
            ("name='s'\nmemory=8\nmaxmem=99999999999", ""), ("name='s'\nvcpus=4000000000", ""),
            ("name='s'\nmemory=8\nmaxmem=16384", "dom0 has too little memory"),
            ("name='s'\nmemory=8\ndisk=['phy:insula1,xvda,w']", ""),
            ("name='s'\nmemory=8\ndisk=['phy:../../x,xvda,w']", ""),
            ("name='s'\nmemory=8\n" + "x=1\n" * 10000, ""), ("[" * 60000, ""), ("", "")):
        word, said = call(box, hello(), saved(b"kernel='k'\n" + text.encode()))
        print(text[:40].encode(), word, said)
        assert word == NO and why in said.decode(), (text[:60], said)
        is_quick(box)
    assert call(box, hello(), saved(b"")[:-4] + b"\xff\xff\xff\xff")[0] == NO
    box.end_all()
    box.until(lambda: box.free_pages()[0] >= free, 20)


def test_not_any_more(box):
    """Somebody who sends slowly is told NO, or nothing, when the operator has had enough."""
    with welcome_caller(box) as peer:
        peer.sendall(saved(b"name='slow'\nkernel='k'\nmemory=8"))
        is_quick(box)
        with within(box, 3):
            box.ask("migrate-receive off")
            with contextlib.suppress(ConnectionError):
                assert not peer.recv(192)
    box.ask("migrate-receive any")


def send_on(peer, piece, ended):
    with contextlib.suppress(OSError):
        while True:
            peer.sendall(piece)
    ended.set()


def test_pages_that_come_and_go(box):
    """A word of eight bytes has a frame made, or let go; he who says so is always ahead of it. The
    prompt answers meanwhile, and the operator can end it. Else it ends by itself."""
    piece = words(1024, XALLOC) + words(1024, XTAB)
    time.sleep(5)                               # that there are lines left to say how it ends
    with welcome_caller(box):                   # and so nobody else is there
        free = box.free_pages()[0]
    for most in 4096, 8:
        ended = threading.Event()
        with welcome_caller(box) as peer:
            peer.sendall(begun(2048, most))
            threading.Thread(target=send_on, args=(peer, piece, ended), daemon=True).start()
            if most == 4096:
                for _ in range(2):
                    is_quick(box)
                    time.sleep(0.5)
                assert not ended.is_set()
                with within(box, 3):
                    said = box.ask("migrate-receive off")
                    box.until(ended.is_set, 20, 0.1)
                if "given up" not in said:
                    box.see("given up", 20)
            else:
                box.see("it is longer than one", 20)
            box.until(ended.is_set, 20)
        box.ask("migrate-receive any")
        box.until(lambda: box.free_pages()[0] >= free, 20)


def test_who_calls_again_and_again(box):
    """A line a second is said of it, and twenty at once."""
    before, since = box.said().count("has not come"), time.monotonic()
    for i in range(300):
        assert call(box, hello(pages=1 << 60))[0] == NO
        if i % 50 == 0:
            is_quick(box)
    lines = box.said().count("has not come") - before
    assert lines <= 21 + time.monotonic() - since
    time.sleep(2)
    call(box, hello(pages=1 << 60))
    box.see(r"not told of: \d+ more that (has|have) not come", 10)
