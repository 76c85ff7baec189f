//! A real redis-server, for as long as a step needs one.
//!
//! It listens on a free port of the loopback interface, works in a directory of its own, and writes nothing down. A
//! server that the machine runs anyway is never used and never touched.
//!
//! The server ends with this value. Should this process be killed, the kernel ends the server (`setpriv --pdeathsig`).

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Result;
use crate::tools::{is_on_path, need_debian_program, succeeds};

/// The release whose replies the comparisons are written for.
const VERSION: &str = "7.0.";

/// A running server. Dropping it ends it.
pub struct RedisServer {
    child: Child,
    address: SocketAddr,
    directory: PathBuf,
}

impl RedisServer {
    pub fn start() -> Result<RedisServer> {
        let program = need_program()?;
        let address = free_address().map_err(|error| format!("there is no free port: {error}"))?;
        let directory = std::env::temp_dir().join(format!("brooklet-redis-{}-{}", std::process::id(), address.port()));
        std::fs::create_dir(&directory)
            .map_err(|error| format!("cannot create the directory {}: {error}", directory.display()))?;
        let child = command(&program, address.port(), &directory)
            .spawn()
            .map_err(|error| format!("cannot start {program}: {error}"))?;
        let mut server = RedisServer { child, address, directory };
        server.wait_until_ready()?;
        println!("{program} listens on {address}");
        Ok(server)
    }

    /// Where it listens, in the form that tests and benchmarks read from `BROOKLET_REDIS`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    fn wait_until_ready(&mut self) -> Result {
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            if answers_ping(self.address) {
                return Ok(());
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                let log = std::fs::read_to_string(self.directory.join("log")).unwrap_or_default();
                return Err(format!("redis-server ended with {status} before it answered:\n{log}"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err("redis-server did not answer within 20 s".into())
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // Nothing it holds is worth saving, and it may be stopped already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// The server to run: the one that is named, or the one on the PATH, in the right version.
fn need_program() -> Result<String> {
    let program = match std::env::var("BROOKLET_REDIS_SERVER") {
        Ok(named) => named,
        Err(_) => {
            let installed = need_debian_program("redis-server", "redis-server", "the comparison with a real Redis")?;
            if installed {
                stop_service();
            }
            "redis-server".into()
        }
    };
    let output = Command::new(&program)
        .arg("--version")
        .output()
        .map_err(|error| format!("cannot start {program} (set BROOKLET_REDIS_SERVER to another): {error}"))?;
    let line = String::from_utf8_lossy(&output.stdout).into_owned();
    match version_in(&line) {
        Some(version) if version.starts_with(VERSION) => Ok(program),
        other => Err(format!(
            "{program} is version {}, but the comparison is with Redis {VERSION}x (Debian 12, Ubuntu 24.04); \
             set BROOKLET_REDIS_SERVER to the path of such a server",
            other.unwrap_or("unknown")
        )),
    }
}

/// Debian's package starts a service on the usual port. Whoever asked for a test run did not ask for that.
fn stop_service() {
    if is_on_path("systemctl") && succeeds(Command::new("systemctl").args(["disable", "--now", "redis-server"])) {
        return;
    }
    // Without systemd the package may have started it by its init script, or not at all.
    succeeds(Command::new("service").args(["redis-server", "stop"]));
}

fn command(program: &str, port: u16, directory: &Path) -> Command {
    let mut command = if is_on_path("setpriv") {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", program]);
        command
    } else {
        Command::new(program)
    };
    command
        .args(["--port", &port.to_string()])
        .args(["--bind", "127.0.0.1", "--daemonize", "no", "--save", "", "--appendonly", "no"])
        .args(["--logfile", "log", "--dir"])
        .arg(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command
}

/// The port is free when asked, and taken a moment later by the server: another program could come in between, and
/// then the server fails to start with a clear message.
fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

fn answers_ping(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"PING\r\n")?;
        let mut answer = [0; 7];
        stream.read_exact(&mut answer)?;
        Ok(&answer == b"+PONG\r\n")
    };
    ask().unwrap_or(false)
}

/// Reads `Redis server v=7.0.15 sha=...`.
fn version_in(line: &str) -> Option<&str> {
    line.split_whitespace().find_map(|word| word.strip_prefix("v="))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read() {
        assert_eq!(version_in("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64"), Some("7.0.15"));
        assert_eq!(version_in("something else"), None);
    }

    #[test]
    fn a_port_nobody_listens_on_does_not_answer() {
        assert!(!answers_ping(free_address().unwrap()));
    }
}
