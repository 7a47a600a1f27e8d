# SPDX-License-Identifier: Apache-2.0
# The switch between two threads, beside stack.rs.

# void skimmer_switch(from: *mut usize, to: *const usize)
# Saves what a call must keep on the old stack and the stack pointer in *from;
# takes the new stack pointer from *to. Interrupts are masked throughout (law
# switch-window-closed).
.section .text, "ax"
.globl skimmer_switch
.type skimmer_switch, @function
skimmer_switch:
    addi    sp, sp, -112
    sd      ra, 0(sp)
    sd      s0, 8(sp)
    sd      s1, 16(sp)
    sd      s2, 24(sp)
    sd      s3, 32(sp)
    sd      s4, 40(sp)
    sd      s5, 48(sp)
    sd      s6, 56(sp)
    sd      s7, 64(sp)
    sd      s8, 72(sp)
    sd      s9, 80(sp)
    sd      s10, 88(sp)
    sd      s11, 96(sp)
    sd      sp, 0(a0)

# void skimmer_go(_, to: *const usize): the second half, for a thread that has nothing on
# its stack to come back to.
.globl skimmer_go
skimmer_go:
    ld      sp, 0(a1)
    ld      ra, 0(sp)
    ld      s0, 8(sp)
    ld      s1, 16(sp)
    ld      s2, 24(sp)
    ld      s3, 32(sp)
    ld      s4, 40(sp)
    ld      s5, 48(sp)
    ld      s6, 56(sp)
    ld      s7, 64(sp)
    ld      s8, 72(sp)
    ld      s9, 80(sp)
    ld      s10, 88(sp)
    ld      s11, 96(sp)
    addi    sp, sp, 112
    ret
.size skimmer_switch, . - skimmer_switch

# Where a new thread's first switch returns to. s1 = its stack's header. The
# frame chain ends here: s0 is 0.
.globl skimmer_thread_start
.type skimmer_thread_start, @function
skimmer_thread_start:
    mv      a0, s1
    call    skimmer_thread_main
    unimp
.size skimmer_thread_start, . - skimmer_thread_start
