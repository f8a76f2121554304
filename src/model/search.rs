//! What lists are searched and sorted by: names without case and accents, and MAC addresses in whatever notation.
//!
//! A row keeps one text for both: its folded name, which sorts it, its folded address and its MAC address. MAC
//! addresses are written in it with letters of their own, the capitals from A to P for the digits, which no folded text
//! holds: a word that happens to be hexadecimal is then found in names and in addresses, each in its own way.

use unicode_normalization::UnicodeNormalization;

use super::shown::Hidden;

/// Ends a part of the text. Less than any character of a part, so that a name stands before longer ones.
const END: char = '\u{1}';
/// Characters of a part that count.
const LONGEST: usize = 256;
/// How many digits without separators may be meant as a part of a MAC address.
const FEWEST_DIGITS: usize = 2;
const DIGITS: usize = 12;

/// The text that a row is found and sorted by.
pub fn text(name: &str, address: Option<&str>, mac: Option<&str>) -> String {
    let mut text = fold(name);
    text.push(END);
    text.extend(address.map(fold));
    text.push(END);
    let Some(mac) = mac else { return text };
    match digits(mac) {
        Some(digits) => {
            let coded: Vec<char> = digits.chars().map(coded).collect();
            for (number, octet) in coded.chunks(2).enumerate() {
                text.extend((number > 0).then_some(':'));
                text.extend(octet);
            }
            text.push(END);
            text.extend(coded);
        }
        // In an adopted database it may be anything.
        None => text.push_str(&fold(mac)),
    }
    text
}

/// What is looked for: in names and addresses, and in MAC addresses if it may be a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needles {
    /// Folded.
    pub text: String,
    /// As MAC addresses are written in the text.
    pub mac: Option<String>,
}

impl Needles {
    /// What somebody typed; none if that is nothing.
    pub fn of(typed: &str) -> Option<Self> {
        let text = fold(typed);
        let mac = mac_part(&text);
        (!text.is_empty()).then_some(Self { text, mac })
    }
}

/// A text without case, accents and what does not show, each stretch of blanks a single one.
fn fold(text: &str) -> String {
    let is_accent = |c: &char| ('\u{300}'..='\u{36f}').contains(c);
    let folded: String = text
        .nfkd()
        .filter(|c| !is_accent(c) && (c.is_whitespace() || Hidden::of(*c).is_none()))
        // To upper case first, since several small letters share one large one.
        .flat_map(|c| c.to_uppercase().flat_map(char::to_lowercase))
        .take(LONGEST)
        .collect();
    folded.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn coded(digit: char) -> char {
    let value = digit.to_digit(16).unwrap_or_default();
    char::from(b'A' + u8::try_from(value).unwrap_or_default())
}

/// The digits of a whole MAC address.
fn digits(mac: &str) -> Option<String> {
    let good = mac.chars().all(|c| c.is_ascii_hexdigit() || matches!(c, ':' | '-' | '.'));
    let digits: String = mac.chars().filter(char::is_ascii_hexdigit).collect();
    (good && digits.len() == DIGITS).then_some(digits)
}

/// A part of a MAC address as it stands in the text: with separators it fits octets alone.
fn mac_part(typed: &str) -> Option<String> {
    let separator = typed.chars().find(|c| !c.is_ascii_hexdigit());
    let Some(separator) = separator else {
        let fits = (FEWEST_DIGITS..=DIGITS).contains(&typed.len());
        return fits.then(|| typed.chars().map(coded).collect());
    };
    let size = match separator {
        ':' | '-' => 2,
        '.' => 4,
        _ => return None,
    };
    let groups: Vec<&str> = typed.split(separator).collect();
    let last = groups.len() - 1;
    let fits = |(place, group): (usize, &&str)| {
        let whole = group.len() == size || (place == 0 || place == last) && group.len() < size;
        whole && group.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    // A decimal point makes no address, nor does a colon between two digits.
    let is_telling = groups.iter().any(|group| group.len() == size);
    if !is_telling || groups.len() > DIGITS / size + 1 || !groups.iter().enumerate().all(fits) {
        return None;
    }
    let mut part = String::with_capacity(typed.len() + 4);
    for (place, group) in groups.iter().enumerate() {
        part.extend((place > 0).then_some(':'));
        // Of the first group the end is given, of the last the beginning.
        let odd = if place == 0 { group.len() % 2 } else { 0 };
        for (number, digit) in group.chars().enumerate() {
            part.extend((number > 0 && number % 2 == odd).then_some(':'));
            part.push(coded(digit));
        }
    }
    Some(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(typed: &str, name: &str, address: Option<&str>, mac: &str) -> bool {
        let text = text(name, address, Some(mac));
        Needles::of(typed).is_none_or(|needles| {
            text.contains(&needles.text) || needles.mac.is_some_and(|mac| text.contains(&mac))
        })
    }

    #[test]
    fn a_mac_address_is_found_in_each_notation_and_by_its_parts() {
        const MAC: &str = "AA:0B:CC:DD:1E:0F";
        for typed in [
            "aa:0b:cc:dd:1e:0f",
            "AA-0B-CC-DD-1E-0F",
            "aa0b.ccdd.1e0f",
            "AA0BCCDD1E0F",
            "cc:dd",
            "0b-cc",
            "a:0b",
            "dd:1",
            "aa:",
            ":0f",
            "ccdd",
            "bccd",
            "0f",
            "ccdd.1e",
            "b.ccdd",
            "0b.ccdd.1",
            "a0b.ccdd",
            " aa0b.ccdd ",
            "ｃｃ:ｄｄ",
        ] {
            assert!(finds(typed, "Tower", None, MAC), "{typed}");
            assert!(finds(typed, "Tower", None, "aa-0b-cc-dd-1e-0f"), "{typed}");
        }
        for typed in
            ["b:cc:d:1e", "bc:cd", "cc.dd", "a0bc.cdd1", "cc;dd", "c:d", "a", "cc:dd.1e", "ccdd1e0f0"]
        {
            assert!(!finds(typed, "Tower", None, MAC), "{typed}");
        }
    }

    #[test]
    fn names_and_addresses_are_found_without_case_and_accents() {
        for (typed, name) in [
            ("ÄPF", "Grüner Äpfel"),
            ("apfel", "Grüner Äpfel"),
            ("GRÜNER  äpfel", "Gru\u{308}ner A\u{308}pfel"),
            ("strasse", "Straße"),
            ("ΣΊΣΥΦΟΣ", "σίσυφος"),
            ("сервер", "СЕРВЕР 1"),
            ("李小", "李小龍"),
            ("100%", "at 100% of \"it\""),
            ("a_b", "A_B"),
        ] {
            assert!(finds(typed, name, None, "x"), "{typed}");
        }
        assert!(finds("192.168.1", "Tower", Some("192.168.1.7"), "x"));
        assert!(finds("NAS.example", "Tower", Some("nas.example.org"), "x"));
        assert!(finds("not a mac", "Tower", None, "This is NOT a MAC"));
        assert!(!finds("a_b", "axb", None, "x"));
        assert!(!finds("10.0", "Tower", None, "AA:10:0B:CC:DD:EE"));
        assert_eq!(Needles::of(" \u{200b} "), None);
    }

    #[test]
    fn the_text_sorts_by_name() {
        let mut names = ["zebra", "Äpfel", "apfelbaum", "Apfel", "éclair", "Ebene"];
        names.sort_by_key(|name| text(name, None, Some("AA:BB:CC:DD:EE:FF")));
        assert_eq!(names, ["Äpfel", "Apfel", "apfelbaum", "Ebene", "éclair", "zebra"]);
    }
}
