# SPDX-License-Identifier: Apache-2.0
# What compiled code calls to copy and to fill memory. The compiler's own go by the
# byte.

# void *memcpy(void *to, const void *from, size_t bytes)
.section .text, "ax"
.globl memcpy
.type memcpy, @function
memcpy:
    mv      a7, a0
    copy_memory memcpy_done
memcpy_done:
    mv      a0, a7
    ret
.size memcpy, . - memcpy

# void *memset(void *to, int byte, size_t bytes)
.globl memset
.type memset, @function
memset:
    add     a3, a0, a2
    mv      a4, a0
    li      t0, 16
    bltu    a2, t0, 5f
1:  andi    t0, a4, 7
    beqz    t0, 2f
    sb      a1, 0(a4)
    addi    a4, a4, 1
    j       1b
2:  andi    a1, a1, 255
    beqz    a1, 3f
    slli    t0, a1, 8
    or      a1, a1, t0
    slli    t0, a1, 16
    or      a1, a1, t0
    slli    t0, a1, 32
    or      a1, a1, t0
3:  sub     t1, a3, a4
    andi    t0, t1, -128
    beqz    t0, 6f
    add     t0, a4, t0
4:  .irp place, 0,8,16,24,32,40,48,56,64,72,80,88,96,104,112,120
    sd      a1, \place(a4)
    .endr
    addi    a4, a4, 128
    bne     a4, t0, 4b
6:  andi    t0, t1, 120
    beqz    t0, 5f
    add     t0, a4, t0
7:  sd      a1, 0(a4)
    addi    a4, a4, 8
    bne     a4, t0, 7b
5:  beq     a4, a3, 9f
8:  sb      a1, 0(a4)
    addi    a4, a4, 1
    bne     a4, a3, 8b
9:  ret
.size memset, . - memset
