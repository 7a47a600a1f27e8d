// SPDX-License-Identifier: Apache-2.0
//! The little of QEMU's machine protocol that the harness needs: JSON lines
//! over a Unix socket, one command at a time, events skipped.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// How long QEMU may take to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// A connection that has been greeted.
#[derive(Debug)]
pub struct Qmp {
    reader: BufReader<UnixStream>,
    writer: UnixStream,
}

impl Qmp {
    /// Connects to the socket at `path` and leaves the greeting behind.
    ///
    /// # Errors
    /// When nobody listens there (yet), or it is not QEMU.
    pub fn connect(path: &Path) -> Result<Self> {
        let writer = UnixStream::connect(path).context("no monitor")?;
        writer.set_read_timeout(Some(ANSWER_LIMIT))?;
        writer.set_write_timeout(Some(ANSWER_LIMIT))?;
        let reader = BufReader::new(writer.try_clone()?);
        let mut qmp = Self { reader, writer };
        if qmp.receive()?.get("QMP").is_none() {
            bail!("the monitor's greeting is not QEMU's");
        }
        qmp.execute("qmp_capabilities", None)?;
        Ok(qmp)
    }

    /// Executes `command` and gives its answer.
    ///
    /// # Errors
    /// When QEMU refuses it or does not answer.
    pub fn execute(&mut self, command: &str, arguments: Option<Value>) -> Result<Value> {
        let mut message = json!({ "execute": command });
        if let Some(arguments) = arguments {
            message["arguments"] = arguments;
        }
        let line = format!("{message}\n");
        self.writer.write_all(line.as_bytes()).context("the monitor is gone")?;
        loop {
            let mut answer = self.receive()?;
            if let Some(value) = answer.get_mut("return") {
                return Ok(value.take());
            }
            if let Some(error) = answer.get("error") {
                bail!("QEMU refused `{command}`: {error}");
            }
        }
    }

    /// Executes a command of the human monitor and gives the text it prints.
    ///
    /// # Errors
    /// As [`Qmp::execute`].
    pub fn monitor(&mut self, line: &str) -> Result<String> {
        let arguments = json!({ "command-line": line });
        let answer = self.execute("human-monitor-command", Some(arguments))?;
        Ok(answer.as_str().unwrap_or_default().to_owned())
    }

    fn receive(&mut self) -> Result<Value> {
        let mut line = String::new();
        let bytes = self.reader.read_line(&mut line).context("the monitor does not answer")?;
        if bytes == 0 {
            bail!("the monitor closed its connection");
        }
        serde_json::from_str(&line).context("the monitor's answer is no JSON")
    }
}
