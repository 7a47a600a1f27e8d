# SPDX-License-Identifier: Apache-2.0
# The first instructions of every hart, beside boot.rs.
#
# Firmware enters with satp = 0, a0 = hart id, a1 = device tree (boot hart) or
# a pointer of ours (others). The image is linked in the top 2 GiB and may be
# loaded at any 2 MiB boundary: until paging is on, only pc-relative addresses
# are used. Registers that live across everything: s1 = hart id, s2 = a1.

.attribute arch, "rv64gc"

# Whatever firmware left on in sstatus is off: interrupts, floating point,
# vectors (VS), reaching into user memory. UXL stays: 0 is no legal value.
.macro CLEAR_SSTATUS temporary
    li      \temporary, ~(3 << 32)
    csrc    sstatus, \temporary
.endm

# void _start(hartid, device_tree): the image's first byte. Boot loaders read it
# as the header of a boot image (Linux, Documentation/arch/riscv/
# boot-image-header.rst, version 0.2), harts as a jump over it.
.section .text.entry, "ax"
.globl _start
.type _start, @function
_start:
.option push
.option norvc
    j       first_instruction       # code0
    nop                             # code1
.option pop
    .dword  0x200000                # text_offset: any 2 MiB boundary would do
    .dword  __image_size            # with .bss
    .dword  0                       # flags: little-endian
    .word   2                       # version 0.2
    .word   0
    .dword  0
    .ascii  "RISCV\0\0\0"           # magic, of old
    .ascii  "RSC\x05"               # magic2, which loaders check
    .word   0                       # no PE header
first_instruction:
    csrw    sie, zero
    csrw    sip, zero
    CLEAR_SSTATUS t0
    mv      s1, a0                  # law boot-args-first: in registers that
    mv      s2, a1                  # nothing below touches
    lla     t0, SKIMMER_BOOT_TAKEN
    li      t1, 1
    amoswap.w.aqrl t1, t1, (t0)
    bnez    t1, front_door
.if {bug_bss_args}
    lla     t0, SKIMMER_LOST_ARGS
    sd      s1, 0(t0)
    sd      s2, 8(t0)
.endif
    lla     t0, __bss_start
    lla     t1, __bss_end
1:  sd      zero, 0(t0)
    addi    t0, t0, 8
    bltu    t0, t1, 1b
.if {bug_bss_args}
    lla     t0, SKIMMER_LOST_ARGS
    ld      s1, 0(t0)
    ld      s2, 8(t0)
.endif

    # The kernel's own 2 MiB pages, by the permissions of their section.
    lla     t0, SKIMMER_BOOT_KERNEL_TABLE
    lla     a2, __text_start
    lla     a3, __text_end
    li      a4, 0x6b                # A G X R V
    call    boot_map
    lla     a2, __rodata_start
    lla     a3, __rodata_end
    li      a4, 0x63                # A G R V
    call    boot_map
    lla     a2, __data_start
    lla     a3, __image_end
    li      a4, 0xe7                # D A G W R V
    call    boot_map

    # The root already holds the linear map; hook the kernel's table in.
    lla     t1, SKIMMER_BOOT_ROOT
    srli    t0, t0, 12
    slli    t0, t0, 10
    ori     t0, t0, 1
    li      t2, 510 * 8             # 0xffffffff_80000000
    add     t1, t1, t2
    sd      t0, 0(t1)

    call    boot_enable_paging
    lla     t0, SKIMMER_BOOT_STACK_TOP
    ld      sp, 0(t0)
    mv      fp, zero
    mv      a0, s1
    mv      a1, s2
    call    skimmer_boot_hart
    unimp

# A hart came here that another hart has started, or is about to. OpenSBI 1.1
# marks a hart as starting before it writes down where: a hart that looks in
# between goes to the first payload's address with the first payload's
# arguments. It finds its own by its id, once they are listed.
front_door:
    call    boot_enable_paging
1:  lla     t0, SKIMMER_SECONDARIES
    ld      s2, 0(t0)
    fence   r, rw
2:  beqz    s2, 1b
    ld      t1, 8(s2)               # SecondaryBoot.hartid
    beq     t1, s1, enter_secondary
    ld      s2, 16(s2)              # SecondaryBoot.next
    j       2b
.size _start, . - _start

# void _start_secondary(hartid, boot: &SecondaryBoot)
.globl _start_secondary
.type _start_secondary, @function
_start_secondary:
    csrw    sie, zero
    csrw    sip, zero
    CLEAR_SSTATUS t0
    mv      s1, a0
    mv      s2, a1
    call    boot_enable_paging
enter_secondary:
    ld      sp, 0(s2)               # SecondaryBoot.stack_top
    mv      fp, zero
    mv      a0, s1
    mv      a1, s2
    call    skimmer_boot_secondary
    unimp
.size _start_secondary, . - _start_secondary

# Maps the 2 MiB pages that hold [a2, a3) with permission bits a4 into the
# table at t0, at the place their link address has. Keeps t0.
.type boot_map, @function
boot_map:
    lla     t1, __image_start       # where the image is
    li      t6, 0x1fffff
    not     t6, t6
    and     t1, t1, t6
    and     a2, a2, t6
1:  bgeu    a2, a3, 2f
    sub     t3, a2, t1              # distance from the image's first page,
    srli    t3, t3, 21              # in pages; the image is linked at page 1
    addi    t3, t3, 1
    slli    t3, t3, 3
    add     t3, t3, t0
    srli    t4, a2, 12
    slli    t4, t4, 10
    or      t4, t4, a4
    sd      t4, 0(t3)
    li      t5, 0x200000
    add     a2, a2, t5
    j       1b
2:  ret
.size boot_map, . - boot_map

# Turns paging on and returns to the caller at its linked address. The next
# fetch after the write of satp faults, for the load address is not mapped, and
# the trap vector takes it to where it should be.
.type boot_enable_paging, @function
boot_enable_paging:
    lla     t0, _start
    lla     t1, 3f
    ld      t1, 0(t1)               # link address of _start
    sub     t1, t1, t0              # link address minus load address
    lla     t2, 2f
    add     t2, t2, t1
    csrw    stvec, t2
    add     ra, ra, t1
    lla     t3, SKIMMER_BOOT_ROOT
    srli    t3, t3, 12
    li      t4, 8 << 60             # Sv39
    or      t3, t3, t4
    sfence.vma
    csrw    satp, t3
    sfence.vma                      # not reached where the first fetch faults
    .balign 4
2:  ret
    .balign 8
3:  .dword  _start
.size boot_enable_paging, . - boot_enable_paging
