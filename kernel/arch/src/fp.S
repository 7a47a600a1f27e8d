# SPDX-License-Identifier: Apache-2.0
# Floating-point registers to memory and back, beside fp.rs.

# void skimmer_fp_save(area: *mut Registers)
.option arch, +d
.section .text, "ax"
.globl skimmer_fp_save
.type skimmer_fp_save, @function
skimmer_fp_save:
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    fsd     f\n, 8*\n(a0)
    .endr
    frcsr   t0
    sd      t0, 256(a0)
    ret
.size skimmer_fp_save, . - skimmer_fp_save

# void skimmer_fp_load(area: *const Registers)
.globl skimmer_fp_load
.type skimmer_fp_load, @function
skimmer_fp_load:
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    fld     f\n, 8*\n(a0)
    .endr
    ld      t0, 256(a0)
    fscsr   t0
    ret
.size skimmer_fp_load, . - skimmer_fp_load
