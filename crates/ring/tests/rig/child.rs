//! Parts of a test that need a process of their own: this very test binary, run again for one test with an environment
//! variable set. Without the variable that test does nothing.

use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Instant;

const ROLE: &str = "HOLDFAST_TEST_ROLE";

/// The argument of the role, if this process was started to play it.
pub fn role(name: &str) -> Option<String> {
    let role = std::env::var(ROLE).ok()?;
    role.strip_prefix(name)?.strip_prefix('=').map(Into::into)
}

/// A command that runs `test` of this binary, which then plays the role `name`.
pub fn command(test: &str, name: &str, argument: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("the path of this test"));
    command
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(ROLE, format!("{name}={argument}"));
    command.stdin(Stdio::piped());
    command
}

/// A child that ends when its standard input is closed, at the latest when it is dropped.
pub struct Helper(Child);

impl Helper {
    pub fn start(mut command: Command) -> Self {
        Self(command.spawn().expect("this test binary starts again"))
    }

    /// Waits for its end.
    pub fn wait(mut self) -> ExitStatus {
        drop(self.0.stdin.take());
        let deadline = Instant::now() + super::PATIENCE;
        loop {
            if let Some(status) = self.0.try_wait().expect("the child's status") {
                return status;
            }
            assert!(Instant::now() < deadline, "the child ends");
            std::thread::yield_now();
        }
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// In the child: waits until the parent closes its end of the standard input.
pub fn wait_for_the_parent() {
    let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
}
