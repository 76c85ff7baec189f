//! A server for the files of a directory, as a page needs one: modules and WebAssembly are not loaded from files.
//!
//! It answers GET with what is there, one request a connection, with the strict content security policy under which pages
//! have to work. What a page posts is what it has to tell.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};

use crate::Result;

/// No inline code, nothing from elsewhere; modules in WebAssembly may be compiled.
const POLICY: &str = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'";

/// The most that a page may post.
const POST_BYTES_MAX: u64 = 1 << 20;

/// A server, and what pages have posted to it.
pub struct Site {
    pub address: SocketAddr,
    pub posts: Receiver<String>,
}

/// Serves a directory on a free port of this machine until the process ends.
pub fn serve(directory: PathBuf) -> Result<Site> {
    let cannot = |error: std::io::Error| format!("cannot serve {}: {error}", directory.display());
    let listener = TcpListener::bind("127.0.0.1:0").map_err(cannot)?;
    let address = listener.local_addr().map_err(cannot)?;
    let (tell, posts) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (directory, tell) = (directory.clone(), tell.clone());
            // A browser that goes away in the middle is its own affair.
            std::thread::spawn(move || answer(&directory, stream, &tell));
        }
    });
    Ok(Site { address, posts })
}

fn answer(directory: &Path, mut stream: TcpStream, tell: &Sender<String>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    // Whoever is answered before everything was read may see the connection break.
    let (mut line, mut body_bytes) = (String::new(), 0);
    while reader.read_line(&mut line)? > 0 && !line.trim_end().is_empty() {
        if let Some(length) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            body_bytes = length.trim().parse().unwrap_or(0).min(POST_BYTES_MAX);
        }
        line.clear();
    }
    if request.starts_with("POST /told ") {
        let mut body = Vec::new();
        reader.take(body_bytes).read_to_end(&mut body)?;
        // If nobody waits for it any more, nobody has to know.
        let _ = tell.send(String::from_utf8_lossy(&body).into_owned());
        return stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
    }
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
    use super::*;

    #[test]
    fn files_are_served_and_nothing_else() {
        let Site { address, posts } = serve(crate::tools::root().join("xtask")).unwrap();
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
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"POST /told HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
        assert_eq!(posts.recv().as_deref(), Ok("hello"));
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
