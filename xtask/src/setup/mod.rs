// SPDX-License-Identifier: Apache-2.0
//! Set-up: finds the emulator, the compiler and the debugger, and installs
//! what is missing.
//!
//! Invariant: when everything is there nothing is changed, nothing is
//! fetched, and one line says so. Nothing is ever installed silently.

pub mod apt;
pub mod compiler;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Result, bail};

use crate::process;
use compiler::{Choice, Compiler, Fetch};

/// The oldest QEMU that is known to work.
const OLDEST_QEMU: (u32, u32) = (7, 2);

/// The emulator's name on the search path.
const QEMU: &str = "qemu-system-riscv64";

/// The firmware that QEMU loads by itself.
const FIRMWARE: &str = "opensbi-riscv64-generic-fw_dynamic.bin";

/// Debuggers that know the machine, best first. A plain `gdb` may or may not.
const DEBUGGERS: &[&str] = &["gdb-multiarch", "riscv64-unknown-elf-gdb", "riscv64-linux-gnu-gdb"];

/// U-Boot for `virt`, to be started by firmware in S-mode.
const U_BOOT: &str = "/usr/lib/u-boot/qemu-riscv64_smode/u-boot.bin";

/// What the user said about set-up.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// An emulator in place of the one on the search path.
    pub qemu: Option<PathBuf>,
    /// Which compiler.
    pub compiler: Choice,
    /// Only say what is missing.
    pub no_install: bool,
}

/// Everything that is needed, found.
#[derive(Clone, Debug)]
pub struct Tools {
    /// The emulator.
    pub qemu: PathBuf,
    /// The emulator as the user named it, if they did.
    pub qemu_asked: Option<PathBuf>,
    /// What it calls itself.
    pub qemu_version: String,
    /// The first two numbers of that.
    pub qemu_release: (u32, u32),
    /// The compiler for the kernel.
    pub compiler: Compiler,
    /// A debugger that knows the machine.
    pub gdb: PathBuf,
    /// What few need, and was not looked for, may not be installed either.
    pub no_install: bool,
}

/// Something that may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    Qemu,
    Firmware,
    Compiler,
    Gdb,
    UBoot,
}

impl Need {
    const fn in_words(self) -> &'static str {
        match self {
            Self::Qemu => "qemu-system-riscv64, version 7.2 or newer",
            Self::Firmware => "OpenSBI firmware for QEMU (opensbi-riscv64-generic-fw_dynamic.bin)",
            Self::Compiler => {
                "a Rust compiler for riscv64gc-unknown-none-elf: `rustup target add \
                 riscv64gc-unknown-none-elf`, or a distribution's rustc, cargo and clippy with \
                 the library sources (rust-src) and lld"
            }
            Self::Gdb => "gdb for RISC-V (gdb-multiarch)",
            Self::UBoot => "U-Boot for QEMU, in S-mode (u-boot-qemu)",
        }
    }

    /// Debian's packages for it. Releases differ in their names, so ask.
    fn packages(self) -> Vec<&'static str> {
        match self {
            Self::Qemu if apt::knows("qemu-system-riscv") => vec!["qemu-system-riscv"],
            Self::Qemu => vec!["qemu-system-misc"],
            Self::Firmware => vec!["opensbi"],
            Self::Compiler if apt::knows("rustc-web") => {
                vec!["rustc-web", "cargo-web", "rust-web-src", "rust-web-clippy", "lld"]
            }
            Self::Compiler => vec!["rustc", "cargo", "rust-src", "rust-clippy", "lld"],
            Self::Gdb => vec!["gdb-multiarch"],
            Self::UBoot => vec!["u-boot-qemu"],
        }
    }
}

/// Finds everything, installing what is missing.
///
/// # Errors
/// When something is missing and cannot, or may not, be installed; the text
/// says exactly what to install.
pub fn ensure(wishes: &Wishes) -> Result<Tools> {
    let start = Instant::now();
    if let Some(tools) = look(wishes, Fetch::Later)?.0 {
        let took = start.elapsed().as_secs_f32();
        println!("set-up: {} · nothing to do ({took:.1} s)", describe(&tools));
        return Ok(tools);
    }
    let fetch = if wishes.no_install { Fetch::Never } else { Fetch::Now };
    let missing = match look(wishes, fetch)? {
        (Some(tools), _) => {
            println!("set-up: {}", describe(&tools));
            return Ok(tools);
        }
        (None, missing) => missing,
    };
    if wishes.no_install || !apt::is_there() {
        bail!("{}", what_to_install(&missing, apt::is_there()));
    }
    install(&missing)?;
    match look(wishes, Fetch::Now)? {
        (Some(tools), _) => {
            println!("set-up: {}", describe(&tools));
            Ok(tools)
        }
        (None, missing) => bail!("after installing, still {}", what_to_install(&missing, true)),
    }
}

/// U-Boot, installed if it is missing. Only some boots need it.
///
/// # Errors
/// As [`ensure`].
pub fn u_boot(tools: &Tools) -> Result<PathBuf> {
    let (path, missing) = (PathBuf::from(U_BOOT), [Need::UBoot]);
    if path.is_file() {
        return Ok(path);
    }
    if tools.no_install || !apt::is_there() {
        bail!("{}", what_to_install(&missing, apt::is_there()));
    }
    install(&missing)?;
    if !path.is_file() {
        bail!("after installing, there still is no {U_BOOT}");
    }
    Ok(path)
}

fn describe(tools: &Tools) -> String {
    let gdb = tools.gdb.file_name().unwrap_or_default().to_string_lossy();
    format!("QEMU {} · {} · {gdb}", tools.qemu_version, tools.compiler.version())
}

/// The tools, or what is missing.
fn look(wishes: &Wishes, fetch: Fetch) -> Result<(Option<Tools>, Vec<Need>)> {
    let qemu = find_qemu(wishes.qemu.as_deref())?;
    let gdb = find_gdb();
    let compiler = compiler::find(wishes.compiler, fetch);
    let firmware =
        wishes.qemu.is_some() || qemu.as_ref().is_none_or(|(path, _)| has_firmware(path));
    let needs = [
        (Need::Qemu, qemu.is_none()),
        (Need::Firmware, !firmware),
        (Need::Compiler, compiler.is_none()),
        (Need::Gdb, gdb.is_none()),
    ];
    let missing: Vec<Need> = needs.iter().filter(|(_, m)| *m).map(|(n, _)| *n).collect();
    let tools = match (qemu, compiler, gdb) {
        (Some((qemu, qemu_version)), Some(compiler), Some(gdb)) if missing.is_empty() => {
            let qemu_asked = wishes.qemu.clone();
            let qemu_release = major_minor(&qemu_version).unwrap_or(OLDEST_QEMU);
            let no_install = wishes.no_install;
            Some(Tools { qemu, qemu_asked, qemu_version, qemu_release, compiler, gdb, no_install })
        }
        _ => None,
    };
    Ok((tools, missing))
}

fn find_qemu(asked: Option<&Path>) -> Result<Option<(PathBuf, String)>> {
    let Some(asked) = asked else {
        let found = process::find_program(QEMU).and_then(|path| {
            let version = qemu_version(&path).ok()?;
            (major_minor(&version)? >= OLDEST_QEMU).then_some((path, version))
        });
        return Ok(found);
    };
    let Some(path) = process::find_program(&asked.to_string_lossy()) else {
        bail!("--qemu {}: there is no such program", asked.display());
    };
    let version = qemu_version(&path)?;
    if major_minor(&version).is_some_and(|v| v < OLDEST_QEMU) {
        bail!("--qemu {}: version {version} is older than 7.2", asked.display());
    }
    Ok(Some((path, version)))
}

/// `7.2.22` of `QEMU emulator version 7.2.22 (Debian …)`.
fn qemu_version(path: &Path) -> Result<String> {
    let text = process::read(Command::new(path).arg("--version"))?;
    let version = text.split_once("version ").and_then(|(_, v)| v.split_whitespace().next());
    match version {
        Some(version) => Ok(version.to_owned()),
        None => bail!("{} does not say its version: {text}", path.display()),
    }
}

fn major_minor(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.').map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

/// Whether this QEMU finds the firmware in one of its directories.
fn has_firmware(qemu: &Path) -> bool {
    process::read(Command::new(qemu).args(["-L", "help"]))
        .is_ok_and(|dirs| dirs.lines().any(|dir| Path::new(dir.trim()).join(FIRMWARE).is_file()))
}

fn find_gdb() -> Option<PathBuf> {
    let known = DEBUGGERS.iter().find_map(|name| process::find_program(name));
    known.or_else(|| {
        let gdb = process::find_program("gdb")?;
        let args = ["-nx", "-batch", "-ex", "set architecture riscv:rv64"];
        process::read(Command::new(&gdb).args(args))
            .is_ok_and(|said| said.contains("riscv:rv64"))
            .then_some(gdb)
    })
}

fn install(missing: &[Need]) -> Result<()> {
    let packages = |needs: &[Need]| needs.iter().flat_map(|n| n.packages()).collect::<Vec<_>>();
    println!("set-up: missing: {}", names(missing));
    if packages(missing).iter().any(|package| !apt::knows(package)) {
        apt::update()?;
    }
    apt::install(&packages(missing))
}

fn names(missing: &[Need]) -> String {
    missing.iter().map(|n| format!("{n:?}").to_lowercase()).collect::<Vec<_>>().join(", ")
}

fn what_to_install(missing: &[Need], apt: bool) -> String {
    let mut text = String::from("missing:\n");
    for need in missing {
        text += &format!("  - {}\n", need.in_words());
    }
    if apt {
        let packages: Vec<&str> = missing.iter().flat_map(|n| n.packages()).collect();
        text += &format!("on this system: {}", apt::install_line(&packages));
    } else {
        text += "install them and run this again";
    }
    text
}
