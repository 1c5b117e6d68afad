# SPDX-License-Identifier: MIT
"""Hardware assistance is off where the hypervisor was told so, though the CPU has it."""
import machine
import test_guests


def test_it_can_be_switched_off():
    # a name of its own: test_guests runs the same guest, perhaps at the same time
    off = machine.Hypervisor("svm-off", machine.DOMUS.path, machine.DOMUS.args + ["svm=off"],
                             machine.DOMUS.cpu)
    outcome, words = test_guests.run_guest("svm", off, words=["off"])
    assert outcome == "SUCCESS", words
