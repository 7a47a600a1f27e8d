// SPDX-License-Identifier: Apache-2.0
//! `chanstorm` beside the storm, again and again for as long as that goes on. Each run
//! begins when the storm has gone on since the run before: on few harts neither takes
//! all of them.

use alloc::format;

use skimmer_rt::connection::Connection;
use skimmer_rt::process::{ExitStatus, Program};
use skimmer_rt::report::Check;

use crate::note::{self, Bill, LAST, RAN};
use crate::sizes::{Address, Sizes};

/// Its threads, and channels of each: little, so that a run is soon done.
const THREADS: u64 = 8;
const CHANNELS: u64 = 64;

/// Runs it until the storm is over: what is wrong.
pub(crate) fn run(sizes: Sizes, home: Address) -> Bill {
    let mut bill = Bill::default();
    let home = match Connection::attach(home.pid, home.chid) {
        Ok(home) => home,
        Err(errno) => {
            bill.fail(Check::ResultAllowed, format_args!("chanstorm's connection: {errno}"));
            return bill;
        }
    };
    loop {
        let child = Program::new("chanstorm")
            .arg(&format!("threads={THREADS}"))
            .arg(&format!("channels={CHANNELS}"))
            .arg(&format!("rounds={}", sizes.chanstorm))
            .arg(&format!("seed={}", sizes.seed))
            .spawn();
        let ended = child.and_then(|child| child.wait());
        let is_good = ended == Ok(ExitStatus::Exited(0));
        bill.check(Check::GoesOnBeside, is_good, format_args!("chanstorm: {ended:?}"));
        let mut answer = [0; size_of::<u64>()];
        let told = home.send(&note::bytes(&[RAN]), &mut answer);
        bill.check(Check::ResultAllowed, told.is_ok(), format_args!("it ran: {told:?}"));
        if !is_good || told.is_err() || u64::from_le_bytes(answer) != 0 {
            break;
        }
    }
    let told = home.send(&note::bytes(&[LAST]), &mut []);
    bill.check(Check::ResultAllowed, told.is_ok(), format_args!("it runs no more: {told:?}"));
    bill
}
