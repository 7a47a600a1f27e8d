# SPDX-License-Identifier: Apache-2.0
# Trap entry and exit, beside trap.rs.
#
# A trap from S-mode runs on the stack of the thread that it interrupts, below a
# frame with all its registers. Kernel stacks are blocks of 16 KiB at multiples
# of 32 KiB, with 16 KiB below each in which nothing is mapped: a stack pointer
# that is there, or too near the low end of a stack, leaves for the hart's trap
# stack, whose end stands in the first word that tp points to, and is reported.
#
# While a program runs, sscratch is the address of its thread's frame, at the
# top of the thread's kernel stack; a trap from U-mode swaps it with the
# program's sp, and looks whether what it got is an address of the kernel's. While the kernel runs, sscratch is 0: that is how the two are
# told apart, and what a trap in the kernel may use for one register.

.equ STACK_BITS, 14                 # STACK_SIZE of stack.rs; the next bit tells
                                    # a stack (0) from a guard (1)
.equ FRAME, 320
.equ SWITCH_FRAME, {switch_frame}   # what skimmer_switch keeps
.equ MSG_FIRST, {msg_first}         # MsgSend, MsgReceive, MsgReply and
.equ MSG_CALLS, 4                   # MsgReplyReceive have numbers in a row
.equ ROOM, FRAME + 2560             # a frame, the handlers, header and canary

.macro SAVE_MOST                    # all but x0, x2 and x5
    sd      x1, 8(sp)
    sd      x3, 24(sp)
    sd      x4, 32(sp)
    .irp n, 6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    sd      x\n, 8*\n(sp)
    .endr
.endm

.macro SAVE_CAUSE
    csrr    t0, sepc
    sd      t0, 256(sp)
    csrr    t1, scause
    sd      t1, 264(sp)
    csrr    t1, stval
    sd      t1, 272(sp)
    csrr    t1, sstatus
    sd      t1, 280(sp)
.endm

.macro SAVE_ALL                     # in the kernel: t0 is in sscratch
    SAVE_MOST
    csrrw   t0, sscratch, zero
    sd      t0, 40(sp)              # x5
    SAVE_CAUSE
    sd      t0, 296(sp)             # the end of the frame is one more link in
    sd      x8, 288(sp)             # the chain of frame pointers
.endm

# The vector of a hart with threads.
.section .text, "ax"
.globl skimmer_trap_entry
.type skimmer_trap_entry, @function
.balign 4
skimmer_trap_entry:
    csrrw   sp, sscratch, sp
    bnez    sp, from_user
    csrrw   sp, sscratch, sp
    csrw    sscratch, t0
    slli    t0, sp, 63 - STACK_BITS # the guard's bit as the sign: how far above
    srai    t0, t0, 63 - STACK_BITS # the low end, negative below it
    addi    t0, t0, -(ROOM / 2)     # in two steps: immediates have 12 bits
    addi    t0, t0, -(ROOM / 2)
    bltz    t0, overrun
    addi    sp, sp, -FRAME
    SAVE_ALL
    addi    t0, sp, FRAME
    sd      t0, 16(sp)              # x2
    j       enter_rust

    # The words at 288 and 296 are 0 for good: the chain of frame pointers ends
    # here.
from_user:
.if {bug_sscratch}
    csrrw   sp, sscratch, sp
    addi    sp, sp, -FRAME
.endif
    bgez    sp, astray
    sd      x5, 40(sp)
    csrr    t0, scause
    addi    t0, t0, -8              # ecall
    beqz    t0, from_call
    SAVE_MOST
    csrrw   t0, sscratch, zero
    sd      t0, 16(sp)              # x2
    SAVE_CAUSE
    ld      tp, 304(sp)             # the kernel's

enter_rust:
    mv      a0, sp
    addi    s0, sp, FRAME - 16
    call    skimmer_trap

    # The one return: the frame at sp says where to. Law sie-off-before-sstatus:
    # interrupts have been masked since entry, or since the switch back to this
    # thread, and stay so until sret.
.globl skimmer_trap_return
skimmer_trap_return:
.if {bug_sret_sie}
    csrsi   sstatus, 2
.endif
    .irp n, 9,18,19,20,21,22,23,24,25,26,27
    ld      x\n, 8*\n(sp)
    .endr
return_from_call:                   # with the kept registers in their places
    ld      t0, 280(sp)
    andi    t1, t0, 0x100           # SPP
    bnez    t1, 1f
    csrw    sscratch, sp
1:  ld      t1, 256(sp)
    csrw    sstatus, t0
    csrw    sepc, t1
    ld      x1, 8(sp)
    .irp n, 3,4,5,6,7,8,10,11,12,13,14,15,16,17,28,29,30,31
    ld      x\n, 8*\n(sp)
    .endr
    ld      sp, 16(sp)
.globl skimmer_trap_sret
skimmer_trap_sret:
    sret

    # A call of messages saves what it must keep and nothing else: the thread may
    # be blocked right here, and another that was blocked so may go on (message.rs).
    # What is not restored is zeroed: it has been the kernel's meanwhile.
from_message:
    .irp n, 1,3,4,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27
    sd      x\n, 8*\n(sp)
    .endr
    csrrw   t0, sscratch, zero
    sd      t0, 16(sp)              # x2
    csrr    t1, sepc
    addi    t1, t1, 4
    sd      t1, 256(sp)
    csrr    t2, sstatus
    sd      t2, 280(sp)
    ld      tp, 304(sp)             # the kernel's
    mv      a0, sp
    addi    s0, sp, FRAME - 16
    addi    sp, sp, -SWITCH_FRAME   # where parking puts what a switch loads
    call    skimmer_message
.globl skimmer_message_leave
skimmer_message_leave:
    mv      sp, a0

.globl skimmer_message_return
skimmer_message_return:
    ld      t0, 280(sp)
    ld      t1, 256(sp)
    csrw    sscratch, sp
    csrw    sstatus, t0
    csrw    sepc, t1
    .irp n, 1,3,4,8,9,10,11,12,18,19,20,21,22,23,24,25,26,27
    ld      x\n, 8*\n(sp)
    .endr
    .irp n, 5,6,7,13,14,15,16,17,28,29,30,31
    li      x\n, 0
    .endr
    ld      sp, 16(sp)
.globl skimmer_message_sret
skimmer_message_sret:
    sret

    # Where a switch to a parked thread comes out: sp is its frame.
.globl skimmer_message_resume
skimmer_message_resume:
    mv      a0, sp
    addi    s0, sp, FRAME - 16
    addi    sp, sp, -SWITCH_FRAME
    call    skimmer_message_resumed
    addi    sp, sp, SWITCH_FRAME
    j       skimmer_message_return

    # A system call changes a0 only. The registers that functions keep (s1 to
    # s11) are left to those that Rust calls, and are not in the frame; sepc is
    # the instruction behind the call.
from_call:
    addi    t0, a7, -MSG_FIRST
    sltiu   t0, t0, MSG_CALLS
    bnez    t0, from_message
    .irp n, 1,3,4,6,7,8,10,11,12,13,14,15,16,17,28,29,30,31
    sd      x\n, 8*\n(sp)
    .endr
    csrrw   t0, sscratch, zero
    sd      t0, 16(sp)              # x2
    csrr    t1, sepc
    addi    t1, t1, 4
    sd      t1, 256(sp)
    csrr    t2, sstatus
    sd      t2, 280(sp)
    ld      tp, 304(sp)             # the kernel's
    mv      a0, sp
    addi    s0, sp, FRAME - 16
    call    skimmer_trap_call
    j       return_from_call

astray:
    # What sp should have been is in sscratch, or nothing is: then nobody can
    # say more.
    csrrw   sp, sscratch, sp
1:  bgez    sp, 1b
    ld      tp, 304(sp)
    ld      sp, 0(tp)
    addi    sp, sp, -FRAME
    SAVE_MOST
    sd      x5, 40(sp)
    csrrw   t0, sscratch, zero
    sd      t0, 16(sp)              # x2
    SAVE_CAUSE
    mv      a0, sp
    addi    s0, sp, FRAME - 16
    call    skimmer_astray
    unimp

overrun:
    # t0 and sp are lost to the report's frame only after they are kept.
    mv      t0, sp
    ld      sp, 0(tp)
    addi    sp, sp, -FRAME
    sd      t0, 16(sp)              # x2
    SAVE_ALL
    mv      a0, sp
    addi    s0, sp, FRAME - 16
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
    addi    s0, sp, FRAME - 16
    call    skimmer_fatal
    unimp
.size skimmer_fatal_entry, . - skimmer_fatal_entry
