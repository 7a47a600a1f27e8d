// SPDX-License-Identifier: Apache-2.0
//! Programs' channels in the debugger: the program `kv`, stopped where its server
//! answers one client while the other waits; stopped where the server itself waits;
//! and with damage, which is to be named.

use anyhow::{Context as _, Result, ensure};

use super::{Case, Stopped, Views, everywhere};

/// Both clients send for as long as this takes.
pub(super) const CASE: Case = Case {
    words: "--program kv -- keys=1000000",
    at: Some("skimmer::process::messages::answer::answer"),
    question: "print/x id",
    is_there: both_wait,
    check: channels,
};

/// What `sk-chan` and `sk-state` say then.
const BOTH: &str = "channels: 1; blocked: 1 send, 0 receive, 1 reply, 0 copying";

/// Bytes of a question of `kv`, and of its answer.
const QUESTION: &str = "24";
const ANSWER: &str = "8";

/// Name of the only channel of a process.
const CHANNEL: &str = "0x100000000";

/// Where a message's name has its client's home and slot, and those.
const PLACE_BITS: u32 = 30;
const SLOT_BITS: u32 = 20;

/// How often the machine is stopped to find the server waiting.
const TRIES: u32 = 50;

fn both_wait(views: &Views) -> bool {
    views.get("sk-chan.txt").is_some_and(|text| text.contains(BOTH))
}

/// One row of a channel's table.
#[derive(Debug)]
struct Row<'a> {
    thread: &'a str,
    process: &'a str,
    priority: &'a str,
    coid: &'a str,
    message: &'a str,
    sends: &'a str,
    received: &'a str,
    room: &'a str,
}

/// The first in that queue.
fn row<'a>(text: &'a str, queue: &str) -> Result<Row<'a>> {
    let line = text.lines().find(|line| line.trim_start().starts_with(&format!("{queue} ")));
    let line = line.with_context(|| format!("nobody in the queue {queue}:\n{text}"))?;
    let cells: Vec<&str> =
        line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
    let &[_, place, thread, process, _, priority, coid, message, sends, received, room] =
        cells.as_slice()
    else {
        anyhow::bail!("a row of {} cells: {line}", cells.len());
    };
    ensure!(place == "0", "the first in the queue {queue}: {line}");
    let thread = thread.split(' ').next().unwrap_or_default();
    Ok(Row { thread, process, priority, coid, message, sends, received, room })
}

/// Home and slot of the client of a message.
fn client_of(message: &str) -> Result<String> {
    let digits = message.strip_prefix("0x").context("no message")?;
    let place = u64::from_str_radix(digits, 16)? & ((1 << PLACE_BITS) - 1);
    Ok(format!("{}.{}", place >> SLOT_BITS, place & ((1 << SLOT_BITS) - 1)))
}

/// One client is being answered, the other has sent.
fn channels(stopped: &Stopped<'_>) -> Result<String> {
    everywhere(stopped)?;
    let chan = stopped.view("sk-chan");
    let (sent, received) = (row(chan, "Send")?, row(chan, "Reply")?);
    for (row, had) in [(&sent, "0"), (&received, QUESTION)] {
        let Row { message, thread, priority, .. } = row;
        let sizes = [row.sends, row.received, row.room];
        ensure!(sizes == [QUESTION, had, ANSWER], "sizes {sizes:?} of {row:?}");
        let client = client_of(message)?;
        ensure!(thread.starts_with(&format!("{client}#")), "{message} is of {client}: {row:?}");
        ensure!(row.coid.starts_with("0x1"), "no connection: {row:?}");
        threads_row(stopped, thread, &[&format!("  {priority}  "), "Blocked: Channel"])?;
    }
    ensure!(sent.process != received.process, "{sent:?} and {received:?} are of one process");
    // The server's own word for what it is about to answer.
    let id = stopped.answer.lines().find_map(|line| line.strip_prefix("$1 = "));
    ensure!(id == Some(received.message), "it answers {id:?}, not {}", received.message);
    server(stopped, &sent, &received)?;
    trace(stopped, &sent, &received)?;
    let named = damage(stopped)?;
    let waiting = server_waits(stopped)?;
    Ok(format!("{} answered, {} sent; {waiting}; {named}", received.message, sent.message))
}

/// The row of that thread in `sk-thread` has all of `parts`.
fn threads_row<'a>(stopped: &'a Stopped<'_>, thread: &str, parts: &[&str]) -> Result<&'a str> {
    let text = stopped.view("sk-thread");
    let line = text.lines().find(|line| line.starts_with(&format!("{thread} ")));
    let line = line.with_context(|| format!("sk-thread has no {thread}"))?;
    for part in parts {
        ensure!(line.contains(part), "no `{part}` in: {line}");
    }
    Ok(line)
}

/// The server runs, serves the channel, and is whom both wait for.
fn server(stopped: &Stopped<'_>, sent: &Row<'_>, received: &Row<'_>) -> Result<()> {
    let chan = stopped.view("sk-chan");
    let head = chan.lines().find(|line| line.starts_with("pid ") && line.ends_with(':'));
    let owner = head.context("no process in sk-chan")?.trim_end_matches(':');
    ensure!(owner.ends_with(" kv"), "the channel of {owner}");
    let line = format!("  channel {CHANNEL}: Live, no flags, received last by ");
    let line = chan.lines().find_map(|it| it.strip_prefix(&line)).context("no channel")?;
    let name = line.split(' ').next().unwrap_or_default();
    let priority = received.priority;
    ensure!(line.ends_with(&format!(" for priority {priority}")), "{line}");
    let serves = format!("served by {name} program, priority {priority}, base ");
    for part in [
        serves,
        format!("{} is blocked on {owner}: 1 send", sent.process),
        format!("{} is blocked on {owner}: 1 reply", received.process),
        "consistent: queues, records and threads agree".to_owned(),
    ] {
        ensure!(chan.contains(&part), "sk-chan does not say `{part}`:\n{chan}");
    }
    threads_row(stopped, name, &["Running", owner, CHANNEL])?;
    for (row, queue) in [(sent, "Send"), (received, "Reply")] {
        let waits = format!("{queue} at {CHANNEL} of {owner}");
        threads_row(stopped, row.thread, &[&waits, row.process])?;
    }
    let state = stopped.view("sk-state");
    ensure!(state.contains(BOTH) && state.contains("nothing is inconsistent"), "{state}");
    let one = stopped.ask(&["sk-chan 7", "sk-chan x", "sk-chan 0x1000000"])?;
    for part in ["no process of pid 0x7 has a channel", "`x` is no pid", BOTH] {
        ensure!(one.contains(part), "`{part}` is not in: {one}");
    }
    Ok(())
}

/// The trace tells the same: one message was received, the other only sent.
fn trace(stopped: &Stopped<'_>, sent: &Row<'_>, received: &Row<'_>) -> Result<()> {
    let text = stopped.view("sk-trace");
    let has = |row: &Row<'_>, event: &str, at: &str| {
        let what = format!("{event} {} {at} channel 0", row.message);
        text.lines().any(|line| line.ends_with(&what))
    };
    let client = |row: &Row<'_>| {
        let what = format!("MsgSend {} to", row.message);
        text.lines().any(|line| line.contains(&what) && line.contains(row.thread))
    };
    ensure!(client(sent) && client(received), "the trace lacks a client's sending");
    ensure!(has(received, "MsgReceive", "at"), "the trace does not receive {received:?}");
    ensure!(!has(sent, "MsgReceive", "at"), "the trace receives {sent:?}");
    ensure!(!has(received, "MsgReply", "of"), "the trace answers {received:?}");
    ensure!(text.contains("Boost of "), "no priority is told in the trace");
    Ok(())
}

/// Where a call of messages begins, the server is found waiting sooner or later.
fn server_waits(stopped: &Stopped<'_>) -> Result<String> {
    for _ in 0..TRIES {
        let said = stopped.stop_at("skimmer_message", &["sk-chan", "sk-thread"])?;
        ensure!(!said.contains("Traceback"), "{said}");
        if !said.contains("blocked: 0 send, 1 receive, 0 reply, 0 copying") {
            continue;
        }
        let row = row(&said, "Receive")?;
        let sizes = [row.coid, row.message, row.sends, row.received];
        ensure!(sizes == ["-", "-", "0", "0"], "{row:?}");
        let room: u64 = row.room.parse()?;
        ensure!(room >= QUESTION.parse()?, "{row:?} has no room for a question");
        for part in [
            format!("{} is blocked on its clients: 1 receive", row.process),
            format!("Receive at {CHANNEL} of {}", row.process),
        ] {
            ensure!(said.contains(&part), "`{part}` is not in:\n{said}");
        }
        return Ok(format!("then {} waits with {room} bytes", row.process));
    }
    anyhow::bail!("the server is never found waiting")
}

/// Has an end of a wait told in words; damages one thing after the other, looks, and mends it.
const DAMAGE: &str = r#"
import struct
def place(value, *path):
    return int(member(value, *path).address)
def look(name, address, form, wrong):
    size = struct.calcsize(form)
    good = memory(address, size)
    gdb.selected_inferior().write_memory(address, struct.pack(form, wrong))
    for line in ("sk-chan", "sk-state", "sk-thread"):
        try:
            said = gdb.execute(line, to_string=True)
        except gdb.error as error:
            said = f"{line}: {error}\n"
        print("".join(f"{name}: {line}\n" for line in said.splitlines()), end="")
    gdb.selected_inferior().write_memory(address, good)
def number_of(kind, wanted):
    return next(number for number, name in enum_names(kind).items() if name == wanted)
with looking():
    harts = read_harts()
    programs = Programs(harts)
    channel, queues = programs.channels()[0]
    slot, table_ = channel.slot, channel.process.table
    waiter, answered = queues["Send"][0], queues["Reply"][0]
    record = programs.waiters[waiter.node >> 20].at(waiter.node & 0xFFFFF)
    cell = member(record, "waiter")
    kind = "skimmer_core::channel::waiter::Waiter"
    value = peel_to(member(cell, "value"), kind)
    other = programs.waiters[answered.node >> 20].at(answered.node & 0xFFFFF)
    other = peel_to(member(other, "waiter", "value"), kind)
    first = place(slot, "queues", "__0")
    room = peel_to(member(table_, "room", "value"), "skimmer_core::channel::stock::Room")
    image = peel_to(
        member(channel.process.value, "image", "value"), "skimmer::process::Image"
    )
    rows = [
        ("first", first, "<Q", 0xFFFFF),
        ("owner", place(cell, "owner"), "<Q", 0),
        ("cycle", place(other, "link", "behind"), "<Q", int(record.address)),
        ("behind", place(value, "link", "behind"), "<Q", 0xFFFFF),
        ("level", place(value, "link", "level"), "<B", 77),
        ("queue", place(value, "queue"), "<B", 99),
        # The half that is the generation.
        ("thread", place(value, "thread") + 4, "<I", 99),
        ("process", place(value, "owner"), "<Q", 99),
        ("number", place(value, "number"), "<Q", 99),
        ("flags", place(slot, "flags"), "<I", 0x80000001),
        ("slots", place(room, "slots"), "<I", 0xFFFFFFF0),
        ("state", place(slot, "state"), "<I", 77),
        ("name", place(image, "name", "data_ptr"), "<Q", 0x10),
        ("segment", place(table_, "slots", "__0", "directory"), "<Q", 0x10),
    ]
    events = enum_names("skimmer_abi::trace::Event")
    event = number_of("skimmer_abi::trace::Event", "Unblock")
    error = number_of("skimmer_abi::errno::Errno", "ETIMEDOUT")
    for error in (error, 9999):
        record = Record(harts[0], (0, 0, event << 56 | error, waiter.thread))
        print("event: " + decode(harts, record, events, {}))
for row in rows:
    look(*row)
print("mended: " + gdb.execute("sk-chan", to_string=True).strip().splitlines()[-1])
"#;

/// What must be said of each damage.
const NAMED: &[(&str, &str)] = &[
    ("event", " program: ETIMEDOUT"),
    ("event", " program: error 9999"),
    ("first", "a link leads to 0xfffff, where no record is"),
    ("first", "but is not found there"),
    ("owner", "which is nobody's"),
    ("cycle", "Reply queue is CYCLIC: it leads to "),
    ("behind", "a link leads to 0xfffff, where no record is"),
    ("level", "stands at 77"),
    ("queue", "which says queue 99"),
    ("thread", "does not exist"),
    ("process", "room 99 is blocked on"),
    ("number", "its hart knows of another wait"),
    ("flags", "FIXED_PRIORITY 0x80000000"),
    ("slots", "its channels cannot be read: "),
    ("slots", " kv says that it has 4294967280 slots for channels"),
    ("state", "but is not found there"),
    ("name", "pid 0x1000000 <cannot read "),
    ("segment", "Cannot access memory"),
    // What is left is shown: sk-thread goes to its end.
    ("segment", " thread(s)"),
    ("slots", " thread(s)"),
];

/// Damage is named, and no command breaks.
fn damage(stopped: &Stopped<'_>) -> Result<String> {
    let script = stopped.dir.join("damage.py");
    std::fs::write(&script, DAMAGE)?;
    let source = format!("source {}", std::path::absolute(&script)?.display());
    let said = stopped.ask(&[&source])?;
    let file = stopped.dir.join("damage.txt");
    std::fs::write(&file, &said)?;
    let file = file.display();
    for (what, part) in NAMED {
        let is_named = said.lines().any(|line| {
            line.strip_prefix(what)
                .is_some_and(|rest| rest.starts_with(": ") && rest.contains(part))
        });
        ensure!(is_named, "no `{part}` of {what} in {file}");
    }
    for wrong in ["Traceback", "Python Exception"] {
        ensure!(!said.contains(wrong), "`{wrong}` in {file}");
    }
    ensure!(said.contains("mended: consistent"), "it was not mended: {file}");
    Ok("all damage named".to_owned())
}
