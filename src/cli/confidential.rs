//! Confidential text on its way in: a line of standard input, or a file. Never an argument, which every user of the
//! machine can read.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use secrecy::SecretString;
use zeroize::Zeroizing;

use super::failure::Failure;
use crate::text;

/// The longest line that is read, in bytes.
const MAX_BYTES: u64 = 4096;

/// The first line of standard input, which is to be `what`.
pub(super) fn from_stdin(what: &str) -> Result<SecretString, Failure> {
    first_line(io::stdin().lock(), &format!("{what} on standard input"))
}

/// The first line of a file, which is to be `what`.
pub(super) fn from_file(path: &Path, what: &str) -> Result<SecretString, Failure> {
    let what = format!("{what} in {}", path.display());
    let file = File::open(path).map_err(|e| Failure::new(format!("cannot read the {what}: {e}")))?;
    first_line(BufReader::new(file), &what)
}

fn first_line(input: impl BufRead, what: &str) -> Result<SecretString, Failure> {
    let mut line = Zeroizing::new(Vec::new());
    input
        .take(MAX_BYTES + 1)
        .read_until(b'\n', &mut line)
        .map_err(|e| Failure::new(format!("cannot read the {what}: {e}")))?;
    if line.len() as u64 > MAX_BYTES {
        return Err(Failure::new(format!("the {what} is longer than {MAX_BYTES} bytes")));
    }
    let text = text::decode(&line).map_err(|e| Failure::new(format!("the {what} cannot be read: {e}")))?;
    Ok(SecretString::from(text.trim_end_matches(['\r', '\n'])))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn it_is_the_first_line_as_it_is() {
        let read = |bytes: &[u8]| first_line(bytes, "word").map(|text| text.expose_secret().to_owned());
        assert_eq!(read(b" with blanks \r\nnext").unwrap(), " with blanks ");
        assert_eq!(read(b"no end").unwrap(), "no end");
        assert_eq!(read(b"").unwrap(), "");
        assert!(read(&[b'x'; 5000]).is_err());
        assert!(read(b"\xff\n").is_err());
        assert_eq!(read("\u{feff}word\r\n".as_bytes()).unwrap(), "word");
        for utf16 in [&b"\xff\xfew\0o\0r\0d\0\r\0\n\0"[..], b"\xfe\xff\0w\0o\0r\0d\0\r\0\n"] {
            assert!(read(utf16).is_err_and(|e| e.to_string().contains("UTF-16")));
        }
    }
}
