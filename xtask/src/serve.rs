//! A server for the files of a directory, as a page needs one: modules and WebAssembly are not loaded from files.
//!
//! It answers GET with what is there, one request a connection, with the strict content security policy under which pages
//! have to work.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};

use crate::Result;

/// No inline code, nothing from elsewhere; modules in WebAssembly may be compiled.
const POLICY: &str = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'";

/// Serves a directory on a free port of this machine until the process ends, and returns the address.
pub fn serve(directory: PathBuf) -> Result<SocketAddr> {
    let cannot = |error: std::io::Error| format!("cannot serve {}: {error}", directory.display());
    let listener = TcpListener::bind("127.0.0.1:0").map_err(cannot)?;
    let address = listener.local_addr().map_err(cannot)?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let directory = directory.clone();
            // A browser that goes away in the middle is its own affair.
            std::thread::spawn(move || answer(&directory, stream));
        }
    });
    Ok(address)
}

fn answer(directory: &Path, mut stream: TcpStream) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    // Whoever is answered before everything was read may see the connection break.
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let file = path(&request).and_then(|path| std::fs::read(directory.join(path)).ok().map(|content| (path, content)));
    let (status, kind, content) = match &file {
        Some((path, content)) => ("200 OK", kind(path), content.as_slice()),
        None => ("404 Not Found", "text/plain", &b"not there"[..]),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nContent-Security-Policy: {POLICY}\r\n\
         Connection: close\r\n\r\n",
        content.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(content)
}

/// The file that a request such as `GET /a/b.js HTTP/1.1` asks for; none outside of the directory.
fn path(request: &str) -> Option<&str> {
    let (path, _) = request.strip_prefix("GET /")?.split_once(' ')?;
    let path = path.split('?').next().unwrap_or(path);
    let is_inside = path.split('/').all(|part| part != ".." && !part.contains('\\'));
    is_inside.then_some(if path.is_empty() { "index.html" } else { path })
}

fn kind(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript",
        Some("css") => "text/css",
        Some("wasm") => "application/wasm",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn files_are_served_and_nothing_else() {
        let address = serve(crate::tools::root().join("xtask")).unwrap();
        let get = |request: &str| {
            let mut stream = TcpStream::connect(address).unwrap();
            write!(stream, "{request}\r\nHost: x\r\n\r\n").unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        };
        let answer = get("GET /Cargo.toml HTTP/1.1");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains(POLICY), "{answer}");
        assert!(answer.ends_with(&std::fs::read_to_string(crate::tools::root().join("xtask/Cargo.toml")).unwrap()));
        for request in ["GET /none HTTP/1.1", "GET /../Cargo.toml HTTP/1.1", "POST /Cargo.toml HTTP/1.1", "odd"] {
            assert!(get(request).starts_with("HTTP/1.1 404 "), "{request}");
        }
    }

    #[test]
    fn paths_lead_to_files() {
        assert_eq!(path("GET / HTTP/1.1"), Some("index.html"));
        assert_eq!(path("GET /pkg/a.js?x=1 HTTP/1.1"), Some("pkg/a.js"));
        assert_eq!(path("GET /pkg/../../a HTTP/1.1"), None);
        assert_eq!(path("HEAD / HTTP/1.1"), None);
        assert_eq!(
            (kind("a.js"), kind("pkg/a_bg.wasm"), kind("a")),
            ("text/javascript", "application/wasm", "application/octet-stream")
        );
    }
}
