//! Parts of a test that need a process of their own, for its descriptor table say: this very test binary, run again for
//! one test with an environment variable set. Without the variable that test does nothing.

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

const ROLE: &str = "HOLDFAST_TEST_ROLE";

/// The argument of the role, if this process was started to play it.
pub fn role(name: &str) -> Option<String> {
    let role = std::env::var(ROLE).ok()?;
    role.strip_prefix(name)?.strip_prefix('=').map(Into::into)
}

/// Runs `test` of this binary, which then plays the role `name`.
pub fn command(test: &str, name: &str, argument: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("the path of this test"));
    command
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(ROLE, format!("{name}={argument}"));
    command
}

/// A child that plays a role: it takes lines and answers each with a line that starts with [`ANSWER`].
pub struct Helper {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

/// Starts the lines that are answers: a test binary prints others too.
pub const ANSWER: &str = "answer: ";

impl Helper {
    /// Starts it.
    pub fn start(test: &str, name: &str, argument: &str) -> Self {
        let mut command = command(test, name, argument);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("this test binary starts again");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        Self { child, lines }
    }

    /// Asks for something and waits for the answer.
    #[track_caller]
    pub fn ask(&mut self, line: &str) -> String {
        writeln!(self.child.stdin.as_mut().expect("its input"), "{line}").expect("the child listens");
        loop {
            let line = self.lines.next().expect("the child answers").expect("UTF-8");
            if let Some((_, answer)) = line.split_once(ANSWER) {
                return answer.to_owned();
            }
        }
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// In the child: answers each line of the standard input until it ends.
pub fn answer_lines(mut answer: impl FnMut(&str) -> String) {
    for line in std::io::stdin().lines() {
        let answer = answer(&line.expect("UTF-8"));
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "{ANSWER}{answer}").expect("the parent listens");
        stdout.flush().expect("the parent listens");
    }
}
