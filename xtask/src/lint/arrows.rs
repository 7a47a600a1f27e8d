// SPDX-License-Identifier: Apache-2.0
//! Which room may know which: the arrows of the design as a table, checked
//! against what cargo says. Dev-dependencies are tests' business and free.

use std::path::Path;

use anyhow::{Result, bail};
use cargo_metadata::{DependencyKind, Metadata};

use crate::workspace::root;

/// The rooms of the house.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// The contract.
    Abi,
    /// Policy.
    Core,
    /// Mechanism.
    Sync,
    /// The machine.
    Arch,
    /// The kernel binary.
    Image,
    /// Drivers, host-tested.
    Driver,
    /// The programs' run-time library.
    Runtime,
    /// Programs.
    Program,
    /// The host tool.
    Host,
    /// Tests.
    Tests,
}

/// Which directory is which room. The last that fits counts.
const ROOMS: &[(&str, Room)] = &[
    ("abi", Room::Abi),
    ("kernel/core", Room::Core),
    ("kernel/sync", Room::Sync),
    ("kernel/arch", Room::Arch),
    ("kernel/image", Room::Image),
    ("drivers", Room::Driver),
    ("user/rt", Room::Runtime),
    ("user/programs", Room::Program),
    ("xtask", Room::Host),
    ("tests", Room::Tests),
];

/// What each room may use.
const ARROWS: &[(Room, &[Room])] = &[
    (Room::Abi, &[]),
    (Room::Sync, &[]),
    (Room::Core, &[Room::Abi, Room::Sync]),
    (Room::Arch, &[Room::Abi, Room::Sync, Room::Core]),
    (Room::Image, &[Room::Abi, Room::Sync, Room::Core, Room::Arch, Room::Driver]),
    (Room::Driver, &[Room::Abi]),
    (Room::Runtime, &[Room::Abi]),
    (Room::Program, &[Room::Runtime, Room::Driver, Room::Abi]),
    (Room::Host, &[Room::Abi]),
];

/// The room of a crate in `dir` (from the root).
#[must_use]
pub fn room(dir: &Path) -> Option<Room> {
    ROOMS.iter().rev().find(|(path, _)| dir.starts_with(path)).map(|(_, room)| *room)
}

/// Whether a crate of room `from` may use one of room `to`.
#[must_use]
pub fn allowed(from: Room, to: Room) -> bool {
    from == Room::Tests
        || ARROWS.iter().any(|(room, targets)| *room == from && targets.contains(&to))
}

/// The arrows that the workspace has and the design has not.
///
/// # Errors
/// Names them, and crates that are in no room.
pub fn check(metadata: &Metadata) -> Result<String> {
    let mut wrong = Vec::new();
    let mut arrows = 0;
    let members = metadata.workspace_packages();
    let room_of = |manifest: &Path| {
        let dir = manifest.parent().unwrap_or(manifest);
        room(dir.strip_prefix(root()).unwrap_or(dir))
    };
    for package in &members {
        let Some(from) = room_of(package.manifest_path.as_std_path()) else {
            wrong.push(format!("{}: in no room of the house", package.name));
            continue;
        };
        for dependency in &package.dependencies {
            let Some(target) = members.iter().find(|m| *m.name == dependency.name) else {
                continue;
            };
            if dependency.kind == DependencyKind::Development {
                continue;
            }
            arrows += 1;
            let to = room_of(target.manifest_path.as_std_path());
            if !to.is_some_and(|to| allowed(from, to)) {
                wrong.push(format!(
                    "{} → {}: {from:?} may not use {to:?}",
                    package.name, target.name
                ));
            }
        }
    }
    if !wrong.is_empty() {
        bail!("{}", wrong.join("\n"));
    }
    Ok(format!("{} crates, {arrows} arrows", members.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_by_directory() {
        assert_eq!(room(Path::new("abi")), Some(Room::Abi));
        assert_eq!(room(Path::new("drivers/fdt")), Some(Room::Driver));
        assert_eq!(room(Path::new("tests/model")), Some(Room::Tests));
        assert_eq!(room(Path::new("kernel/somewhere")), None);
        assert_eq!(room(Path::new("abiotic")), None);
    }

    #[test]
    fn the_forbidden_arrows_are_refused() {
        for (from, to) in [
            (Room::Core, Room::Arch),
            (Room::Core, Room::Driver),
            (Room::Abi, Room::Sync),
            (Room::Sync, Room::Abi),
            (Room::Sync, Room::Core),
            (Room::Driver, Room::Core),
            (Room::Driver, Room::Driver),
            (Room::Runtime, Room::Core),
            (Room::Program, Room::Sync),
            (Room::Host, Room::Core),
            (Room::Host, Room::Driver),
            (Room::Image, Room::Host),
            (Room::Arch, Room::Image),
            (Room::Image, Room::Program),
            (Room::Core, Room::Tests),
        ] {
            assert!(!allowed(from, to), "{from:?} → {to:?}");
        }
    }

    #[test]
    fn the_arrows_of_the_design_are_there() {
        for (from, to) in [
            (Room::Core, Room::Abi),
            (Room::Core, Room::Sync),
            (Room::Arch, Room::Core),
            (Room::Image, Room::Driver),
            (Room::Program, Room::Runtime),
            (Room::Host, Room::Abi),
            (Room::Tests, Room::Core),
        ] {
            assert!(allowed(from, to), "{from:?} → {to:?}");
        }
    }
}
