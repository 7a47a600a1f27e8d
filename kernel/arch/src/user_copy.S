# SPDX-License-Identifier: Apache-2.0
# The only code of the kernel that reaches into user memory, beside
# user_copy.rs. A page fault between begin and end goes on at fault.

# usize skimmer_copy(to: *mut u8, from: *const u8, bytes: usize)
# Returns how many bytes were not copied: a2 counts down only behind the stores, so
# that a fault finds no more than there is. Where both sides can be aligned by the
# same bytes it goes by words, and 128 bytes at a time while there are as many.
.section .text, "ax"
.globl skimmer_copy
.type skimmer_copy, @function
skimmer_copy:
    xor     t0, a0, a1
    andi    t0, t0, 7
    li      t1, 8
    bnez    t0, 5f                  # never aligned together
    bltu    a2, t1, 5f
1:  andi    t0, a0, 7
    beqz    t0, 2f
    lbu     t0, 0(a1)
    sb      t0, 0(a0)
    addi    a0, a0, 1
    addi    a1, a1, 1
    addi    a2, a2, -1
    j       1b
2:  li      t1, 128
3:  bltu    a2, t1, 4f
    .irp half, 0,64
    ld      t0, \half+0(a1)
    ld      t2, \half+8(a1)
    ld      t3, \half+16(a1)
    ld      t4, \half+24(a1)
    ld      t5, \half+32(a1)
    ld      t6, \half+40(a1)
    ld      a3, \half+48(a1)
    ld      a4, \half+56(a1)
    sd      t0, \half+0(a0)
    sd      t2, \half+8(a0)
    sd      t3, \half+16(a0)
    sd      t4, \half+24(a0)
    sd      t5, \half+32(a0)
    sd      t6, \half+40(a0)
    sd      a3, \half+48(a0)
    sd      a4, \half+56(a0)
    .endr
    addi    a0, a0, 128
    addi    a1, a1, 128
    addi    a2, a2, -128
    j       3b
4:  li      t1, 8
6:  bltu    a2, t1, 5f
    ld      t0, 0(a1)
    sd      t0, 0(a0)
    addi    a0, a0, 8
    addi    a1, a1, 8
    addi    a2, a2, -8
    j       6b
5:  beqz    a2, 7f
    lbu     t0, 0(a1)
    sb      t0, 0(a0)
    addi    a0, a0, 1
    addi    a1, a1, 1
    addi    a2, a2, -1
    j       5b
.globl skimmer_copy_fault
skimmer_copy_fault:
7:  mv      a0, a2
    ret
.size skimmer_copy, . - skimmer_copy
