//! One connection of the hostile server: raw bytes out, every frame that comes in checked and logged.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::log::Entry;

/// Longest payload the tests send.
const MAX_PAYLOAD: u64 = 1 << 20;

/// A frame of a client, unmasked.
#[derive(Debug)]
pub struct Frame {
    pub opcode: u8,
    pub payload: Vec<u8>,
}

/// A client, seen by the server.
#[derive(Debug)]
pub struct Peer {
    pub stream: TcpStream,
    pub entry: Entry,
    closed: bool,
}

impl Peer {
    pub fn new(stream: TcpStream, entry: Entry) -> Self {
        Self {
            stream,
            entry,
            closed: false,
        }
    }

    /// The same connection for another thread.
    pub fn twin(&self) -> Result<Self> {
        let stream = self.stream.try_clone()?;
        Ok(Self::new(stream, self.entry.clone()))
    }

    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes)
    }

    /// A frame as RFC 6455 wants it, of at most 65,535 bytes.
    pub fn frame(&mut self, first: u8, payload: &[u8]) -> Result<()> {
        let mut bytes = vec![first];
        match u8::try_from(payload.len()) {
            Ok(short @ ..126) => bytes.push(short),
            _ => {
                bytes.push(126);
                bytes.extend_from_slice(&(payload.len() as u16).to_be_bytes());
            }
        }
        bytes.extend_from_slice(payload);
        self.write(&bytes)
    }

    /// The next frame; an error at the end of the stream, which is logged.
    pub fn next(&mut self) -> Result<Frame> {
        let frame = self.read_frame();
        if let Err(error) = &frame {
            let reset = error.kind() == ErrorKind::ConnectionReset;
            self.entry.ended(if reset { "rst" } else { "fin" });
        }
        frame
    }

    fn read_frame(&mut self) -> Result<Frame> {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head)?;
        let [first, second] = head;
        let length = match second & 0x7f {
            126 => u64::from(u16::from_be_bytes(self.bytes()?)),
            127 => u64::from_be_bytes(self.bytes()?),
            short => u64::from(short),
        };
        let mut offences = Vec::new();
        if second & 0x80 == 0 {
            offences.push("an unmasked frame");
        }
        if first & 0x70 != 0 {
            offences.push("a reserved bit");
        }
        if first & 0x08 != 0 && (first & 0x80 == 0 || length > 125) {
            offences.push("a long or fragmented control frame");
        }
        if self.closed {
            offences.push("a frame after the close");
        }
        let opcode = first & 0x0f;
        if !matches!(opcode, 0..=2 | 8..=10) {
            offences.push("a reserved opcode");
        }
        self.entry.change(|log| {
            *log.frames.entry(opcode).or_default() += 1;
            log.offences.extend(offences.drain(..).map(str::to_owned));
        });
        if length > MAX_PAYLOAD {
            return Err(Error::other("longer than any test sends"));
        }
        let mask: [u8; 4] = self.bytes()?;
        let mut payload = vec![0; length as usize];
        self.stream.read_exact(&mut payload)?;
        for (byte, key) in payload.iter_mut().zip(mask.iter().cycle()) {
            *byte ^= key;
        }
        if opcode == 8 {
            self.closed = true;
            self.log_close(&payload);
        }
        Ok(Frame { opcode, payload })
    }

    fn log_close(&self, payload: &[u8]) {
        let code = match payload {
            [] => 1005,
            [high, low, ..] => u16::from_be_bytes([*high, *low]),
            [_] => 0,
        };
        self.entry.change(|log| {
            *log.closes.entry(code).or_default() += 1;
            let allowed = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
            if !(allowed || payload.is_empty()) {
                log.offences.push(format!("a close with code {code}"));
            }
        });
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Reads frames until the client has gone, and answers nothing.
    pub fn ignore(&mut self) -> Result<()> {
        loop {
            self.next()?;
        }
    }

    /// Reads bytes until the client has gone: before the upgrade there are no frames.
    pub fn wait(&mut self) -> Result<()> {
        let mut bytes = [0; 4096];
        loop {
            let read = self.stream.read(&mut bytes);
            match read {
                Ok(1..) => {}
                Ok(0) => {
                    self.entry.ended("fin");
                    return Ok(());
                }
                Err(error) => {
                    self.entry.ended("rst");
                    return Err(error);
                }
            }
        }
    }

    /// Neither reads nor writes as long as the program runs.
    pub fn sleep_through(&mut self) -> Result<()> {
        while !self.entry.is_over() {
            std::thread::sleep(Duration::from_millis(20));
        }
        self.wait()
    }

    /// The connection ends with RST as soon as it is dropped.
    pub fn reset(&mut self) -> Result<()> {
        socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO))
    }
}
