//! The frame reader of the server's side: bytes in, messages and control frames out, no I/O.
//!
//! Runtime, fuzzing and simulation share it. An idle reader is one null pointer: a frame that arrives whole is
//! unmasked where it lies and handed on without a copy; only what arrives in pieces is buffered, for as long as it is
//! incomplete, and never more than one message of 64 KiB. It is strict where RFC 6455 says so and lenient where the
//! firmware needs it (lengths need not be minimal, a mask may be zero). Deliberately absent: extensions, and writing.

use std::ops::ControlFlow;

use fastwebsockets::{CloseCode, OpCode, unmask};

/// The largest message, its fragments counted together.
pub const MAX_MESSAGE: usize = crate::registry::LARGEST_REPLY;
/// The largest payload of a control frame.
pub const MAX_CONTROL: usize = 125;
/// The longest header: two bytes, a 64-bit length, the mask.
const MAX_HEAD: usize = 14;

/// Something complete that the peer sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// A whole message, text or binary; text is valid UTF-8.
    Message(&'a [u8]),
    /// A ping with its payload.
    Ping(&'a [u8]),
    /// A pong.
    Pong,
    /// A close frame with its code, if it has one. Nothing after it is read.
    Close(Option<u16>),
}

/// How the peer broke the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    /// Not a frame a client may send here; the text is for the log.
    Protocol(&'static str),
    /// Text that is not UTF-8.
    NotUtf8,
    /// A message above [`MAX_MESSAGE`].
    TooBig,
}

impl Violation {
    /// What the peer did, for the log.
    pub fn text(self) -> &'static str {
        match self {
            Self::Protocol(text) => text,
            Self::NotUtf8 => "a text message is not UTF-8",
            Self::TooBig => "a message is larger than 64 KiB",
        }
    }
}

/// A frame's header.
#[derive(Debug, Clone, Copy)]
struct Head {
    last: bool,
    opcode: OpCode,
    mask: [u8; 4],
    length: usize,
}

/// A data message of which a part has arrived.
#[derive(Debug)]
struct Unfinished {
    text: bool,
    bytes: Vec<u8>,
}

/// What has arrived of something incomplete.
#[derive(Debug, Default)]
struct Partial {
    /// The first bytes of a header.
    head_bytes: [u8; MAX_HEAD],
    head_length: usize,
    /// The frame whose payload is arriving, and how much of it has.
    frame: Option<(Head, usize)>,
    control: Vec<u8>,
    message: Option<Unfinished>,
}

/// Reads frames from bytes however they are cut.
#[derive(Debug, Default)]
pub struct Reader {
    partial: Option<Box<Partial>>,
}

impl Reader {
    /// Reads `input`, which is unmasked in place, and hands on what became complete until it is used up or `take`
    /// breaks off.
    ///
    /// # Errors
    /// The peer broke the protocol; nothing further can be read from it.
    pub fn read(
        &mut self,
        mut input: &mut [u8],
        mut take: impl FnMut(Incoming<'_>) -> ControlFlow<()>,
    ) -> Result<(), Violation> {
        while !input.is_empty() {
            let flow = match &mut self.partial {
                Some(partial) => {
                    let (used, flow) = partial.read(input, &mut take)?;
                    input = &mut input[used..];
                    if partial.is_empty() {
                        self.partial = None;
                    }
                    flow
                }
                None => match Head::parse(input)? {
                    Some((head, size))
                        if head.last
                            && head.opcode != OpCode::Continuation
                            && input.len() - size >= head.length =>
                    {
                        head.check(None)?;
                        let (frame, rest) = input.split_at_mut(size + head.length);
                        let payload = &mut frame[size..];
                        unmask(payload, head.mask);
                        input = rest;
                        deliver(head.opcode, head.opcode == OpCode::Text, payload, &mut take)?
                    }
                    _ => {
                        self.partial = Some(Box::default());
                        ControlFlow::Continue(())
                    }
                },
            };
            if flow.is_break() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Whether something incomplete is held.
    pub fn is_partial(&self) -> bool {
        self.partial.is_some()
    }

    /// How many bytes are held for something incomplete.
    #[doc(hidden)]
    pub fn held(&self) -> usize {
        self.partial
            .as_ref()
            .map_or(0, |p| p.control.capacity() + p.message.as_ref().map_or(0, |m| m.bytes.capacity()))
    }
}

impl Head {
    /// The header at the start of `bytes` and its size, or none if it is not there whole. What can be judged is
    /// judged at once.
    fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, Violation> {
        let Some(&first) = bytes.first() else { return Ok(None) };
        if first & 0x70 != 0 {
            return Err(Violation::Protocol("a reserved bit is set"));
        }
        let last = first & 0x80 != 0;
        let opcode =
            OpCode::try_from(first & 0x0f).map_err(|_| Violation::Protocol("an opcode is reserved"))?;
        if is_control(opcode) && !last {
            return Err(Violation::Protocol("a control frame is fragmented"));
        }
        let Some(&second) = bytes.get(1) else { return Ok(None) };
        if second & 0x80 == 0 {
            return Err(Violation::Protocol("a frame is not masked"));
        }
        let short = second & 0x7f;
        if is_control(opcode) && usize::from(short) > MAX_CONTROL {
            return Err(Violation::Protocol("a control frame is longer than 125 bytes"));
        }
        let extended = match short {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let size = 2 + extended + 4;
        if bytes.len() < size {
            return Ok(None);
        }
        let length = match extended {
            0 => u64::from(short),
            _ => bytes[2..2 + extended].iter().fold(0, |sum, &b| sum << 8 | u64::from(b)),
        };
        if length >> 63 != 0 {
            return Err(Violation::Protocol("a length has its highest bit set"));
        }
        let length = usize::try_from(length).map_err(|_| Violation::TooBig)?;
        let mut mask = [0; 4];
        mask.copy_from_slice(&bytes[2 + extended..size]);
        Ok(Some((Self { last, opcode, mask, length }, size)))
    }

    /// Whether the frame may come after what has arrived of a message.
    fn check(&self, message: Option<&Unfinished>) -> Result<(), Violation> {
        match (self.opcode, message) {
            (opcode, _) if is_control(opcode) => return Ok(()),
            (OpCode::Continuation, None) => {
                return Err(Violation::Protocol("a continuation without a message"));
            }
            (OpCode::Text | OpCode::Binary, Some(_)) => {
                return Err(Violation::Protocol("a message inside another"));
            }
            _ => {}
        }
        let before = message.map_or(0, |m| m.bytes.len());
        if self.length > MAX_MESSAGE - before { Err(Violation::TooBig) } else { Ok(()) }
    }
}

impl Partial {
    fn is_empty(&self) -> bool {
        self.head_length == 0 && self.frame.is_none() && self.message.is_none()
    }

    /// Takes the rest of one header, or of one payload.
    fn read(
        &mut self,
        input: &mut [u8],
        take: &mut impl FnMut(Incoming<'_>) -> ControlFlow<()>,
    ) -> Result<(usize, ControlFlow<()>), Violation> {
        let mut used = 0;
        if self.frame.is_none() {
            let (size, complete) = self.read_head(input)?;
            used = size;
            if !complete {
                return Ok((used, ControlFlow::Continue(())));
            }
        }
        let Some((head, arrived)) = self.frame.take() else {
            return Ok((used, ControlFlow::Continue(())));
        };
        let here = (head.length - arrived).min(input.len() - used);
        let piece = &mut input[used..used + here];
        let mut mask = head.mask;
        mask.rotate_left(arrived % 4);
        unmask(piece, mask);
        used += here;
        self.buffer(&head, piece);
        if arrived + here < head.length {
            self.frame = Some((head, arrived + here));
            return Ok((used, ControlFlow::Continue(())));
        }
        if is_control(head.opcode) {
            let payload = std::mem::take(&mut self.control);
            return Ok((used, deliver(head.opcode, false, &payload, take)?));
        }
        match self.message.take() {
            Some(message) if head.last => {
                Ok((used, deliver(OpCode::Binary, message.text, &message.bytes, take)?))
            }
            unfinished => {
                self.message = unfinished;
                Ok((used, ControlFlow::Continue(())))
            }
        }
    }

    /// Takes header bytes one by one, at most fourteen; says how many and whether the header is complete.
    fn read_head(&mut self, input: &[u8]) -> Result<(usize, bool), Violation> {
        for (i, &byte) in input.iter().enumerate() {
            self.head_bytes[self.head_length] = byte;
            self.head_length += 1;
            if let Some((head, _)) = Head::parse(&self.head_bytes[..self.head_length])? {
                head.check(self.message.as_ref())?;
                if matches!(head.opcode, OpCode::Text | OpCode::Binary) {
                    self.message = Some(Unfinished { text: head.opcode == OpCode::Text, bytes: Vec::new() });
                }
                self.head_length = 0;
                self.frame = Some((head, 0));
                return Ok((i + 1, true));
            }
        }
        Ok((input.len(), false))
    }

    /// Keeps a piece of payload. Memory follows what has arrived, not what was announced, and ends at the limit.
    fn buffer(&mut self, head: &Head, piece: &[u8]) {
        let (bytes, limit) = match &mut self.message {
            Some(message) if !is_control(head.opcode) => (&mut message.bytes, MAX_MESSAGE),
            _ => (&mut self.control, MAX_CONTROL),
        };
        let needed = bytes.len() + piece.len();
        if needed > bytes.capacity() {
            let capacity = needed.max(bytes.capacity() * 2).min(limit);
            bytes.reserve_exact(capacity - bytes.len());
        }
        bytes.extend_from_slice(piece);
    }
}

fn is_control(opcode: OpCode) -> bool {
    matches!(opcode, OpCode::Close | OpCode::Ping | OpCode::Pong)
}

/// Judges a complete payload and hands it on.
fn deliver(
    opcode: OpCode,
    text: bool,
    payload: &[u8],
    take: &mut impl FnMut(Incoming<'_>) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, Violation> {
    Ok(match opcode {
        OpCode::Ping => take(Incoming::Ping(payload)),
        OpCode::Pong => take(Incoming::Pong),
        OpCode::Close => {
            let code = close_code(payload)?;
            let _ = take(Incoming::Close(code));
            ControlFlow::Break(())
        }
        OpCode::Text | OpCode::Binary | OpCode::Continuation => {
            if text && std::str::from_utf8(payload).is_err() {
                return Err(Violation::NotUtf8);
            }
            take(Incoming::Message(payload))
        }
    })
}

/// The code of a close frame's payload.
fn close_code(payload: &[u8]) -> Result<Option<u16>, Violation> {
    match payload {
        [] => Ok(None),
        [_] => Err(Violation::Protocol("a close frame of one byte")),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            if !CloseCode::from(code).is_allowed() {
                return Err(Violation::Protocol("a close code that must not be sent"));
            }
            if std::str::from_utf8(reason).is_err() {
                return Err(Violation::NotUtf8);
            }
            Ok(Some(code))
        }
    }
}
