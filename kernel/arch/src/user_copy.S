# SPDX-License-Identifier: Apache-2.0
# The only code of the kernel that reaches into user memory, beside
# user_copy.rs. A page fault between a routine and its _fault goes on there.

# usize skimmer_copy(to: *mut u8, from: *const u8, bytes: usize)
# Returns how many bytes were not copied.
.section .text, "ax"
.globl skimmer_copy
.type skimmer_copy, @function
skimmer_copy:
    copy_memory skimmer_copy_fault
.globl skimmer_copy_fault
skimmer_copy_fault:
    sub     a0, a3, a0
    ret
.size skimmer_copy, . - skimmer_copy

# usize skimmer_pass(to: *mut u8, from: *const u8, bytes: usize, satp: usize)
# Whole words, eight at the most, into registers; then another address space, whose
# number is known; then out of the registers. Returns 0, or 1 after a fault; then it is
# not known in which of the two spaces the hart is.
.equ SSTATUS_SUM, 1 << 18
.globl skimmer_pass
.type skimmer_pass, @function
.option push
.option norvc
skimmer_pass:
    srli    a2, a2, 1               # a word is an instruction
1:  auipc   t0, %pcrel_hi(2f)
    addi    t0, t0, %pcrel_lo(1b)
    sub     t0, t0, a2
    li      t1, SSTATUS_SUM
    csrs    sstatus, t1
    jr      t0
    ld      t6, 56(a1)
    ld      t5, 48(a1)
    ld      t4, 40(a1)
    ld      t3, 32(a1)
    ld      t2, 24(a1)
    ld      a6, 16(a1)
    ld      a5, 8(a1)
    ld      a4, 0(a1)
2:  csrw    satp, a3
    addi    t0, t0, 44              # from 2 to 3
    jr      t0
    sd      t6, 56(a0)
    sd      t5, 48(a0)
    sd      t4, 40(a0)
    sd      t3, 32(a0)
    sd      t2, 24(a0)
    sd      a6, 16(a0)
    sd      a5, 8(a0)
    sd      a4, 0(a0)
3:  csrc    sstatus, t1
    li      a0, 0
    ret
.globl skimmer_pass_fault
skimmer_pass_fault:
    csrc    sstatus, t1
    li      a0, 1
    ret
.option pop
.size skimmer_pass, . - skimmer_pass
