//! CPU time and memory of a process, from `/proc`.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

/// A running process that is killed when dropped.
pub struct Process {
    pub child: Child,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// CPU time used so far by all threads, living and ended.
    pub fn cpu(&self) -> Duration {
        cpu(self.id())
    }

    /// Memory the process itself made resident: its anonymous pages.
    pub fn anonymous(&self) -> usize {
        field(&format!("/proc/{}/smaps_rollup", self.id()), "Anonymous:")
    }

    /// All resident memory, the pages of the binary included.
    pub fn resident(&self) -> usize {
        field(&format!("/proc/{}/status", self.id()), "VmRSS:")
    }
}

/// CPU time of a process: nanoseconds from its living threads' `schedstat`.
pub fn cpu(pid: u32) -> Duration {
    let mut total = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten() {
        let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        total += text.split(' ').next().and_then(|s| s.trim().parse::<u64>().ok()).unwrap_or(0);
    }
    Duration::from_nanos(total)
}

fn field(path: &str, name: &str) -> usize {
    let text = fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<usize>().ok()).unwrap_or(0) * 1024
}

/// This program again in another role, spoken to line by line.
pub struct Role {
    pub process: Process,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Role {
    pub fn start(role: &str, arguments: &[String]) -> Self {
        let program = std::env::current_exe().unwrap();
        let mut child = Command::new(program)
            .arg(format!("--role={role}"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { process: Process { child }, input, output }
    }

    pub fn say(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
        self.input.flush().unwrap();
    }

    pub fn hear(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "the load process ended early");
        line.trim().to_owned()
    }

    pub fn ask(&mut self, line: &str) -> String {
        self.say(line);
        self.hear()
    }
}

/// The role this process was started in, and its arguments.
pub fn role() -> Option<(String, Vec<String>)> {
    let mut arguments = std::env::args().skip(1);
    let role = arguments.next()?.strip_prefix("--role=")?.to_owned();
    Some((role, arguments.collect()))
}
