//! The far end of one connection, frame by frame.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use wsbench::wire::{Control, Data, Decoder, Event, OpCode, Role, encode_frame};

/// What a client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>),
}

/// One connection, seen by a server.
pub struct Peer {
    stream: DuplexStream,
    decoder: Decoder,
    frames: VecDeque<Frame>,
}

impl Peer {
    pub fn new(stream: DuplexStream) -> Self {
        Self {
            stream,
            decoder: Decoder::new(Role::Server, 1 << 20, 1 << 20),
            frames: VecDeque::new(),
        }
    }

    /// The next frame; `None` when the client is gone.
    pub async fn next(&mut self) -> Option<Frame> {
        let mut bytes = [0; 4096];
        while self.frames.is_empty() {
            let count = self.stream.read(&mut bytes).await.ok()?;
            if count == 0 {
                return None;
            }
            let frames = &mut self.frames;
            let fed = self.decoder.feed(&mut bytes[..count], &mut |event| {
                frames.push_back(own(event))
            });
            fed.expect("our client keeps to RFC 6455");
        }
        self.frames.pop_front()
    }

    /// The next data message; pings are answered, a close too (and then it is over).
    pub async fn message(&mut self) -> Option<String> {
        loop {
            match self.next().await? {
                Frame::Text(text) => return Some(text),
                Frame::Ping(payload) => self.pong(&payload).await,
                Frame::Close(code) => {
                    self.close(code).await;
                    return None;
                }
                Frame::Binary(_) | Frame::Pong(_) => {}
            }
        }
    }

    pub async fn text(&mut self, text: &str) {
        self.frame(OpCode::Data(Data::Text), text.as_bytes()).await;
    }

    pub async fn pong(&mut self, payload: &[u8]) {
        self.frame(OpCode::Control(Control::Pong), payload).await;
    }

    pub async fn ping(&mut self, payload: &[u8]) {
        self.frame(OpCode::Control(Control::Ping), payload).await;
    }

    /// A close frame; `None` = without a code.
    pub async fn close(&mut self, code: Option<u16>) {
        let payload = code.map(u16::to_be_bytes);
        let payload = payload.as_ref().map_or(&[][..], |code| &code[..]);
        self.frame(OpCode::Control(Control::Close), payload).await;
    }

    /// Bytes as they are; a client that is gone does not mind.
    pub async fn raw(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    async fn frame(&mut self, opcode: OpCode, payload: &[u8]) {
        let mut bytes = Vec::new();
        encode_frame(opcode, payload, None, &mut bytes);
        self.raw(&bytes).await;
    }

    /// Reads until the client is gone, and says nothing.
    pub async fn ignore(&mut self) {
        while self.next().await.is_some() {}
    }
}

fn own(event: Event<'_>) -> Frame {
    match event {
        Event::Text(text) => Frame::Text(text.to_owned()),
        Event::Binary(bytes) => Frame::Binary(bytes.to_owned()),
        Event::Ping(payload) => Frame::Ping(payload.to_owned()),
        Event::Pong(payload) => Frame::Pong(payload.to_owned()),
        Event::Close(close) => Frame::Close(close.map(|(code, _)| code)),
    }
}

/// Sends everything back.
pub async fn echo(stream: DuplexStream) {
    let mut peer = Peer::new(stream);
    while let Some(text) = peer.message().await {
        peer.text(&text).await;
    }
}

/// Sends everything back until `life` is over, then goes without a word.
pub async fn echo_for(stream: DuplexStream, life: Duration) {
    let _ = tokio::time::timeout(life, echo(stream)).await;
}

/// Answers pings and closes, nothing else.
pub async fn mute(stream: DuplexStream) {
    let mut peer = Peer::new(stream);
    while peer.message().await.is_some() {}
}
