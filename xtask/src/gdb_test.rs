// SPDX-License-Identifier: Apache-2.0
//! The debugger's commands against real boots: one that sleeps for ever, one
//! stopped in the middle of its work, one whose run queue is broken on
//! purpose, one whose clients wait at a channel (`channels`). What they show
//! is held against what the monitor reads, against itself, and against what the
//! scenario is.

mod channels;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use skimmer_abi::inspect::{HartInspect, InspectRoot, ROOT_MAGIC, ROOT_SYMBOL};

use crate::boot::{self, Boot, Event};
use crate::cli::BootArgs;
use crate::console::Line;
use crate::gdb::{self, ask};
use crate::record::Record;
use crate::setup::Tools;
use crate::symbols;
use crate::workspace::target_dir;

/// Harts of these machines.
const HARTS: usize = 8;

/// How often a machine is stopped to see whether it has come far enough.
const TRIES: u32 = 100;

/// How long it runs in between.
const RUN: Duration = Duration::from_millis(200);

/// What the middle of the work is: so many messages sent.
const MANY_SENDS: u64 = 1_000;

/// How a finding is marked that a hart may be about to mend, because it was
/// stopped amid a section.
const AMID: &[&str] = &["(stopped amid a section", "is about to ring"];

/// The file of each command.
const FILES: &[&str] = &[
    "sk-state.txt",
    "sk-pcpu.txt",
    "sk-runq.txt",
    "sk-thread.txt",
    "sk-backtraces.txt",
    "sk-chan.txt",
    "sk-pool.txt",
    "sk-storm.txt",
    "sk-trace.txt",
];

/// One boot.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// The options of `run`.
    words: &'static str,
    /// The function where it is stopped; none: anywhere.
    at: Option<&'static str>,
    /// What the debugger is asked there.
    question: &'static str,
    /// Whether it has come far enough.
    is_there: fn(&Views) -> bool,
    /// What must hold then. Gives a remark.
    check: fn(&Stopped<'_>) -> Result<String>,
}

/// Every boot, by name.
pub const CASES: &[(&str, Case)] = &[
    ("gdb-hang", anywhere("--scenario hang", sleeps, hang)),
    (
        "gdb-flood",
        anywhere(
            "--scenario flood --rounds 1000000000",
            |views| total(views, "sends") > MANY_SENDS,
            flood,
        ),
    ),
    ("gdb-cyclic", anywhere("--scenario hang", sleeps, cyclic)),
    ("gdb-channels", channels::CASE),
];

/// A case that may be stopped anywhere.
const fn anywhere(
    words: &'static str,
    is_there: fn(&Views) -> bool,
    check: fn(&Stopped<'_>) -> Result<String>,
) -> Case {
    Case { words, at: None, question: "", is_there, check }
}

/// What the commands have written, by file.
type Views = BTreeMap<&'static str, String>;

/// A machine that stands still.
#[derive(Debug)]
pub struct Stopped<'a> {
    views: Views,
    /// The answer to the case's question.
    answer: String,
    gdb: &'a Path,
    elf: &'a Path,
    socket: PathBuf,
    dir: &'a Path,
}

impl Stopped<'_> {
    fn ask(&self, lines: &[&str]) -> Result<String> {
        ask(self.gdb, self.elf, &self.socket, lines)
    }

    /// Lets it run to that function, and asks there.
    fn stop_at(&self, function: &str, lines: &[&str]) -> Result<String> {
        let stop = format!("tbreak {function}");
        self.ask(&[&[&stop, "continue"], lines].concat())
    }

    fn view(&self, command: &str) -> &str {
        self.views.get(&*format!("{command}.txt")).map_or("", String::as_str)
    }
}

/// Boots a case, stops it where it is interesting, and checks.
///
/// # Errors
/// When it does not come that far, or is not what it must be.
pub fn run(name: &str, case: Case, tools: &Tools, elf: &Path) -> Result<String> {
    let dir = target_dir().join("test").join(name);
    std::fs::create_dir_all(&dir)?;
    let spec = Boot::of(&BootArgs::of_words(case.words, tools)?, tools, elf, &dir).packed(tools)?;
    let (mut id, mut up, mut result) = (0, 0, None);
    // The boot stands while it tells: nobody else uses the machine.
    boot::boot(&spec, &mut |event| match event {
        Event::Started(its) => id = its,
        Event::Line(Line::Record(record)) if matches!(**record, Record::HartUp { .. }) => {
            up += 1;
            if up == HARTS {
                result = Some(stop_and_check(case, &spec, id));
                gdb::end(id);
            }
        }
        _ => {}
    })?;
    result.context("its harts have not come up")?
}

fn stop_and_check(case: Case, spec: &Boot<'_>, id: u32) -> Result<String> {
    let Boot { gdb, elf, dir, .. } = *spec;
    let (views, answer, socket) = (Views::new(), String::new(), gdb::socket_of(id)?);
    let mut stopped = Stopped { views, answer, gdb, elf, socket, dir };
    for _ in 0..TRIES {
        std::thread::sleep(RUN);
        if let Some(function) = case.at {
            stopped.answer = stopped.stop_at(function, &[case.question])?;
        }
        let files = gdb::save(dir, gdb, elf, &stopped.socket);
        ensure!(files.len() == FILES.len(), "not every command has written: {files:?}");
        for name in FILES {
            stopped.views.insert(name, std::fs::read_to_string(dir.join(name))?);
        }
        if (case.is_there)(&stopped.views) {
            return (case.check)(&stopped);
        }
        stopped.ask(&["detach"])?;
    }
    bail!("it never comes far enough; what was seen last is in {}", dir.display())
}

/// Cells of the rows of a table that begin with a hart's number.
fn by_hart(text: &str) -> BTreeMap<usize, Vec<&str>> {
    text.lines()
        .filter_map(|line| {
            let cells: Vec<&str> =
                line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
            Some((cells.first()?.parse().ok()?, cells))
        })
        .collect()
}

/// The column of that name among the rows of harts.
fn column<'a>(text: &'a str, name: &str) -> BTreeMap<usize, &'a str> {
    let head = text.lines().find(|line| line.starts_with("hart "));
    let place = head.and_then(|line| line.split_whitespace().position(|word| word == name));
    let Some(place) = place else { return BTreeMap::new() };
    let cell = |(hart, row): (usize, Vec<&'a str>)| Some((hart, *row.get(place)?));
    by_hart(text).into_iter().filter_map(cell).collect()
}

fn total(views: &Views, name: &str) -> u64 {
    let text = views.get("sk-storm.txt").map_or("", String::as_str);
    column(text, name).values().filter_map(|cell| cell.parse::<u64>().ok()).sum()
}

/// Whether every hart sleeps and the first thread has stopped.
fn sleeps(views: &Views) -> bool {
    let text = |name: &str| views.get(name).map_or("", String::as_str);
    let is_stopped = |line: &str| line.contains("main") && line.contains("Blocked: Stopped");
    text("sk-state.txt").matches("asleep in").count() == HARTS
        && text("sk-thread.txt").lines().any(is_stopped)
}

/// What must hold on every machine that stands.
fn everywhere(stopped: &Stopped<'_>) -> Result<()> {
    for (name, text) in &stopped.views {
        for wrong in ["Traceback", "differ", "Python Exception", "cannot read", "Cannot access"] {
            ensure!(!text.contains(wrong), "{name} says `{wrong}`");
        }
    }
    let help = stopped.ask(&["sk-help", "help sk-runq", "sk-thread 99.0", "sk-thread x"])?;
    for part in ["sk-state", "sk-trace", "cyclic or wrong", "no thread 99.0", "`x` is no thread"] {
        ensure!(help.contains(part), "`{part}` is not in: {help}");
    }
    threads(stopped)?;
    harts(stopped)?;
    counters(stopped)?;
    trace(stopped)
}

/// Every hart has its idle and service thread, in every view of them.
fn threads(stopped: &Stopped<'_>) -> Result<()> {
    let (text, pool) = (stopped.view("sk-thread"), stopped.view("sk-pool"));
    for hart in 0..HARTS {
        for (slot, name) in [(0, "idle"), (1, "service")] {
            let id = format!("{hart}.{slot}#1 ");
            let line = text.lines().find(|line| line.starts_with(&id));
            let line = line.with_context(|| format!("sk-thread does not list {id}"))?;
            ensure!(line.contains(name), "{id} is not {name}: {line}");
        }
        let live = text.lines().filter(|line| line.starts_with(&format!("{hart}."))).count();
        let row = pool.lines().find(|line| line.starts_with(&format!("{hart} ")));
        let row: Vec<usize> = row
            .context("sk-pool lacks a hart")?
            .split_whitespace()
            .filter_map(|cell| cell.parse().ok())
            .collect();
        ensure!(row.get(2) == Some(&live), "hart {hart} has {live} threads, sk-pool: {row:?}");
        ensure!(row[1] == row[2] + row[3] + row[4], "slots of hart {hart} are lost: {row:?}");
    }
    let whole = text.lines().filter(|line| line.ends_with("  ok")).count();
    ensure!(text.contains(&format!("{whole} thread(s)")), "a canary is not whole:\n{text}");
    let traces = stopped.view("sk-backtraces");
    let starts = traces.matches("skimmer_thread_start").count();
    ensure!(starts >= HARTS, "only {starts} backtraces reach the start of a thread");
    ensure!(traces.contains("service::run"), "no service thread in the backtraces");
    Ok(())
}

/// Every hart is in `sk-pcpu` and `sk-runq`.
fn harts(stopped: &Stopped<'_>) -> Result<()> {
    let ids = column(stopped.view("sk-state"), "id");
    for hart in 0..HARTS {
        // The boot hart is the first, whatever its id.
        let id = ids.get(&hart).context("sk-state lacks a hart")?;
        let head = format!("hart {hart} (id {id}): {hart}.");
        ensure!(stopped.view("sk-pcpu").contains(&head), "sk-pcpu lacks `{head}`");
        let head = format!("hart {hart}:");
        ensure!(stopped.view("sk-runq").contains(&head), "sk-runq lacks `{head}`");
    }
    for part in ["critical depth", "mail pending", "rings inbound", "timer", " records, "] {
        let found = stopped.view("sk-pcpu").matches(part).count();
        ensure!(found == HARTS, "sk-pcpu says `{part}` {found} times");
    }
    Ok(())
}

/// `sk-storm` shows what the monitor reads, and no change where nothing runs.
fn counters(stopped: &Stopped<'_>) -> Result<()> {
    const WORDS: usize = size_of::<HartInspect>() / 8;
    let root = symbols::physical_address(stopped.elf, ROOT_SYMBOL)?.context("no root")?;
    let words = monitor(stopped, root, size_of::<InspectRoot>() / 8)?;
    let &[ROOT_MAGIC, count, place] = words.as_slice() else { bail!("no root: {words:x?}") };
    ensure!(count == HARTS as u64, "{count} harts are published");
    let blocks = monitor(stopped, place, HARTS * WORDS)?;
    let names = ["switches", "remote_ops", "work", "sends", "replies", "ring_waits"];
    for (n, name) in names.into_iter().enumerate() {
        let shown = column(stopped.view("sk-storm"), name);
        for (hart, block) in blocks.chunks_exact(WORDS).enumerate() {
            // Behind id and state.
            let read = block[2 + n].to_string();
            ensure!(
                shown.get(&hart) == Some(&&*read),
                "{name} of hart {hart}: the monitor reads {read}, sk-storm shows {:?}",
                shown.get(&hart)
            );
        }
    }
    let twice = stopped.ask(&["sk-storm", "sk-storm"])?;
    let since = twice.lines().find(|line| line.starts_with("since"));
    let since = since.context("the second sk-storm shows no change")?;
    ensure!(since.split_whitespace().skip(1).all(|cell| cell == "+0"), "{since}");
    Ok(())
}

/// Words at a physical address, by the monitor behind the stub.
fn monitor(stopped: &Stopped<'_>, address: u64, count: usize) -> Result<Vec<u64>> {
    let said = stopped.ask(&[&format!("monitor xp /{count}gx {address:#x}")])?;
    let words: Vec<u64> = said
        .lines()
        .filter_map(|line| line.split_once(": 0x").map(|_| line))
        .flat_map(|line| line.split_whitespace().skip(1))
        .filter_map(|word| u64::from_str_radix(word.strip_prefix("0x")?, 16).ok())
        .collect();
    ensure!(words.len() == count, "the monitor gave {} of {count} words: {said}", words.len());
    Ok(words)
}

/// A line of `sk-trace`: time, hart, thread's id, event.
fn record(line: &str) -> Result<(u64, usize, &str, &str)> {
    let parse = || {
        let (time, rest) = line.trim_start().split_once("  hart ")?;
        let (hart, rest) = rest.split_once(' ')?;
        let rest = rest.trim_start();
        let thread = rest.split(' ').next()?;
        let (_, what) = rest.split_once("  ").or_else(|| rest.split_once(") "))?;
        Some((time.parse().ok()?, hart.parse().ok()?, thread, what.trim_start()))
    };
    parse().with_context(|| format!("sk-trace: {line}"))
}

/// Times rise, events are known, and each hart runs whom it switched to last.
fn trace(stopped: &Stopped<'_>) -> Result<()> {
    let (mut last, mut time) = (BTreeMap::new(), 0);
    for line in stopped.view("sk-trace").lines() {
        let (now, hart, thread, what) = record(line)?;
        ensure!(now >= time, "sk-trace goes back in time: {line}");
        ensure!(!what.starts_with("unknown"), "sk-trace: {line}");
        time = now;
        let entry = last.entry(hart).or_insert((None, false));
        entry.1 = false;
        if let Some(rest) = what.strip_prefix("Switch to ") {
            *entry = (rest.split(' ').next().map(|to| (thread, to)), true);
        }
    }
    let runs = by_hart(stopped.view("sk-state"));
    for hart in 0..HARTS {
        let current = runs.get(&hart).and_then(|row| row.get(2)).copied().unwrap_or_default();
        let current = current.split(' ').next().unwrap_or_default();
        // A hart that has done nothing for long is not among the last records.
        let Some((Some((from, to)), is_newest)) = last.get(&hart) else { continue };
        // The record is written just before the change.
        let is_between = *is_newest && *from == current;
        ensure!(*to == current || is_between, "hart {hart} switched to {to}, runs {current}");
    }
    Ok(())
}

/// Switches of each hart in the trace.
fn switches(stopped: &Stopped<'_>) -> Result<BTreeMap<usize, usize>> {
    let mut counts = BTreeMap::new();
    for line in stopped.view("sk-trace").lines() {
        let (_, hart, _, what) = record(line)?;
        *counts.entry(hart).or_insert(0) += usize::from(what.starts_with("Switch to "));
    }
    Ok(counts)
}

/// A machine asleep: all is consistent, and the counters equal the records.
fn hang(stopped: &Stopped<'_>) -> Result<String> {
    everywhere(stopped)?;
    let consistent = format!("consistent: {HARTS} run queue(s)");
    ensure!(stopped.view("sk-runq").contains(&consistent), "{}", stopped.view("sk-runq"));
    let state = stopped.view("sk-state");
    ensure!(state.contains("nothing is inconsistent"), "{state}");
    ensure!(stopped.view("sk-backtraces").contains("faults::hang"), "nobody hangs");
    let (shown, counted) = (column(stopped.view("sk-storm"), "switches"), switches(stopped)?);
    for hart in 0..HARTS {
        let counted = counted.get(&hart).copied().unwrap_or(0).to_string();
        ensure!(
            shown.get(&hart) == Some(&&*counted),
            "hart {hart}: {counted} switches in the trace, {:?} counted",
            shown.get(&hart)
        );
    }
    Ok(format!("asleep, {} switches counted and traced", total(&stopped.views, "switches")))
}

/// A machine at work: a finding is one amid a section, or none.
fn flood(stopped: &Stopped<'_>) -> Result<String> {
    everywhere(stopped)?;
    for view in ["sk-state", "sk-runq"] {
        let text = stopped.view(view);
        let findings = text.lines().filter(|line| line.starts_with("  hart "));
        for finding in findings {
            ensure!(AMID.iter().any(|mark| finding.contains(mark)), "{view}: {finding}");
        }
    }
    for name in ["flooder", "sink"] {
        let found = stopped.view("sk-thread").matches(name).count();
        ensure!(found == HARTS, "sk-thread lists {found} times `{name}`");
    }
    for event in ["PortSend number", "PortReply number", "DoorbellTaken, "] {
        ensure!(stopped.view("sk-trace").contains(event), "sk-trace shows no `{event}`");
    }
    Ok(format!("stopped after {} sends", total(&stopped.views, "sends")))
}

/// Makes the service thread of the last hart the only one in its run queue,
/// behind itself.
const CORRUPT: &str = r#"
import struct
def put(address, kind, number):
    form = {2: "<H", 4: "<I"}[kind.sizeof]
    gdb.selected_inferior().write_memory(address, struct.pack(form, number))
with looking():
    hart = read_harts()[-1]
    thread = hart.threads()[1]
    for name, value in (("before", 1), ("behind", 1), ("queue", thread.priority)):
        offset, kind = offset_of(lookup("skimmer_core::list::Link"), name)
        put(int(thread.value["link"].address) + offset, kind, value)
    lists = number(hart.value["runq"]["levels"])
    kind = lookup("skimmer_core::list::List")
    for name in ("first", "last"):
        offset, inner = offset_of(kind, name)
        put(lists + thread.priority * kind.sizeof + offset, inner, 1)
"#;

/// A broken run queue is called so at once, and by its name.
fn cyclic(stopped: &Stopped<'_>) -> Result<String> {
    let good = stopped.ask(&["sk-runq"])?;
    ensure!(good.contains("consistent: "), "broken before it was broken: {good}");
    let script = stopped.dir.join("corrupt.py");
    std::fs::write(&script, CORRUPT)?;
    let source = format!("source {}", std::path::absolute(&script)?.display());
    let said = stopped.ask(&[&source, "sk-runq", "sk-state"])?;
    let service = format!("{}.1#1 service", HARTS - 1);
    for part in [
        "queue 250 is CYCLIC: slots 1 -> 1".to_owned(),
        "the bitmap says that level 250 is not ready".to_owned(),
        format!("{service} is queued, but Blocked: Receive"),
        format!("{service}: behind None, but its link says 1"),
    ] {
        ensure!(said.matches(&part).count() == 2, "not twice `{part}` in:\n{said}");
    }
    ensure!(said.contains("INCONSISTENT: ") && !said.contains("Traceback"), "{said}");
    Ok("the cycle, the bitmap and the links are named".to_owned())
}
