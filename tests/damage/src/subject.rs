// SPDX-License-Identifier: Apache-2.0
//! The file under examination, which outlives a panic.

use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::{env, fs, process, thread};

/// The file that is being broken and examined. If that panics, the file is
/// left in the directory for temporary files, and its place is said: a finding
/// is no finding if nobody can look at it.
#[derive(Debug, Default)]
pub struct Subject(Vec<u8>);

impl Subject {
    /// Begins anew, with these bytes.
    pub fn become_copy_of(&mut self, bytes: &[u8]) {
        self.0.clear();
        self.0.extend(bytes);
    }
}

impl Deref for Subject {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for Subject {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        if !thread::panicking() {
            return;
        }
        let path = grave();
        match fs::write(&path, &self.0) {
            Ok(()) => eprintln!("the file that did it is {}", path.display()),
            Err(why) => eprintln!("the file that did it cannot be written: {why}"),
        }
    }
}

/// Where this thread leaves its file.
fn grave() -> PathBuf {
    let name = format!("damage-{}-{:?}.bin", process::id(), thread::current().id());
    env::temp_dir().join(name.replace(['(', ')'], ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn examine(bytes: &'static [u8], judge: fn(&[u8])) -> PathBuf {
        let (tell, told) = mpsc::channel();
        let examiner = thread::spawn(move || {
            tell.send(grave()).expect("somebody listens");
            let mut subject = Subject::default();
            subject.become_copy_of(b"the one before");
            subject.become_copy_of(bytes);
            judge(&subject);
        });
        let _ = examiner.join();
        told.recv().expect("it was told")
    }

    #[test]
    fn what_broke_the_reader_can_be_looked_at() {
        let path = examine(b"culprit", |bytes| assert_ne!(bytes, b"culprit", "on purpose"));
        assert_eq!(fs::read(&path).expect("it was left"), b"culprit");
        fs::remove_file(path).expect("it was there");
    }

    #[test]
    fn what_did_not_is_forgotten() {
        assert!(!examine(b"innocent", |_| {}).exists());
    }
}
