// SPDX-License-Identifier: Apache-2.0
//! The Skimmer kernel: boot order and wiring. Read this file from top to
//! bottom for what happens between firmware and the first message.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

extern crate alloc;

mod bugs;
mod interrupts;
mod ledger;
mod lwkt;
mod mutex;
mod nvme;
mod pci;
mod platform;
mod process;
mod scenario;
mod service;
mod smp;

use skimmer_abi::{exit::ExitStatus, inspect::InspectRoot, record::Record};
use skimmer_arch::{
    boot::{BootArgs, Door},
    console,
    cpu::{self, Riscv},
    paging, power, println, sbi, time,
};
use skimmer_core::{cmdline::CommandLine, ids::Priority, remote};

/// What the host reads out of guest memory.
#[expect(unsafe_code, reason = "the host finds it by this name")]
#[unsafe(no_mangle)]
static SKIMMER_INSPECT: InspectRoot = InspectRoot::new();

/// The first thread's: above every workload, whose ends it waits for.
const MAIN_PRIORITY: u8 = 140;

/// The boot hart, on the boot stack.
#[expect(unsafe_code, reason = "the boot code of arch calls it by this name")]
#[unsafe(no_mangle)]
extern "Rust" fn skimmer_main(boot: BootArgs) -> ! {
    println!("Skimmer {}: hart {} booted", env!("CARGO_PKG_VERSION"), boot.hartid());
    for bug in bugs::BUILT_IN {
        println!("built in on purpose: {bug}");
    }
    let tree = platform::open_device_tree(&boot).unwrap_or_else(|error| refuse(&error));
    if let Some(device) = platform::test_device(&tree) {
        power::set_test_device(device);
    }
    time::set_frequency(tree.timebase_frequency().unwrap_or(0));
    let memory = platform::take_memory(&boot, &tree);
    if paging::complete(memory).is_err() {
        refuse(&"not enough memory for the kernel's own tables");
    }
    let chosen = tree.chosen();
    let line = chosen.bootargs().unwrap_or("");
    let line = CommandLine::try_from(line).unwrap_or_else(|word| refuse(&word));

    let harts = platform::usable_harts(&boot, &tree);
    console::send(Record::Boot {
        version: env!("CARGO_PKG_VERSION"),
        boot_hart: boot.hartid(),
        harts: u32::try_from(harts.len()).unwrap_or(u32::MAX),
        memory,
        ring_bytes: remote::ring_bytes::<Riscv>(harts.len()) as u64,
        sbi: sbi::implementation(),
        seed: line.seed,
    });
    smp::publish(&harts, &SKIMMER_INSPECT);
    interrupts::begin(&tree, &harts);
    let package = platform::boot_package(&boot, &tree);
    if process::set_package(package).is_err() {
        refuse(&"not enough memory for address spaces");
    }
    let buses = pci::find(&tree);
    let main = move || {
        let drives = nvme::begin(buses);
        scenario::run(&line, &tree, drives)
    };
    smp::begin(main, Priority::new(MAIN_PRIORITY));
    smp::start_others(if line.is_front_door { Door::Front } else { Door::Secondary });
    smp::become_idle()
}

/// Every hart's idle thread.
#[expect(unsafe_code, reason = "the boot code of arch calls it by this name")]
#[unsafe(no_mangle)]
extern "Rust" fn skimmer_idle() -> ! {
    interrupts::listen();
    smp::arrive();
    cpu::begin_idle();
    loop {
        cpu::idle_turn();
    }
}

/// Ends a boot that was asked for what cannot be done.
pub(crate) fn refuse(why: &dyn core::fmt::Display) -> ! {
    println!("cannot go on: {why}");
    let text = alloc_free_text(why);
    console::send(Record::BadInput { message: text.as_str() });
    power::exit(ExitStatus::BadInput)
}

/// A short text that needs no heap: there may be none yet.
struct ShortText {
    bytes: [u8; 160],
    length: usize,
}

impl ShortText {
    fn as_str(&self) -> &str {
        str::from_utf8(&self.bytes[..self.length]).unwrap_or("?")
    }
}

impl core::fmt::Write for ShortText {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        for character in text.chars() {
            let room = &mut self.bytes[self.length..];
            let Some(place) = room.get_mut(..character.len_utf8()) else { break };
            character.encode_utf8(place);
            self.length += character.len_utf8();
        }
        Ok(())
    }
}

fn alloc_free_text(what: &dyn core::fmt::Display) -> ShortText {
    let mut text = ShortText { bytes: [0; 160], length: 0 };
    // What does not fit is left out.
    let _ = core::fmt::Write::write_fmt(&mut text, format_args!("{what}"));
    text
}
