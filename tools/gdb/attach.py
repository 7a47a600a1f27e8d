# SPDX-License-Identifier: Apache-2.0
"""A command for gdb that attaches it to the harts that run Skimmer.

`sk-attach SOCKET`, with the kernel as the debugger's file. QEMU's stub shows
each group of like harts as a process of its own (QEMU's manual, "GDB usage",
multicore machines). Where those of the first cannot run the kernel, gdb says
so and does not attach; then the next process that can has it. That is how a
board's monitor hart, which has no floating point, is passed over.
"""

import gdb

# Groups of harts that a machine may have before one that can run the kernel.
MAX_GROUPS = 8


def attach_elsewhere(socket, kernel):
    """Makes the first process that can run the kernel the selected one."""
    gdb.execute("file")
    gdb.execute(f"target extended-remote {socket}")
    gdb.execute(f"add-inferior -exec {kernel}")
    gdb.execute("inferior 2")
    # They run and stop together, as one machine.
    gdb.execute("set schedule-multiple on")
    for process in range(2, MAX_GROUPS + 1):
        try:
            gdb.execute(f"attach {process}")
            return
        except gdb.error as why:
            refused = why
    raise gdb.GdbError(f"no harts here can run the kernel: {refused}")


class Attach(gdb.Command):
    """Attaches to the harts that run the kernel, behind a socket of QEMU's."""

    def __init__(self):
        super().__init__("sk-attach", gdb.COMMAND_RUNNING)

    def invoke(self, argument, from_tty):
        """Tries the first group of harts, and then the others."""
        kernel = gdb.current_progspace().filename
        try:
            gdb.execute(f"target remote {argument}")
        except gdb.error as why:
            if kernel is None:
                raise
            print(f"the first group of harts cannot run the kernel: {why}")
            attach_elsewhere(argument, kernel)


Attach()
