// SPDX-License-Identifier: Apache-2.0
//! Starts QEMU and holds on to it.
//!
//! State: the child, its console pipe, its sockets' directory. Invariant: the
//! emulator never outlives its [`Qemu`]. The console comes over a pipe, the
//! monitor and the debugger's stub over Unix sockets in a short-named
//! temporary directory (a socket's path may not exceed 107 bytes).

pub mod cpu;
pub mod qmp;

use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::JoinHandle;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::disk::Drive;
use crate::process::{self, Group};
use crate::ram::Ram;
use crate::spec::Machine;
use qmp::Qmp;

/// A running emulator.
#[derive(Debug)]
pub struct Qemu {
    group: Group,
    errors: Option<JoinHandle<String>>,
    sockets: TempDir,
    command: String,
}

/// What the guest's memory is called.
const RAM_ID: &str = "ram";

/// The arguments that start `machine` with the kernel at `elf` in the memory
/// of that file, if it is in one, and with those drives.
#[must_use]
pub fn arguments(
    machine: &Machine,
    elf: &Path,
    bootargs: &str,
    sockets: &Path,
    ram: Option<&Path>,
    drives: &[Drive],
) -> Vec<OsString> {
    let mut args: Vec<OsString> = Vec::new();
    let mut put = |words: &[&std::ffi::OsStr]| args.extend(words.iter().map(Into::into));
    let socket = |name: &str| format!("unix:{},server=on,wait=off", sockets.join(name).display());
    match ram {
        None => put(&["-machine".as_ref(), machine.machine.as_ref()]),
        Some(path) => {
            let named = format!("{},memory-backend={RAM_ID}", machine.machine);
            put(&["-machine".as_ref(), named.as_ref()]);
            // In QEMU's options a comma of a value is doubled.
            let path = path.display().to_string().replace(',', ",,");
            let size = machine.memory;
            let object =
                format!("memory-backend-file,id={RAM_ID},size={size},mem-path={path},share=on");
            put(&["-object".as_ref(), object.as_ref()]);
        }
    }
    for word in machine.schedule.arguments(machine.version, !machine.disks.is_empty()) {
        put(&[word.as_ref()]);
    }
    if let Some(cpu) = machine.cpu.as_deref() {
        put(&["-cpu".as_ref(), cpu.as_ref()]);
    }
    put(&["-smp".as_ref(), machine.harts.to_string().as_ref()]);
    put(&["-m".as_ref(), machine.memory.to_string().as_ref()]);
    put(&["-display", "none", "-monitor", "none", "-serial", "stdio", "-no-reboot"]
        .map(AsRef::as_ref));
    // A clock of the guest's time: on the host's, no boot could be made again.
    put(&["-rtc", "base=2026-01-01,clock=vm"].map(AsRef::as_ref));
    put(&["-qmp".as_ref(), socket("qmp").as_ref()]);
    put(&["-gdb".as_ref(), socket("gdb").as_ref()]);
    if let Some(dtb) = &machine.dtb {
        put(&["-dtb".as_ref(), dtb.as_ref()]);
    }
    if let Some(initrd) = &machine.initrd {
        put(&["-initrd".as_ref(), initrd.as_ref()]);
    }
    for word in drives.iter().flat_map(Drive::arguments) {
        put(&[word.as_ref()]);
    }
    put(&["-kernel".as_ref(), elf.as_ref(), "-append".as_ref(), bootargs.as_ref()]);
    for extra in &machine.extra {
        put(&[extra.as_ref()]);
    }
    args
}

impl Qemu {
    /// Starts `machine` with the kernel at `elf`, in the memory of that file
    /// if there is one; stopped before its first instruction if `wait` (for a
    /// debugger).
    ///
    /// # Errors
    /// When it cannot be started at all. A QEMU that starts and then gives up
    /// is told by [`Qemu::try_wait`] and [`Qemu::errors`].
    pub fn start(
        machine: &Machine,
        elf: &Path,
        bootargs: &str,
        ram: Option<&Ram>,
        drives: &[Drive],
        wait: bool,
    ) -> Result<Self> {
        let sockets = tempfile::Builder::new()
            .prefix("skimmer-")
            .tempdir()
            .context("cannot make a directory for QEMU's sockets")?;
        let mut command = Command::new(&machine.qemu);
        let ram = ram.map(Ram::path);
        command.args(arguments(machine, elf, bootargs, sockets.path(), ram, drives));
        if wait {
            command.arg("-S");
        }
        let line = process::line(&command);
        let mut group = Group::start(&command)?;
        let errors = group.child().stderr.take().map(|mut pipe| {
            std::thread::spawn(move || {
                let mut bytes = Vec::new();
                // What came before the pipe broke is what there is to tell.
                let _ = pipe.read_to_end(&mut bytes);
                String::from_utf8_lossy(&bytes).trim().to_owned()
            })
        });
        Ok(Self { group, errors, sockets, command: line })
    }

    /// The command line that started it.
    #[must_use]
    pub fn command(&self) -> &str {
        &self.command
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.group.id()
    }

    /// The socket of the debugger's stub.
    #[must_use]
    pub fn gdb_socket(&self) -> PathBuf {
        self.sockets.path().join("gdb")
    }

    /// The console: everything the guest prints.
    pub fn take_console(&mut self) -> Option<impl Read + Send + use<>> {
        self.group.child().stdout.take()
    }

    /// Connects to the monitor; `None` while QEMU has not opened it.
    #[must_use]
    pub fn connect(&self) -> Option<Qmp> {
        Qmp::connect(&self.sockets.path().join("qmp")).ok()
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// When the system cannot say.
    pub fn try_wait(&mut self) -> Result<Option<std::process::ExitStatus>> {
        self.group.try_wait()
    }

    /// Ends it.
    pub fn kill(&mut self) {
        self.group.kill();
    }

    /// What it said on its standard error, once it has ended.
    pub fn errors(&mut self) -> String {
        self.errors.take().and_then(|t| t.join().ok()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::Schedule;

    #[test]
    fn arguments_carry_everything() {
        let machine = Machine {
            qemu: "qemu".into(),
            version: (7, 2),
            machine: "virt".to_owned(),
            cpu: Some("rv64".to_owned()),
            harts: 3,
            memory: "128M".parse().expect("a size"),
            schedule: Schedule::Rr(1),
            dtb: Some("tree.dtb".into()),
            initrd: Some("package.cpio".into()),
            disks: Vec::new(),
            extra: vec!["-d".to_owned(), "int".to_owned()],
        };
        let given = |ram: Option<&Path>| -> Vec<String> {
            let args =
                arguments(&machine, Path::new("kernel"), "a=1 b=2", Path::new("/s"), ram, &[]);
            args.iter().map(|a| a.to_string_lossy().into_owned()).collect()
        };
        let args = given(None);
        for pair in [
            ["-machine", "virt"],
            ["-cpu", "rv64"],
            ["-smp", "3"],
            ["-m", "128M"],
            ["-dtb", "tree.dtb"],
            ["-initrd", "package.cpio"],
            ["-kernel", "kernel"],
            ["-append", "a=1 b=2"],
            ["-icount", "shift=1,sleep=off"],
            ["-d", "int"],
            ["-rtc", "base=2026-01-01,clock=vm"],
            ["-gdb", "unix:/s/gdb,server=on,wait=off"],
        ] {
            assert!(args.windows(2).any(|w| w == pair), "{pair:?} in {args:?}");
        }
        let args = given(Some(Path::new("/a,b/ram")));
        let object = "memory-backend-file,id=ram,size=128M,mem-path=/a,,b/ram,share=on";
        for pair in [["-machine", "virt,memory-backend=ram"], ["-object", object]] {
            assert!(args.windows(2).any(|w| w == pair), "{pair:?} in {args:?}");
        }
    }
}
