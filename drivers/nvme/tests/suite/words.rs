// SPDX-License-Identifier: Apache-2.0
//! What QEMU's drives say of themselves: the seeds of the fuzz target.

use crate::identified::examine;
use crate::started::{WORDS, start};

const QEMU: [&[u8]; 2] =
    [include_bytes!("../words/qemu-512.words"), include_bytes!("../words/qemu-4096-limited.words")];

#[test]
fn a_drive_that_says_what_qemus_say_has_its_namespace() {
    for words in QEMU {
        assert_eq!((words.len(), start(words)), (WORDS, Ok(1)));
        assert_eq!(examine(&words[..4096]), (true, false), "a controller, and no namespace");
    }
}

#[test]
fn no_byte_of_it_breaks_the_driver() {
    for words in QEMU {
        for at in
            (0..WORDS).filter(|at| at % 4096 < 160 || at % 4096 > 4090 || at % 4096 / 16 == 32)
        {
            for new in [0, 1, 0x7f, 0xff] {
                let mut words = words.to_vec();
                words[at] = new;
                let _ = start(&words);
            }
        }
    }
}

#[test]
fn nor_do_words_that_end_early() {
    for words in QEMU {
        for length in (0..WORDS).step_by(37) {
            let _ = start(&words[..length]);
        }
    }
}
