// SPDX-License-Identifier: Apache-2.0
//! `cargo xtask gdb`: the debugger with the kernel's own commands
//! (`tools/gdb/skimmer.py`) on a machine that it starts, or that runs already.
//! The collector of evidence has them write what they see into files.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use rustix::process::{Pid, Signal, kill_process};

use crate::boot::{self, Boot, Event};
use crate::build;
use crate::claim::Claim;
use crate::cli::BootArgs;
use crate::process;
use crate::setup;
use crate::workspace::{root, short, target_dir};

/// How long the commands may take together (64 harts take some seconds).
const LIMIT: Duration = Duration::from_secs(90);

/// How long the emulator may take to open the stub's socket.
const SOCKET_LIMIT: Duration = Duration::from_secs(20);

/// How often we look.
const STEP: Duration = Duration::from_millis(20);

/// What is kept of commands that failed altogether.
pub const FAILED: &str = "sk-failed.txt";

/// Options of `gdb`.
#[derive(Debug, Args)]
pub struct GdbArgs {
    /// What is booted.
    #[command(flatten)]
    pub boot: BootArgs,
    /// A machine that runs (or hangs) already, by the socket of its debugger's
    /// stub; it stands in the boot's qemu-command.txt. It goes on when the
    /// debugger leaves.
    #[arg(long, value_name = "SOCKET")]
    pub attach: Option<PathBuf>,
    /// The kernel that such a machine runs. (Known by itself where the machine
    /// is a process of this host.)
    #[arg(long, value_name = "FILE", requires = "attach")]
    pub kernel: Option<PathBuf>,
    /// Do this command of the debugger and leave (repeatable, in order).
    #[arg(long, short = 'x', value_name = "COMMAND")]
    pub execute: Vec<String>,
}

/// The commands' script.
#[must_use]
pub fn script() -> PathBuf {
    root().join("tools/gdb/skimmer.py")
}

/// What the debugger is told so that it attaches to the harts behind `socket`
/// that run the kernel.
#[must_use]
pub fn attach(socket: &Path) -> [String; 2] {
    let script = root().join("tools/gdb/attach.py");
    [format!("source {}", script.display()), format!("sk-attach {}", socket.display())]
}

/// A debugger on `socket` that knows the kernel's commands.
fn debugger(gdb: &Path, elf: &Path, socket: &Path) -> Command {
    let mut command = Command::new(gdb);
    command.args(["-q", "-ex", "set pagination off", "-ex", "set width 0"]);
    for line in attach(socket) {
        command.arg("-ex").arg(line);
    }
    command.arg("-ex").arg(format!("source {}", script().display()));
    command.arg(elf);
    command
}

/// The same, for commands that are given beforehand. The machine stays
/// stopped, unless the last command is `detach`.
#[must_use]
pub fn batch(gdb: &Path, elf: &Path, socket: &Path, lines: &[&str]) -> Command {
    let mut command = debugger(gdb, elf, socket);
    command.args(["-nx", "-batch"]);
    for line in lines.iter().copied().chain(["disconnect"]) {
        command.arg("-ex").arg(line);
    }
    command
}

/// Runs such a debugger; what it said.
///
/// # Errors
/// When it cannot be started or takes too long.
pub fn ask(gdb: &Path, elf: &Path, socket: &Path, lines: &[&str]) -> Result<String> {
    let output = process::output_within(&batch(gdb, elf, socket, lines), LIMIT)?
        .with_context(|| format!("the debugger took longer than {} s", LIMIT.as_secs()))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(said + &String::from_utf8_lossy(&output.stderr))
}

/// Has every command write what it sees into `dir`. The machine is left
/// stopped. Gives the files written; what fails leaves a note.
pub fn save(dir: &Path, gdb: &Path, elf: &Path, socket: &Path) -> Vec<PathBuf> {
    // The debugger may be started elsewhere in the tree of directories.
    let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    let said = ask(gdb, elf, socket, &[&format!("sk-save {}", dir.display())]);
    let said = said.unwrap_or_else(|error| format!("{error:#}\n"));
    let mut files: Vec<PathBuf> =
        said.lines().map(PathBuf::from).filter(|p| p.starts_with(&dir) && p.is_file()).collect();
    if files.is_empty() {
        let note = dir.join(FAILED);
        match std::fs::write(&note, said) {
            Ok(()) => files.push(note),
            Err(error) => eprintln!("cannot save {}: {error}", note.display()),
        }
    }
    files
}

/// Opens the debugger. `true` if it ended well.
///
/// # Errors
/// When machine or debugger cannot be started.
pub fn gdb(args: &GdbArgs) -> Result<bool> {
    args.boot.check()?;
    let tools = setup::ensure(&args.boot.machine.setup.wishes())?;
    if let Some(socket) = &args.attach {
        let elf = args.kernel.clone().or_else(|| kernel_of(socket));
        let elf = elf.context("which kernel does it run? say --kernel FILE")?;
        return talk(&tools.gdb, &elf, socket, &args.execute);
    }
    let kernel = build::kernel(&tools.compiler, &args.boot.build.profile())?;
    let claim = Claim::first_free(&target_dir().join("gdb"))?;
    claim.clear()?;
    let kernel = kernel.keep_copy(claim.dir())?;
    let spec = Boot::of(&args.boot, &tools, &kernel.elf, claim.dir()).packed(&tools)?;
    let spec = Boot { wait: true, ..spec };
    println!("the console goes to {}/console.log; `sk-help` lists commands", short(claim.dir()));
    boot_and_talk(&spec, &args.execute)
}

/// Starts the machine and the debugger on it; the end of either is the other's.
fn boot_and_talk(spec: &Boot<'_>, lines: &[String]) -> Result<bool> {
    std::thread::scope(|scope| {
        let (started, id) = channel();
        let boot = scope.spawn(move || {
            boot::boot(spec, &mut |event| {
                if let Event::Started(id) = event {
                    // Nobody listens once the debugger has given up.
                    let _ = started.send(id);
                }
            })
        });
        let Ok(id) = id.recv() else {
            return Err(boot.join().map_or_else(
                |_| anyhow::anyhow!("the boot's thread died"),
                |booted| booted.err().unwrap_or_else(|| anyhow::anyhow!("no emulator")),
            ));
        };
        let result = socket_of(id).and_then(|socket| talk(spec.gdb, spec.elf, &socket, lines));
        end(id);
        // How a boot ended that people have stepped through says nothing.
        let _ = boot.join();
        result
    })
}

/// Ends an emulator that this process has started.
pub fn end(id: u32) {
    if let Some(id) = i32::try_from(id).ok().and_then(Pid::from_raw) {
        // If it has ended already, so much the better.
        let _ = kill_process(id, Signal::KILL);
    }
}

/// The debugger at the user's terminal, or with the commands that are given.
fn talk(gdb: &Path, elf: &Path, socket: &Path, lines: &[String]) -> Result<bool> {
    let mut command = debugger(gdb, elf, socket);
    if !lines.is_empty() {
        command.arg("-batch");
    }
    for line in lines {
        command.arg("-ex").arg(line);
    }
    process::leave_interrupts_to_child();
    let mut child =
        command.spawn().with_context(|| format!("cannot start {}", process::line(&command)))?;
    Ok(child.wait()?.success())
}

/// The socket of the debugger's stub of an emulator, once it is open.
///
/// # Errors
/// When it does not open.
pub fn socket_of(id: u32) -> Result<PathBuf> {
    let start = Instant::now();
    while start.elapsed() < SOCKET_LIMIT {
        let words = words_of(id);
        let socket = words.as_deref().and_then(|words| behind(words, "-gdb")).and_then(socket_in);
        if let Some(socket) = socket.filter(|socket| socket.exists()) {
            return Ok(socket);
        }
        std::thread::sleep(STEP);
    }
    bail!("the emulator has opened no socket for a debugger")
}

/// The kernel of whichever emulator of this host has that socket.
fn kernel_of(socket: &Path) -> Option<PathBuf> {
    std::fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let words = words_of(entry.file_name().to_str()?.parse().ok()?)?;
        let its = behind(&words, "-gdb").and_then(socket_in)?;
        (its == socket).then(|| behind(&words, "-kernel").map(PathBuf::from)).flatten()
    })
}

/// The command line of a process.
fn words_of(id: u32) -> Option<Vec<String>> {
    let bytes = std::fs::read(format!("/proc/{id}/cmdline")).ok()?;
    Some(bytes.split(|&b| b == 0).map(|w| String::from_utf8_lossy(w).into_owned()).collect())
}

/// The word behind `option`.
fn behind<'a>(words: &'a [String], option: &str) -> Option<&'a str> {
    words.iter().position(|w| w == option).and_then(|n| words.get(n + 1)).map(String::as_str)
}

/// The path in `unix:PATH,server=on,…`.
fn socket_in(word: &str) -> Option<PathBuf> {
    let path = word.strip_prefix("unix:")?;
    Some(PathBuf::from(path.split(',').next().unwrap_or(path)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use skimmer_abi::channel::ChannelFlags;
    use skimmer_abi::trace;

    /// The value of `NAME = …` in the script.
    fn constant(name: &str) -> u64 {
        let text = std::fs::read_to_string(script()).expect("the script");
        let line = text.lines().find_map(|l| l.strip_prefix(&format!("{name} = ")));
        number(line.unwrap_or_else(|| panic!("no {name} in the script")))
    }

    /// The value of `NAME: type = …;` in a source of the kernel.
    fn kernels(file: &str, name: &str) -> u64 {
        let text = std::fs::read_to_string(root().join(file)).expect("the source");
        let head = format!("const {name}: ");
        let line = text.lines().find_map(|l| l.split_once(&head).map(|(_, rest)| rest.to_owned()));
        let line = line.unwrap_or_else(|| panic!("no {name} in {file}"));
        number(line.split_once("= ").expect("a value").1.trim_end_matches(';'))
    }

    /// A product of numbers.
    fn number(text: &str) -> u64 {
        let one = |word: &str| {
            let word = word.trim().replace('_', "").to_lowercase();
            let (digits, radix) = word.strip_prefix("0x").map_or((&*word, 10), |hex| (hex, 16));
            u64::from_str_radix(digits, radix).unwrap_or_else(|_| panic!("{text}"))
        };
        text.split('*').map(one).product()
    }

    #[test]
    fn what_the_script_knows_by_heart_is_the_kernels() {
        for (file, name) in [
            ("kernel/arch/src/stack.rs", "STACK_SIZE"),
            ("kernel/arch/src/stack.rs", "CANARY"),
            ("kernel/core/src/hart.rs", "DEAD"),
            ("kernel/core/src/hart.rs", "UNSETTLED"),
            ("kernel/core/src/hart.rs", "FIRST_SPACE"),
            ("kernel/core/src/channel/id.rs", "PLACE_BITS"),
            ("kernel/sync/src/segments.rs", "FIRST"),
            ("kernel/core/src/ids.rs", "SLOT_BITS"),
            ("kernel/core/src/ids.rs", "HART_BITS"),
            ("kernel/sync/src/magazine.rs", "SMALLEST"),
        ] {
            assert_eq!(constant(name), kernels(file, name), "{name} of {file}");
        }
        let switch = std::fs::read_to_string(root().join("kernel/arch/src/switch.S"));
        let switch = switch.expect("the source");
        for (register, name) in [("ra", "SAVED_RA"), ("s0", "SAVED_S0")] {
            let line = format!("sd      {register}, {}(sp)", constant(name));
            assert!(switch.contains(&line), "{line}");
        }
        assert_eq!(trace::RECORD_SIZE, 32, "the script unpacks four words");
    }

    #[test]
    fn the_flags_of_channels_are_those_of_the_kernel() {
        let text = std::fs::read_to_string(script()).expect("the script");
        let (_, table) = text.split_once("FLAGS = {").expect("the flags");
        let (table, _) = table.split_once('}').expect("their end");
        let mut all = 0;
        for line in table.lines().filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':').expect("a flag");
            let name = name.trim().trim_matches('"');
            let source = std::fs::read_to_string(root().join("abi/src/channel.rs"));
            let source = source.expect("the source");
            let (_, its) = source.split_once(&format!("const {name}: Self = Self(")).expect(name);
            let value = number(value.trim().trim_end_matches(','));
            assert_eq!(number(its.split_once(')').expect("a number").0), value, "{name}");
            all |= value;
        }
        let is_known = |bit: &u64| ChannelFlags::from_register(1 << bit).is_ok();
        assert_eq!(all, (0..64).filter(is_known).map(|bit| 1 << bit).sum::<u64>());
    }

    #[test]
    fn sockets_and_kernels_are_found_in_command_lines() {
        let words: Vec<String> = ["qemu", "-gdb", "unix:/t/gdb,server=on,wait=off", "-kernel", "k"]
            .map(ToOwned::to_owned)
            .to_vec();
        assert_eq!(behind(&words, "-gdb").and_then(socket_in), Some(PathBuf::from("/t/gdb")));
        assert_eq!(behind(&words, "-kernel"), Some("k"));
        assert_eq!(behind(&words, "-dtb"), None);
        assert_eq!(socket_in("tcp::1234"), None);
    }

    #[test]
    fn a_debugger_that_fails_leaves_a_note() {
        let dir = tempfile::tempdir().expect("a directory");
        let none = Path::new("/nowhere/at/all");
        let files = save(dir.path(), none, none, none);
        assert_eq!(files, [dir.path().join(FAILED)]);
        let echo = Path::new("echo");
        assert_eq!(save(dir.path(), echo, none, none), [dir.path().join(FAILED)]);
        let note = std::fs::read_to_string(dir.path().join(FAILED)).expect("a note");
        assert!(note.contains("sk-save"), "{note}");
    }
}
