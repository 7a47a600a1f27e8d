# SPDX-License-Identifier: Apache-2.0
# Trap entry and exit, beside trap.rs.
#
# A trap runs on the stack of the thread that it interrupts, below a frame with
# all its registers. sscratch is a place for one register during entry. Kernel
# stacks are blocks of 16 KiB aligned to their size: a stack pointer that is
# too near the low end leaves for the hart's trap stack, whose end stands in
# the first word that tp points to, and is reported.

.equ STACK_BITS, 14                 # STACK_SIZE of stack.rs
.equ FRAME, 304
.equ ROOM, FRAME + 2560             # a frame, the handlers, header and canary

.macro SAVE_ALL                     # all but x0, x2 and x5
    sd      x1, 8(sp)
    sd      x3, 24(sp)
    sd      x4, 32(sp)
    .irp n, 6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    sd      x\n, 8*\n(sp)
    .endr
    csrr    t0, sscratch
    sd      t0, 40(sp)              # x5
    csrr    t0, sepc
    sd      t0, 256(sp)
    sd      t0, 296(sp)             # the end of the frame is one more link in
    sd      x8, 288(sp)             # the chain of frame pointers
    csrr    t0, scause
    sd      t0, 264(sp)
    csrr    t0, stval
    sd      t0, 272(sp)
    csrr    t0, sstatus
    sd      t0, 280(sp)
.endm

# The vector of a hart with threads.
.section .text, "ax"
.globl skimmer_trap_entry
.type skimmer_trap_entry, @function
.balign 4
skimmer_trap_entry:
    csrw    sscratch, t0
    slli    t0, sp, 64 - STACK_BITS
    srli    t0, t0, 64 - STACK_BITS
    addi    t0, t0, -(ROOM / 2)     # in two steps: immediates have 12 bits
    addi    t0, t0, -(ROOM / 2)
    bltz    t0, overrun
    addi    sp, sp, -FRAME
    SAVE_ALL
    addi    t0, sp, FRAME
    sd      t0, 16(sp)              # x2
    mv      a0, sp
    addi    s0, sp, FRAME
    call    skimmer_trap

    # Law sie-off-before-sstatus: interrupts have been masked since entry, or
    # since the switch back to this thread, and stay so until sret.
.globl skimmer_trap_return
skimmer_trap_return:
.if {bug_sret_sie}
    csrsi   sstatus, 2
.endif
    ld      t0, 256(sp)
    csrw    sepc, t0
    ld      t0, 280(sp)
    csrw    sstatus, t0
    ld      x1, 8(sp)
    ld      x3, 24(sp)
    .irp n, 5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    ld      x\n, 8*\n(sp)
    .endr
    addi    sp, sp, FRAME           # tp is this hart's: threads do not move
.globl skimmer_trap_sret
skimmer_trap_sret:
    sret

overrun:
    # t0 and sp are lost to the report's frame only after they are kept.
    mv      t0, sp
    ld      sp, 0(tp)
    addi    sp, sp, -FRAME
    sd      t0, 16(sp)              # x2
    SAVE_ALL
    mv      a0, sp
    addi    s0, sp, FRAME
    call    skimmer_overrun
    unimp
.size skimmer_trap_entry, . - skimmer_trap_entry

# The vector of a hart that boots: every trap is fatal, and runs on the hart's
# trap stack. A trap inside the handler starts over there; the panic notices.
.globl skimmer_fatal_entry
.type skimmer_fatal_entry, @function
.balign 4
skimmer_fatal_entry:
    csrw    sscratch, t0
    mv      t0, sp
    ld      sp, 0(tp)
    addi    sp, sp, -FRAME
    sd      t0, 16(sp)              # x2
    SAVE_ALL
    mv      a0, sp
    addi    s0, sp, FRAME
    call    skimmer_fatal
    unimp
.size skimmer_fatal_entry, . - skimmer_fatal_entry
