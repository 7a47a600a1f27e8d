# SPDX-License-Identifier: Apache-2.0
# The only code of the kernel that reaches into user memory, beside
# user_copy.rs. A page fault between begin and end goes on at fault.

# usize skimmer_copy(to: *mut u8, from: *const u8, bytes: usize)
# Returns how many bytes were not copied.
.section .text, "ax"
.globl skimmer_copy
.type skimmer_copy, @function
skimmer_copy:
    or      t0, a0, a1
    or      t0, t0, a2
    andi    t0, t0, 7
    bnez    t0, 2f
1:  beqz    a2, 3f                  # everything aligned: by words
    ld      t0, 0(a1)
    sd      t0, 0(a0)
    addi    a0, a0, 8
    addi    a1, a1, 8
    addi    a2, a2, -8
    j       1b
2:  beqz    a2, 3f
    lbu     t0, 0(a1)
    sb      t0, 0(a0)
    addi    a0, a0, 1
    addi    a1, a1, 1
    addi    a2, a2, -1
    j       2b
.globl skimmer_copy_fault
skimmer_copy_fault:
3:  mv      a0, a2
    ret
.size skimmer_copy, . - skimmer_copy
