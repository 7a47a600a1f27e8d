// SPDX-License-Identifier: Apache-2.0
//! No default build contains a named bug: nothing but `--features bug-NAME`
//! can turn one on, no build script and no compiler's flag either, the default
//! kernel carries no mark of one, and features, table and docs/races.md know
//! the same ones.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use cargo_metadata::Metadata;

use super::arrows::{Room, room};
use super::sources::{Source, with_extensions};
use crate::build::{self, PACKAGE, Profile};
use crate::mutants::table::{self, BUG, DELAY, DELAY_MARK, MARK};
use crate::setup::compiler::Compiler;
use crate::workspace::root;

/// Where the stories of the bugs are told.
const STORIES: &str = "docs/races.md";

/// In a kernel that refuses memory on purpose.
const SHORTAGE_MARK: &str = "skimmer-shortage:";

/// The build script that the kernel has: it names the linker's script.
const BUILD_SCRIPT: &str = "kernel/image/build.rs";

/// What a build script of the kernel's may not say: it sets what `--features`
/// alone may set.
const SET_BY_SCRIPT: &[&str] = &["rustc-cfg", "rustc-flags", "rustc-env=RUSTFLAGS"];

/// Where cargo looks for flags, in a directory.
const CONFIGS: &[&str] = &[".cargo/config.toml", ".cargo/config"];

/// A package of the workspace, as far as its features go.
#[derive(Clone, Debug, Default)]
struct Package {
    /// Its features, and what each turns on.
    features: BTreeMap<String, Vec<String>>,
    /// The features that its dependency lines turn on: of which package, which.
    asked: Vec<(String, String)>,
    /// Its build script from the root, if it is the kernel's and has one.
    script: Option<PathBuf>,
}

/// The packages of the workspace, by name.
type Packages = BTreeMap<String, Package>;

/// The default build is free of bugs, and everybody knows the same bugs.
///
/// # Errors
/// Names every way a bug could get in, and whoever does not know one.
pub fn check(metadata: &Metadata, compiler: &Compiler) -> Result<String> {
    let packages = packages(metadata);
    let known: BTreeSet<String> = table::features().into_iter().collect();
    let stories = std::fs::read_to_string(root().join(STORIES))
        .with_context(|| format!("cannot read {STORIES}"))?;
    let fakes: Vec<(&str, String)> =
        table::ON_FAKES.iter().map(|bug| (bug.package, bug.feature())).collect();
    let mut wrong = side_doors(&packages);
    wrong.extend(strangers(&packages, &known, &fakes));
    wrong.extend(scripts(&packages));
    wrong.extend(flags(&flag_files(metadata)?));
    let all: BTreeSet<String> =
        known.into_iter().chain(fakes.into_iter().map(|(_, feature)| feature)).collect();
    wrong.extend(untold(&all, &stories));
    let kernel = build::kernel(compiler, &Profile::default())?;
    let elf = std::fs::read(&kernel.elf)?;
    for mark in
        [MARK, DELAY_MARK, SHORTAGE_MARK].into_iter().filter(|mark| table::has_mark(&elf, mark, ""))
    {
        wrong.push(format!("the default kernel contains `{mark}`: {}", kernel.elf.display()));
    }
    if !wrong.is_empty() {
        bail!("{}", wrong.join("\n"));
    }
    Ok(format!("{} features that build one in, none of it in the default kernel", all.len()))
}

fn packages(metadata: &Metadata) -> Packages {
    let of = |package: &&cargo_metadata::Package| {
        let asked = package.dependencies.iter().flat_map(|dependency| {
            dependency.features.iter().map(|feature| (dependency.name.clone(), feature.clone()))
        });
        let features = package.features.clone().into_iter().collect();
        let script = script_of(package);
        (package.name.to_string(), Package { features, asked: asked.collect(), script })
    };
    metadata.workspace_packages().iter().map(of).collect()
}

/// The build script of a package of the kernel.
fn script_of(package: &cargo_metadata::Package) -> Option<PathBuf> {
    let directory = package.manifest_path.parent()?.as_std_path();
    match room(from_root(directory))? {
        Room::Abi | Room::Core | Room::Sync | Room::Arch | Room::Image | Room::Driver => {}
        Room::Runtime | Room::Program | Room::Host | Room::Tests => return None,
    }
    let target = package.targets.iter().find(|target| target.is_custom_build())?;
    Some(from_root(target.src_path.as_std_path()).to_path_buf())
}

fn from_root(path: &Path) -> &Path {
    path.strip_prefix(root()).unwrap_or(path)
}

/// Build scripts of the kernel's packages beside the one that is known: one
/// could set any feature without cargo's knowledge.
fn scripts(packages: &Packages) -> Vec<String> {
    let stranger = |(name, package): (&String, &Package)| {
        let script = package.script.as_ref().filter(|script| **script != *BUILD_SCRIPT)?;
        Some(format!("{name} has a build script: {}", script.display()))
    };
    packages.iter().filter_map(stranger).collect()
}

/// The files that can give flags to the compiler: manifests, build scripts and
/// cargo's own settings, of the checkout and of the directories above.
fn flag_files(metadata: &Metadata) -> Result<Vec<Source>> {
    let mut files = with_extensions(&["rs", "toml"])?;
    files.retain(|file| {
        let name = file.path.file_name().unwrap_or_default();
        name == "build.rs" || name == "Cargo.toml"
    });
    let manifests = metadata.workspace_packages().into_iter().map(|p| p.manifest_path.clone());
    let directories: BTreeSet<PathBuf> = manifests
        .flat_map(|manifest| {
            let above = manifest.as_std_path().ancestors().skip(1);
            above.map(Path::to_path_buf).collect::<Vec<_>>()
        })
        .collect();
    for path in directories.iter().flat_map(|dir| CONFIGS.iter().map(|name| dir.join(name))) {
        if let Ok(text) = std::fs::read_to_string(&path) {
            files.push(Source { path: from_root(&path).to_path_buf(), text });
        }
    }
    Ok(files)
}

/// Flags that turn a bug on behind cargo's back.
fn flags(files: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    for Source { path, text } in files {
        // As the compiler reads it, however it was quoted.
        let plain: String = text
            .chars()
            .filter(|c| !matches!(c, '\\' | '"' | '\'') && !c.is_whitespace())
            .collect();
        for bug in [BUG, DELAY].iter().filter(|bug| plain.contains(&format!("feature={bug}"))) {
            wrong.push(format!("{} sets a feature `{bug}…` by a flag", path.display()));
        }
        let is_kernels = *path == *BUILD_SCRIPT;
        for word in SET_BY_SCRIPT.iter().filter(|word| is_kernels && plain.contains(**word)) {
            wrong.push(format!("{} says `{word}`", path.display()));
        }
    }
    wrong
}

/// The bug of a feature that builds in one, or its delay.
fn bug_of(feature: &str) -> Option<&str> {
    feature.strip_prefix(BUG).or_else(|| feature.strip_prefix(DELAY))
}

/// Every way in which something else than its own feature turns a bug on.
fn side_doors(packages: &Packages) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, package) in packages {
        for (other, feature) in &package.asked {
            if bug_of(feature).is_some() {
                wrong.push(format!("{name} depends on {other} with `{feature}`"));
            }
        }
        for feature in package.features.keys() {
            for reached in reached(packages, name, feature) {
                if bug_of(&reached).is_some() && !may_reach(feature, &reached) {
                    wrong.push(format!("{name}: the feature `{feature}` turns on `{reached}`"));
                }
            }
        }
    }
    wrong
}

/// A bug may turn on itself elsewhere, and its delay; a delay only itself.
fn may_reach(feature: &str, reached: &str) -> bool {
    let is_own_delay =
        || feature.strip_prefix(BUG).is_some_and(|bug| reached.strip_prefix(DELAY) == Some(bug));
    feature == reached || is_own_delay()
}

/// Every feature that a feature of a package turns on, there and elsewhere,
/// itself among them.
fn reached(packages: &Packages, package: &str, feature: &str) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut todo = vec![(package.to_owned(), feature.to_owned())];
    while let Some((package, feature)) = todo.pop() {
        if !seen.insert((package.clone(), feature.clone())) {
            continue;
        }
        let turns_on = packages.get(&package).and_then(|p| p.features.get(&feature));
        for item in turns_on.into_iter().flatten() {
            todo.push(match item.split_once('/') {
                Some((other, feature)) => {
                    (other.trim_end_matches('?').to_owned(), feature.to_owned())
                }
                None => (package.clone(), item.clone()),
            });
        }
    }
    seen.into_iter().map(|(_, feature)| feature).collect()
}

/// Bugs that only the features know, or only the tables: of what is `known` by
/// its boots, and of what only `fakes` show, by package.
fn strangers(
    packages: &Packages,
    known: &BTreeSet<String>,
    fakes: &[(&str, String)],
) -> Vec<String> {
    let bugs = |package: &Package| {
        let features = package.features.keys().filter(|feature| bug_of(feature).is_some());
        features.cloned().collect::<BTreeSet<String>>()
    };
    let of_kernel = packages.get(PACKAGE).map(bugs).unwrap_or_default();
    let missing = known.difference(&of_kernel);
    let mut wrong: Vec<String> =
        missing.map(|feature| format!("{PACKAGE} has no feature `{feature}`")).collect();
    for (name, feature) in fakes {
        if !packages.get(*name).is_some_and(|package| package.features.contains_key(feature)) {
            wrong.push(format!("{name} has no feature `{feature}`"));
        }
    }
    for (name, package) in packages {
        let bugs = bugs(package);
        let on_fake = |feature: &&String| fakes.contains(&(name.as_str(), feature.to_string()));
        for feature in bugs.difference(known).filter(|feature| !on_fake(feature)) {
            wrong.push(format!("{name}: `{feature}` is not in xtask/src/mutants/table.rs"));
        }
    }
    for feature in of_kernel.iter().filter_map(|feature| feature.strip_prefix(BUG)) {
        let (bug, delay) = (format!("{BUG}{feature}"), format!("{DELAY}{feature}"));
        if of_kernel.contains(&delay) && !reached(packages, PACKAGE, &bug).contains(&delay) {
            wrong.push(format!("{PACKAGE}: `{bug}` does not turn on `{delay}`"));
        }
    }
    wrong
}

/// Bugs whose story is not told.
fn untold(known: &BTreeSet<String>, stories: &str) -> Vec<String> {
    let is_untold = |feature: &&String| !stories.contains(&format!("`{feature}`"));
    let untold = known.iter().filter(is_untold);
    untold.map(|feature| format!("{STORIES} does not mention `{feature}`")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A kernel with one bug, which has a delay, in its arch.
    fn good() -> Packages {
        let package = |features: &[(&str, &[&str])]| {
            let owned = |words: &[&str]| words.iter().map(ToString::to_string).collect();
            let features = features.iter().map(|(name, on)| ((*name).to_owned(), owned(on)));
            Package { features: features.collect(), asked: vec![], script: None }
        };
        let image = package(&[
            ("bug-a", &["arch/bug-a", "delay-a"]),
            ("delay-a", &["arch/delay-a"]),
            ("default", &["trace"]),
            ("trace", &["arch/trace", "dep:other"]),
        ]);
        let arch = package(&[("bug-a", &[]), ("delay-a", &[]), ("trace", &[])]);
        [(PACKAGE.to_owned(), image), ("arch".to_owned(), arch)].into()
    }

    fn known(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(ToString::to_string).collect()
    }

    /// What is wrong when this feature turns on that.
    fn doctored(package: &str, feature: &str, on: &str) -> String {
        let mut packages = good();
        let package = packages.get_mut(package).expect("it is there");
        package.features.entry(feature.to_owned()).or_default().push(on.to_owned());
        side_doors(&packages).join("\n")
    }

    #[test]
    fn a_bug_and_its_delay_are_no_side_doors() {
        assert_eq!(side_doors(&good()), Vec::<String>::new());
        assert_eq!(strangers(&good(), &known(&["bug-a", "delay-a"]), &[]), Vec::<String>::new());
    }

    #[test]
    fn nothing_else_may_reach_a_bug() {
        assert!(doctored(PACKAGE, "default", "bug-a").contains("`default` turns on `bug-a`"));
        assert!(doctored(PACKAGE, "default", "delay-a").contains("turns on `delay-a`"));
        // From one feature to the next, and from one package to the other.
        assert!(doctored(PACKAGE, "trace", "arch/bug-a").contains("`default` turns on `bug-a`"));
        assert!(doctored("arch", "trace", "bug-a").contains("`default` turns on `bug-a`"));
        assert!(doctored(PACKAGE, "trace", "arch?/bug-a").contains("`default` turns on `bug-a`"));
        assert!(doctored(PACKAGE, "trace", "elsewhere/bug-b").contains("turns on `bug-b`"));
    }

    #[test]
    fn a_bug_must_not_bring_another_and_a_delay_no_bug() {
        assert!(doctored(PACKAGE, "bug-a", "bug-b").contains("`bug-a` turns on `bug-b`"));
        assert!(doctored(PACKAGE, "bug-a", "arch/delay-b").contains("turns on `delay-b`"));
        assert!(doctored(PACKAGE, "delay-a", "arch/bug-a").contains("`delay-a` turns on `bug-a`"));
    }

    #[test]
    fn a_dependency_line_must_not_ask_for_a_bug() {
        let mut packages = good();
        let image = packages.get_mut(PACKAGE).expect("it is there");
        image.asked = vec![("arch".to_owned(), "trace".to_owned())];
        assert!(side_doors(&packages).is_empty());
        let image = packages.get_mut(PACKAGE).expect("it is there");
        image.asked.push(("arch".to_owned(), "bug-a".to_owned()));
        assert_eq!(side_doors(&packages), [format!("{PACKAGE} depends on arch with `bug-a`")]);
    }

    #[test]
    fn the_kernel_has_one_build_script() {
        let mut packages = good();
        let mut set = |name: &str, script: &str| {
            let package = packages.get_mut(name).expect("it is there");
            package.script = Some(PathBuf::from(script));
            scripts(&packages)
        };
        assert_eq!(set(PACKAGE, BUILD_SCRIPT), Vec::<String>::new());
        assert_eq!(
            set("arch", "kernel/arch/build.rs"),
            ["arch has a build script: kernel/arch/build.rs"]
        );
        assert_eq!(set("arch", BUILD_SCRIPT), Vec::<String>::new());
        assert_eq!(
            set(PACKAGE, "kernel/image/other.rs"),
            [format!("{PACKAGE} has a build script: kernel/image/other.rs")]
        );
    }

    #[test]
    fn no_flag_turns_a_bug_on() {
        let said = |path: &str, text: &str| {
            flags(&[Source { path: PathBuf::from(path), text: text.to_owned() }]).join("\n")
        };
        let config = r#"rustflags = ["-C", "force-frame-pointers=yes"]"#;
        assert_eq!(said(".cargo/config.toml", config), "");
        for config in [
            r#"rustflags = ["--cfg", "feature=\"bug-a\""]"#,
            r#"rustflags = "--cfg feature = 'bug-a'""#,
        ] {
            assert!(said(".cargo/config.toml", config).contains("`bug-…` by a flag"), "{config}");
        }
        let script = r#"println!("cargo:rustc-cfg=feature=\"delay-a\"");"#;
        assert!(said("drivers/fdt/build.rs", script).contains("`delay-…` by a flag"));
        assert_eq!(said(BUILD_SCRIPT, r#"println!("cargo:rustc-link-arg-bins=-T");"#), "");
        let pieced = r#"println!("cargo:rustc-cfg={}", name);"#;
        assert!(said(BUILD_SCRIPT, pieced).contains("says `rustc-cfg`"));
        assert_eq!(said("Cargo.toml", r#"bug-a = ["skimmer-core/bug-a"]"#), "");
    }

    #[test]
    fn the_checkouts_own_files_are_read() {
        let metadata = cargo_metadata::MetadataCommand::new()
            .current_dir(root())
            .no_deps()
            .exec()
            .expect("a workspace");
        assert_eq!(packages(&metadata)[PACKAGE].script.as_deref(), Some(Path::new(BUILD_SCRIPT)));
        let files = flag_files(&metadata).expect("readable");
        for path in [BUILD_SCRIPT, ".cargo/config.toml", "Cargo.toml"] {
            assert!(files.iter().any(|file| file.path == Path::new(path)), "{path}");
        }
        assert_eq!(flags(&files), Vec::<String>::new());
        assert_eq!(scripts(&packages(&metadata)), Vec::<String>::new());
    }

    #[test]
    fn features_and_table_know_the_same() {
        let said = |names: &[&str]| strangers(&good(), &known(names), &[]).join("\n");
        assert!(said(&["bug-a"]).contains("`delay-a` is not in"));
        assert!(said(&["bug-a", "delay-a", "bug-b"]).contains("no feature `bug-b`"));
        let mut packages = good();
        let image = packages.get_mut(PACKAGE).expect("it is there");
        image.features.insert("bug-a".to_owned(), vec!["arch/bug-a".to_owned()]);
        let wrong = strangers(&packages, &known(&["bug-a", "delay-a"]), &[]);
        assert_eq!(wrong, [format!("{PACKAGE}: `bug-a` does not turn on `delay-a`")]);
    }

    #[test]
    fn a_bug_of_a_fake_is_its_packages_only() {
        let mut packages = good();
        let arch = packages.get_mut("arch").expect("it is there");
        arch.features.insert("bug-device".to_owned(), vec![]);
        let said = |fakes: &[(&'static str, &str)]| {
            let fakes: Vec<_> = fakes.iter().map(|(name, bug)| (*name, bug.to_string())).collect();
            strangers(&packages, &known(&["bug-a", "delay-a"]), &fakes).join("\n")
        };
        assert_eq!(said(&[("arch", "bug-device")]), "");
        assert!(said(&[]).contains("arch: `bug-device` is not in"));
        let elsewhere = said(&[(PACKAGE, "bug-device")]);
        assert!(elsewhere.contains(&format!("{PACKAGE} has no feature `bug-device`")));
        assert!(elsewhere.contains("arch: `bug-device` is not in"));
        assert!(said(&[("nobody", "bug-device")]).contains("nobody has no feature"));
    }

    #[test]
    fn every_bug_has_its_story() {
        let known = known(&["bug-a", "bug-ab"]);
        assert_eq!(untold(&known, "a `bug-a` and a `bug-ab`"), Vec::<String>::new());
        assert_eq!(untold(&known, "`bug-ab`"), ["docs/races.md does not mention `bug-a`"]);
    }
}
