# SPDX-License-Identifier: MIT
"""Everything at once: working guests and attackers are made, paused, resumed and destroyed at
random, for a while.

dom0 must answer each command, each guest that runs must answer at its shell, and afterwards the
recount of all references and the free memory must be right (conftest.py). DOMUS_STRESS=seconds and
DOMUS_SEED=n choose another walk; the same seed makes the same choices.
"""
import os
import random

SECONDS = float(os.environ.get("DOMUS_STRESS", "25"))
SEED = int(os.environ.get("DOMUS_SEED", "1"))
WORKERS = ["insula1", "insula2"]
OTHERS = ["attack-memory", "attack-tables", "attack-registers",
          "attack-hypercalls", "attack-events", "attack-rings", "attack-backends",
          "attack-spin", "crash-stack", "crash-callback",
          "crash-fault", "crash-user", "disk", "hello", "share-take"]
LOADS = [*(f"tests {kind} > /out &" for kind in ("files", "pipe", "preemption", "log", "exec")),
         "ping 10.0.2.2 20 fast > /out &", "crashwrite 3 > /out &",
         "ls /bin | wc", "echo x > /x; sync; rm /x"]


def one_step(system, dice, paused):
    """What is done depends on the dice alone; whether dom0 can do it (a name may be taken) is its
    business: it must say."""
    what, worker = dice.randrange(8), dice.choice(WORKERS)
    load, other = dice.choice(LOADS), dice.choice(OTHERS)
    if what < 2:
        system.run(f"xl create {other}.cfg")
    elif what == 2:
        system.run(f"xl destroy {dice.choice(['attack', 'disk', 'take'])}")
    elif what == 3:
        system.run(f"xl destroy {worker}")
        paused.discard(worker)
    # pauses count, as in Xen: a second one would want a second unpause
    elif what == 4 and worker not in paused:
        system.run(f"xl pause {worker}")
        if worker in system.domains():
            paused.add(worker)
    elif what == 5:
        system.run(f"xl unpause {worker}")
        paused.discard(worker)
    elif worker not in system.domains():
        system.create(f"{worker}.cfg")
    elif worker not in paused:
        system.shell(worker, load, timeout=120)


def walk(system, seed, seconds):
    """Returns the number of steps. Afterwards both workers are made anew and must work; then nobody
    is left."""
    dice, paused, steps = random.Random(seed), set(), 0
    end = system.clock.now() + seconds
    while system.clock.now() < end:
        one_step(system, dice, paused)
        steps += 1
    for worker in WORKERS:
        system.run(f"xl destroy {worker}")
        system.create(f"{worker}.cfg")
        assert system.shell(worker, "echo alive") == "alive"
    system.end_all()
    return steps


def test_a_random_walk(system):
    # the hypervisor's tables of dom0's ports and mappings grow to their size, with all at once
    for name in WORKERS + OTHERS:
        system.run(f"xl create -p {name}.cfg")
    for name in WORKERS + ["attack", "disk", "take"]:
        system.run(f"xl unpause {name}")
    walk(system, SEED, SECONDS / 3)
    system.free_before = system.free_pages()
    steps = walk(system, SEED, SECONDS * 2 / 3)
    assert steps > SECONDS / 10, f"only {steps} steps"
