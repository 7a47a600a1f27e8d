# SPDX-License-Identifier: Apache-2.0
# How memory is copied, as macros.

# The same words, or what is smaller, at one place of both sides; loads go before
# stores, eight at a time.
.macro move_words first, count
    .if \count > 8
    move_words \first, 8
    move_words (\first + 64), (\count - 8)
    .else
    move_each ld, (\first), \count
    move_each sd, (\first), \count
    .endif
.endm

.macro move_each op, first, count
    .set place, 0
    .irp register, t0,t2,t3,t4,t5,t6,a5,a6
    .if place < \count
    .ifc \op, ld
    ld      \register, (\first + place * 8)(a1)
    .else
    sd      \register, (\first + place * 8)(a0)
    .endif
    .endif
    .set place, place + 1
    .endr
.endm

# What is left is less than twice that many bytes: copies that many, if there are.
.macro move_half bytes
    andi    t1, a2, \bytes
    beqz    t1, 9f
    move_words 0, (\bytes / 8)
    addi    a0, a0, \bytes
    addi    a1, a1, \bytes
9:
.endm

.macro move_one load, store, bytes
    andi    t1, a2, \bytes
    beqz    t1, 9f
    \load   t0, 0(a1)
    \store  t0, 0(a0)
    addi    a0, a0, \bytes
    addi    a1, a1, \bytes
9:
.endm

# Bytes, until the target is a3.
.macro move_bytes
8:  lbu     t0, 0(a1)
    sb      t0, 0(a0)
    addi    a0, a0, 1
    addi    a1, a1, 1
    bne     a0, a3, 8b
.endm

# Bytes, until the target is aligned; there are eight at least.
.macro align_target
8:  andi    t0, a0, 7
    beqz    t0, 9f
    lbu     t0, 0(a1)
    sb      t0, 0(a0)
    addi    a0, a0, 1
    addi    a1, a1, 1
    j       8b
9:
.endm

# Copies a2 bytes from a1 to a0, then goes to done. a0 goes on only behind the stores,
# and a3 is where it ends: a fault finds no more than there is. Where both sides can be
# aligned by the same bytes it goes by words, 512 bytes at a time while there are as
# many; where not, by words that are put together of two. a7 stays.
.macro copy_memory done
    add     a3, a0, a2
    xor     t0, a0, a1
    andi    t0, t0, 7
    bnez    t0, 5f                  # never aligned together
    andi    t0, a0, 7
    bnez    t0, 4f
1:  li      t1, 64
    bltu    a2, t1, 10f
    andi    t1, a2, -512
    beqz    t1, 3f
    add     a4, a0, t1
2:  move_words 0, 64
    addi    a0, a0, 512
    addi    a1, a1, 512
    bne     a0, a4, 2b
    andi    a2, a2, 511
    beqz    a2, \done
3:  move_half 256
    move_half 128
    move_half 64
10: move_half 32
    move_half 16
    move_half 8
    beq     a0, a3, \done
    move_one lwu, sw, 4
    move_one lhu, sh, 2
    move_one lbu, sb, 1
    j       \done
4:  li      t1, 16
    bltu    a2, t1, 7f
    align_target
    sub     a2, a3, a0
    j       1b
5:  li      t1, 40
    bltu    a2, t1, 7f
    # The target is aligned, and the source a4 bytes behind it is. Words of the source
    # are loaded whole, and none that has not a byte to be copied.
    align_target
    andi    a4, a1, 7
    sub     a1, a1, a4
    slli    a5, a4, 3
    neg     a6, a5
    sub     t1, a3, a0
    andi    t1, t1, -32
    add     t1, a0, t1
    ld      t0, 0(a1)
6:  ld      t2, 8(a1)
    ld      t3, 16(a1)
    ld      t4, 24(a1)
    ld      t5, 32(a1)
    srl     t0, t0, a5
    sll     t6, t2, a6
    or      t0, t0, t6
    srl     t2, t2, a5
    sll     t6, t3, a6
    or      t2, t2, t6
    srl     t3, t3, a5
    sll     t6, t4, a6
    or      t3, t3, t6
    srl     t4, t4, a5
    sll     t6, t5, a6
    or      t4, t4, t6
    sd      t0, 0(a0)
    sd      t2, 8(a0)
    sd      t3, 16(a0)
    sd      t4, 24(a0)
    mv      t0, t5
    addi    a0, a0, 32
    addi    a1, a1, 32
    bne     a0, t1, 6b
    add     a1, a1, a4
7:  beq     a0, a3, \done
    move_bytes
.endm
