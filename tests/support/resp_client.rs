//! A small client for a real Redis server: sends commands as arrays of bulk strings and reads replies of RESP2 and
//! RESP3 as [`Value`]s. It knows nothing of what commands mean.
//!
//! A reply tells what the wire says: in RESP2 maps arrive as flat arrays and nulls as one of two kinds, in RESP3 maps
//! arrive as `Value::Map` and every null as `Value::Null`.

use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use brooklet::{Protocol, Value};

/// How long a server may take to answer before a test fails instead of hanging.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection to a server.
pub(crate) struct RespClient {
    stream: TcpStream,
    reader: BufReader<TcpStream>,
}

impl RespClient {
    /// Connects to `host:port` and chooses the protocol.
    pub(crate) fn connect(address: &str, protocol: Protocol) -> io::Result<RespClient> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        let reader = BufReader::new(stream.try_clone()?);
        let mut client = RespClient { stream, reader };
        if protocol == Protocol::Resp3 {
            client.call(&["HELLO", "3"])?;
        }
        Ok(client)
    }

    /// Sends a command and waits for its reply.
    pub(crate) fn call<A: AsRef<[u8]>>(&mut self, argv: &[A]) -> io::Result<Value> {
        self.send(argv)?;
        self.receive()
    }

    /// Sends commands in one go and waits for all their replies.
    pub(crate) fn pipeline(&mut self, batch: &[Vec<Vec<u8>>]) -> io::Result<Vec<Value>> {
        let mut bytes = Vec::new();
        batch.iter().for_each(|argv| encode(argv, &mut bytes));
        self.stream.write_all(&bytes)?;
        batch.iter().map(|_| self.receive()).collect()
    }

    /// Sends a command without waiting.
    pub(crate) fn send<A: AsRef<[u8]>>(&mut self, argv: &[A]) -> io::Result<()> {
        let mut bytes = Vec::new();
        encode(argv, &mut bytes);
        self.stream.write_all(&bytes)
    }

    /// Waits for the next reply.
    pub(crate) fn receive(&mut self) -> io::Result<Value> {
        read_value(&mut self.reader)
    }

    /// The next reply if one arrives within `patience`, else `None`.
    pub(crate) fn receive_within(&mut self, patience: Duration) -> io::Result<Option<Value>> {
        self.stream.set_read_timeout(Some(patience))?;
        let arrived = match self.reader.fill_buf() {
            Ok(bytes) => Ok(!bytes.is_empty()),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => Ok(false),
            Err(error) => Err(error),
        };
        self.stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        if arrived? { self.receive().map(Some) } else { Ok(None) }
    }
}

fn encode<A: AsRef<[u8]>>(argv: &[A], bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(format!("*{}\r\n", argv.len()).as_bytes());
    for argument in argv {
        let argument = argument.as_ref();
        bytes.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
        bytes.extend_from_slice(argument);
        bytes.extend_from_slice(b"\r\n");
    }
}

fn read_value(reader: &mut impl BufRead) -> io::Result<Value> {
    let line = read_line(reader)?;
    let (&kind, rest) = line.split_first().ok_or_else(|| invalid("an empty line"))?;
    Ok(match kind {
        b'+' => Value::Simple(rest.to_vec()),
        b'-' => Value::Error(rest.to_vec()),
        b':' => Value::Integer(read_number(rest)?),
        b'_' => Value::Null,
        b'$' => match usize::try_from(read_number(rest)?) {
            Ok(length) => Value::Bulk(read_text(reader, length)?),
            Err(_) => Value::Null,
        },
        b'*' => match usize::try_from(read_number(rest)?) {
            Ok(length) => Value::Array((0..length).map(|_| read_value(reader)).collect::<io::Result<_>>()?),
            Err(_) => Value::NullArray,
        },
        // A verbatim string begins with its format, such as `txt:`.
        b'=' => {
            let length = usize::try_from(read_number(rest)?).map_err(|_| invalid("a negative length"))?;
            Value::Bulk(read_text(reader, length)?.split_off(4))
        }
        b'%' => {
            let length = read_number(rest)?;
            let pairs = (0..length).map(|_| Ok((read_value(reader)?, read_value(reader)?)));
            Value::Map(pairs.collect::<io::Result<_>>()?)
        }
        _ => return Err(invalid(&format!("an unknown kind of reply: {}", String::from_utf8_lossy(&line)))),
    })
}

/// A line without its CR LF.
fn read_line(reader: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line)?;
    match line.strip_suffix(b"\r\n") {
        Some(text) => Ok(text.to_vec()),
        None => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection")),
    }
}

fn read_text(reader: &mut impl BufRead, length: usize) -> io::Result<Vec<u8>> {
    let mut text = vec![0; length + 2];
    reader.read_exact(&mut text)?;
    text.truncate(length);
    Ok(text)
}

fn read_number(digits: &[u8]) -> io::Result<i64> {
    let text = std::str::from_utf8(digits).map_err(|_| invalid("a number that is no text"))?;
    text.parse().map_err(|_| invalid(&format!("a number that is none: {text}")))
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the server sent {what}"))
}
