// SPDX-License-Identifier: Apache-2.0
//! Records on the line: what was written is read, and what was damaged on the
//! way is never taken for a record.

use proptest::prelude::*;
use skimmer_abi::{
    call::{Counts, MOST_VERDICT_TEXT},
    record::{
        Beside, CaseTold, Damaged, DiskWritten, DriveFault, DriveOperation, DriveTold, Drives, END,
        Envelope, Exchanged, FaultInfo, Interrupts, Latency, MARK, MAX_ENCODED, MAX_FAULT_FRAMES,
        MAX_FRAMES, MAX_LINE, MAX_PROGRAM, OffTimes, Outcome, PanicInfo, Programs, Record,
        Shortage, SkipReason, decode, encode,
    },
    scenario::Scenario,
};

/// Texts of records: empty, plain, with what looks like marks, not ASCII.
const TEXTS: &[&str] = &["", "0.1.0", "reply-once: dropped", "~sk1:00~", "kernel/core/é.rs"];

fn line_of(envelope: &Envelope<'_>) -> Vec<u8> {
    encode(envelope, &mut [0; MAX_LINE]).expect("it fits").to_vec()
}

/// What becomes of a line: `None` without a mark, else whether it is that
/// record, another one, or why it is none.
fn read(line: &[u8], sent: &Envelope<'_>) -> Option<Result<bool, Damaged>> {
    let mut scratch = [0; MAX_ENCODED];
    decode(line, &mut scratch).map(|got| got.map(|got| got == *sent))
}

#[expect(clippy::too_many_lines, reason = "one field a line")]
fn numbers(n: &[u64; 12]) -> Outcome {
    Outcome {
        scenario: Scenario::ALL[(n[0] % Scenario::ALL.len() as u64) as usize],
        harts: n[1] as u32,
        round_trips: n[2],
        errors: n[3],
        kernel_sends: n[4],
        kernel_replies: n[5],
        remote_ops: n[6],
        ring_waits: n[7],
        doorbells: n[8],
        switches: n[9],
        canaries: n[10],
        preemptions: n[11],
        kstress: (n[0].is_multiple_of(2)).then_some(n[1]),
        nanos: n[2] ^ n[3],
        off_times: (n[4].is_multiple_of(2)).then_some(OffTimes {
            masked: n[0],
            deferred: n[1],
            masked_shared: n[2],
            deferred_shared: n[3],
            lock_wait: n[4],
            intervals: n[5],
            set_apart: n[6],
            steps: n[7],
            nanos: n[8],
        }),
        programs: (n[5].is_multiple_of(2)).then_some(Programs {
            digest: n[9],
            channels_created: n[10],
            channels_destroyed: n[11],
            messages: (n[9].is_multiple_of(2)).then_some(Exchanged { sent: n[0], answered: n[1] }),
        }),
        interrupts: (n[6].is_multiple_of(2)).then_some(Interrupts {
            hartid: n[0],
            here: n[1],
            elsewhere: n[2],
            stray: n[3],
        }),
        drives: (!n[7].is_multiple_of(3)).then_some(Drives {
            drives: n[0] as u32,
            queue_pairs: n[11],
            missed: n[10],
            distinct: n[9],
            reads: n[1],
            blocks: n[2],
            written: n[3],
            by_interrupt: n[4],
            polled: n[5],
            stray: n[6],
            resets: n[7],
            latency: Latency { least: n[8], median: n[9], percent99: n[10], most: n[11] },
        }),
        beside: (n[8].is_multiple_of(2)).then_some(Beside {
            runs: n[0],
            windows: n[5],
            least_program: n[6],
            reads: n[1],
            least_reads: n[2],
            least_storm: n[3],
            least_kstress: n[4],
        }),
    }
}

fn outcome() -> impl Strategy<Value = Record<'static>> {
    any::<[u64; 12]>().prop_map(|n| Record::End(numbers(&n)))
}

fn text() -> impl Strategy<Value = &'static str> {
    prop::sample::select(TEXTS)
}

fn boot() -> impl Strategy<Value = Record<'static>> {
    (text(), any::<u64>(), any::<u32>(), any::<[u64; 2]>(), any::<(u64, u64)>(), any::<u64>())
        .prop_map(|(version, boot_hart, harts, [memory, ring_bytes], sbi, seed)| Record::Boot {
            version,
            boot_hart,
            harts,
            memory,
            ring_bytes,
            sbi,
            seed,
        })
}

fn panic() -> impl Strategy<Value = Record<'static>> {
    let numbers = (any::<[u64; 3]>(), any::<u32>(), any::<Option<u64>>());
    let frames = (any::<[u64; MAX_FRAMES]>(), 0..=MAX_FRAMES as u8);
    (numbers, text(), text(), frames).prop_map(
        |(([hartid, pc, stval], line, scause), message, file, (frames, depth))| {
            Record::Panic(PanicInfo {
                hartid,
                message,
                file,
                line,
                scause,
                pc,
                stval,
                frames,
                depth,
            })
        },
    )
}

fn fault() -> impl Strategy<Value = Record<'static>> {
    let frames = (any::<[u64; MAX_FAULT_FRAMES]>(), 0..=MAX_FAULT_FRAMES as u8);
    (any::<[u64; 8]>(), text(), frames).prop_map(|(numbers, program, (frames, depth))| {
        let [pid, thread, base, scause, pc, stval, sp, ra] = numbers;
        let place = (pid, thread, base);
        fault_of(program, place, [scause, pc, stval, sp, ra], (frames, depth))
    })
}

fn of_programs() -> impl Strategy<Value = Record<'static>> {
    prop_oneof![figure(), case(), fault()]
}

fn fault_of(
    program: &'static str,
    (pid, thread, base): (u64, u64, u64),
    [scause, pc, stval, sp, ra]: [u64; 5],
    (frames, depth): ([u64; MAX_FAULT_FRAMES], u8),
) -> Record<'static> {
    Record::Fault(FaultInfo {
        pid,
        thread,
        program,
        base,
        scause,
        pc,
        stval,
        sp,
        ra,
        frames,
        depth,
    })
}

#[test]
fn the_longest_fault_fits() {
    const NAME: &str = "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn";
    assert_eq!(NAME.len(), MAX_PROGRAM);
    let all = (u64::MAX, u64::MAX, u64::MAX);
    let frames = ([u64::MAX; MAX_FAULT_FRAMES], u8::MAX);
    let record = fault_of(NAME, all, [u64::MAX; 5], frames);
    let sent = Envelope { seq: u32::MAX, record };
    assert_eq!(read(&line_of(&sent), &sent), Some(Ok(true)));
}

fn of_harts() -> impl Strategy<Value = Record<'static>> {
    let reason =
        prop::sample::select(&[SkipReason::Disabled, SkipReason::NoMmu, SkipReason::BadId][..]);
    prop_oneof![
        (any::<u64>(), reason).prop_map(|(hartid, reason)| Record::HartSkipped { hartid, reason }),
        any::<(u64, i64)>().prop_map(|(hartid, error)| Record::HartFailed { hartid, error }),
        any::<(u64, u32)>().prop_map(|(hartid, index)| Record::HartUp { hartid, index }),
    ]
}

fn start() -> impl Strategy<Value = Record<'static>> {
    (prop::sample::select(Scenario::ALL), any::<[u32; 2]>(), any::<u64>()).prop_map(
        |(scenario, [harts, clients], rounds)| Record::Start { scenario, harts, clients, rounds },
    )
}

fn figure() -> impl Strategy<Value = Record<'static>> {
    let counts = any::<Option<[u64; 6]>>();
    (text(), any::<[u64; 2]>(), counts).prop_map(|(name, [operations, instructions], counts)| {
        let counts = counts.map(|[fences, satp_writes, locks, lock_waits, doorbells, firmware]| {
            Counts { fences, satp_writes, locks, lock_waits, doorbells, firmware }
        });
        Record::Figure { name, operations, instructions, counts }
    })
}

fn case() -> impl Strategy<Value = Record<'static>> {
    let texts = (text(), text(), text());
    (texts, any::<[bool; 2]>(), any::<[u64; 2]>()).prop_map(
        |((name, clause, seen), [is_apart, holds], [count, beside])| {
            Record::Case(CaseTold { name, clause, seen, is_apart, holds, count, beside })
        },
    )
}

#[test]
fn the_longest_case_fits() {
    let text = "x".repeat(MOST_VERDICT_TEXT as usize);
    let (name, clause, seen) = (&*text, &*text, &*text);
    let (count, beside) = (u64::MAX, u64::MAX);
    let case = CaseTold { name, clause, seen, is_apart: true, holds: true, count, beside };
    let sent = Envelope { seq: u32::MAX, record: Record::Case(case) };
    assert_eq!(read(&line_of(&sent), &sent), Some(Ok(true)));
}

fn fault_of_a_drive() -> impl Strategy<Value = Record<'static>> {
    use DriveOperation::{Flush, Read, Write};
    let operation = prop_oneof![Just(Read), Just(Write), Just(Flush)];
    (operation, any::<u16>(), any::<[u32; 2]>(), any::<[u64; 2]>()).prop_map(
        |(operation, status, [drive, attempt], [first, count])| {
            Record::DriveFault(DriveFault { drive, operation, status, attempt, first, count })
        },
    )
}

fn told_of_a_drive() -> impl Strategy<Value = Record<'static>> {
    (any::<u32>(), any::<[u64; 11]>()).prop_map(|(drive, n)| {
        Record::DriveTold(DriveTold {
            drive,
            blocks: n[0],
            reads: n[1],
            writes: n[2],
            flushes: n[3],
            failed_reads: n[4],
            failed_writes: n[5],
            failed_flushes: n[6],
            gone: n[7],
            refused: n[8],
            beside: n[9],
            nanos: n[10],
        })
    })
}

/// Every kind of record. The match makes a new kind ask for a place here.
fn envelope() -> impl Strategy<Value = Envelope<'static>> {
    match (Record::BadInput { message: "" }) {
        Record::Boot { .. }
        | Record::HartSkipped { .. }
        | Record::HartFailed { .. }
        | Record::HartUp { .. }
        | Record::Start { .. }
        | Record::Figure { .. }
        | Record::Case(_)
        | Record::Fault(_)
        | Record::CheckFailed { .. }
        | Record::Shortage(_)
        | Record::DiskWritten(_)
        | Record::DriveFault(_)
        | Record::DriveTold(_)
        | Record::End(_)
        | Record::BadInput { .. }
        | Record::Panic(_) => {}
    }
    let bad_input = text().prop_map(|message| Record::BadInput { message });
    let check = text().prop_map(|name| Record::CheckFailed { name });
    let shortage = any::<[u64; 5]>().prop_map(|[asked, small, frames, stacks, large]| {
        Record::Shortage(Shortage { asked, small, frames, stacks, large })
    });
    let written =
        (any::<u32>(), any::<[u64; 3]>()).prop_map(|(drive, [first, count, generation])| {
            Record::DiskWritten(DiskWritten { drive, first, count, generation })
        });
    let record = prop_oneof![
        fault_of_a_drive(),
        told_of_a_drive(),
        boot(),
        of_harts(),
        start(),
        of_programs(),
        check,
        shortage,
        written,
        outcome(),
        bad_input,
        panic()
    ];
    (any::<u32>(), record).prop_map(|(seq, record)| Envelope { seq, record })
}

/// Bytes that hold neither a mark nor the end of one.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let byte = any::<u8>().prop_filter("no mark", |b| *b != END && *b != b'\n');
    prop::collection::vec(byte, 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_written_is_read(
        envelope in envelope(),
        before in noise(),
        after in noise(),
    ) {
        let line = line_of(&envelope);
        prop_assert!(line.len() <= MAX_LINE && line.starts_with(MARK) && line.ends_with(&[END]));
        let all = [&before[..], &line, &after].concat();
        prop_assert_eq!(read(&all, &envelope), Some(Ok(true)));
    }

    /// CRC-32C finds every error within 32 bits and every one in up to three
    /// bits of a line this short, so this is no matter of luck.
    #[test]
    fn a_changed_digit_is_damage(envelope in envelope(), at: prop::sample::Index, new in 0..16_u8) {
        let mut line = line_of(&envelope);
        let at = MARK.len() + at.index(line.len() - MARK.len() - 1);
        let digit = b"0123456789abcdef"[usize::from(new)];
        prop_assume!(line[at] != digit);
        line[at] = digit;
        prop_assert_eq!(read(&line, &envelope), Some(Err(Damaged::Checksum)));
    }

    #[test]
    fn a_changed_byte_is_never_another_record(
        envelope in envelope(),
        at: prop::sample::Index,
        new: u8,
    ) {
        let mut line = line_of(&envelope);
        let at = at.index(line.len());
        prop_assume!(line[at] != new);
        line[at] = new;
        let got = read(&line, &envelope);
        prop_assert!(!matches!(got, Some(Ok(_))), "byte {} became {}: {:?}", at, new, got);
    }

    #[test]
    fn a_cut_record_is_damaged_or_absent(envelope in envelope(), cut: prop::sample::Index) {
        let line = line_of(&envelope);
        let cut = cut.index(line.len());
        let expected = (cut >= MARK.len()).then_some(Err(Damaged::Cut));
        prop_assert_eq!(read(&line[..cut], &envelope), expected);
        // A beginning that is lost takes the mark along.
        prop_assert_eq!(read(&line[cut + 1..], &envelope), None);
    }

    /// What two harts print at once, and a line that lost its middle.
    #[test]
    fn a_hole_or_an_insertion_is_never_a_record(
        envelope in envelope(),
        from: prop::sample::Index,
        length in 1..20_usize,
        more in prop::collection::vec(prop::sample::select(&b"0123456789abcdef"[..]), 1..20),
    ) {
        let line = line_of(&envelope);
        let digits = MARK.len()..line.len() - 1;
        let from = digits.start + from.index(digits.len() + 1);
        let to = (from + length).min(digits.end);
        if to > from {
            let got = read(&[&line[..from], &line[to..]].concat(), &envelope);
            prop_assert!(matches!(got, Some(Err(_))), "{}..{} lost: {:?}", from, to, got);
        }
        let got = read(&[&line[..from], &more[..], &line[from..]].concat(), &envelope);
        prop_assert!(matches!(got, Some(Err(_))), "{:?} put in at {}: {:?}", more, from, got);
    }
}

#[test]
fn more_than_any_record_is_too_long() {
    let message = "x".repeat(MAX_ENCODED);
    let envelope = Envelope { seq: 0, record: Record::BadInput { message: &message } };
    assert_eq!(encode(&envelope, &mut [0; MAX_LINE]), Err(Damaged::TooLong));
    let mut line = MARK.to_vec();
    line.extend(vec![b'0'; 2 * MAX_ENCODED + 2]);
    line.push(END);
    assert_eq!(read(&line, &envelope), Some(Err(Damaged::TooLong)));
}
