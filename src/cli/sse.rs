//! Reading a stream of server-sent events as the HTML standard has it, in parts of any size.

use std::io;

/// The longest line of a stream, in bytes; no event of ours comes near.
const LONGEST_LINE: usize = 1024 * 1024;

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    /// With which the stream goes on after it.
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) data: String,
}

/// A stream as far as it was read.
#[derive(Default)]
pub(super) struct Reader {
    /// The line that has begun.
    begun: Vec<u8>,
    id: String,
    kind: String,
    data: Option<String>,
}

impl Reader {
    /// The ID with which the stream goes on; none before the first.
    pub(super) fn last_id(&self) -> Option<&str> {
        Some(self.id.as_str()).filter(|id| !id.is_empty())
    }

    /// A stream that goes on after the event of this ID.
    pub(super) fn after(id: String) -> Self {
        Self { id, ..Self::default() }
    }

    /// Forgets what was not whole when the stream broke off.
    pub(super) fn reopen(&mut self) {
        let id = std::mem::take(&mut self.id);
        *self = Self::after(id);
    }

    /// Takes a part, and gives each event that is whole to `give`.
    pub(super) fn take(
        &mut self,
        part: &[u8],
        give: &mut impl FnMut(Event) -> io::Result<()>,
    ) -> io::Result<()> {
        for piece in part.split_inclusive(|byte| *byte == b'\n') {
            self.begun.extend_from_slice(piece);
            if self.begun.len() > LONGEST_LINE {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a line of the stream is too long"));
            }
            if piece.ends_with(b"\n") {
                let line = std::mem::take(&mut self.begun);
                let line = String::from_utf8_lossy(&line);
                if let Some(event) = self.line(line.trim_end_matches(['\r', '\n'])) {
                    give(event)?;
                }
            }
        }
        Ok(())
    }

    /// Takes a line, and gives the event that it ends.
    fn line(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            let (kind, data) = (std::mem::take(&mut self.kind), self.data.take()?);
            return Some(Event { id: self.id.clone(), kind, data });
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" if !value.contains('\0') => value.clone_into(&mut self.id),
            "event" => value.clone_into(&mut self.kind),
            "data" => match &mut self.data {
                Some(data) => {
                    // An event of ours is one line; others' may not grow without an end.
                    if data.len() < LONGEST_LINE {
                        data.push('\n');
                        data.push_str(value);
                    }
                }
                None => self.data = Some(value.to_owned()),
            },
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn events_come_whole_however_the_parts_are_cut() {
        let text = ": alive\nretry: 3000\nid: a-1\n\nid: a-2\nevent: x.y\ndata: {\"a\":\ndata:1}\n\nid: a-3\r\ndata: z\r\n\r\ndata: lost";
        for size in 1..text.len() {
            let mut reader = Reader::default();
            let mut found = Vec::new();
            for part in text.as_bytes().chunks(size) {
                reader
                    .take(part, &mut |event| {
                        found.push(event);
                        Ok(())
                    })
                    .unwrap();
            }
            let event = |id: &str, kind: &str, data: &str| Event {
                id: id.into(),
                kind: kind.into(),
                data: data.into(),
            };
            assert_eq!(found, [event("a-2", "x.y", "{\"a\":\n1}"), event("a-3", "", "z")], "{size}");
            reader.reopen();
            assert_eq!(reader.last_id(), Some("a-3"));
            reader
                .take(b"data: next\n\n", &mut |event| {
                    found.push(event);
                    Ok(())
                })
                .unwrap();
            assert_eq!(found.last(), Some(&event("a-3", "", "next")), "what was cut off is gone");
        }
    }

    #[test]
    fn a_line_without_an_end_is_refused() {
        let mut reader = Reader::default();
        let part = vec![b'x'; 64 * 1024];
        let taken = (0..32).try_for_each(|_| reader.take(&part, &mut |_| Ok(())));
        assert!(taken.is_err());
    }
}
