//! Values as bytes on a pipe: a length of four bytes, then postcard.

use std::io::{ErrorKind, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest frame: a full interval is 2^20 events of some 50 bytes, and two sheets of histograms.
pub const LONGEST: usize = 128 << 20;

/// A frame that could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The pipe broke.
    #[error("{0}")]
    Pipe(#[from] std::io::Error),
    /// More than [`LONGEST`].
    #[error("a frame of {0} bytes, and {LONGEST} are the most")]
    TooLong(usize),
    /// The pipe ended within a frame.
    #[error("a frame that is cut off")]
    Cut,
    /// Bytes that are no such value.
    #[error("a frame that cannot be read: {0}")]
    Broken(postcard::Error),
}

/// Writes a value and hands it on at once.
///
/// # Errors
/// When it is too long, or nobody reads.
pub fn write_frame(out: &mut impl Write, value: &impl Serialize) -> Result<(), FrameError> {
    // The length in front, so that one write does.
    let mut bytes = vec![0; 4];
    bytes = postcard::to_extend(value, bytes).map_err(FrameError::Broken)?;
    let length = bytes.len() - 4;
    let head = u32::try_from(length).ok().filter(|_| length <= LONGEST);
    let head = head.ok_or(FrameError::TooLong(length))?;
    bytes[..4].copy_from_slice(&head.to_le_bytes());
    out.write_all(&bytes)?;
    Ok(out.flush()?)
}

/// Reads a value; `None` when the pipe ends between two frames.
///
/// # Errors
/// When it ends elsewhere, or what comes is no such value and nothing else.
pub fn read_frame<T: DeserializeOwned>(input: &mut impl Read) -> Result<Option<T>, FrameError> {
    let mut head = [0; 4];
    let mut there = 0;
    while there < head.len() {
        match input.read(&mut head[there..]) {
            Ok(0) if there == 0 => return Ok(None),
            Ok(0) => return Err(FrameError::Cut),
            Ok(n) => there += n,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    let length = u32::from_le_bytes(head) as usize;
    if length > LONGEST {
        return Err(FrameError::TooLong(length));
    }
    // Grows with what comes, not with what is announced.
    let mut bytes = Vec::new();
    input.take(length as u64).read_to_end(&mut bytes)?;
    if bytes.len() < length {
        return Err(FrameError::Cut);
    }
    let (value, rest) = postcard::take_from_bytes(&bytes).map_err(FrameError::Broken)?;
    if rest.is_empty() {
        Ok(Some(value))
    } else {
        Err(FrameError::Broken(postcard::Error::SerdeDeCustom))
    }
}
