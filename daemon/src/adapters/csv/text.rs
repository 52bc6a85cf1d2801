//! From the bytes of a CSV file to records with line numbers: encoding, delimiter, quotes.
//!
//! In: bytes. Out: text, then records whose cells are unquoted.
//! Never: hides that a file stops in the middle; half a character or an open quote is told to the caller.

use std::borrow::Cow;

/// Why bytes are not the text of a CSV file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotText {
    /// Ends in the middle of a character.
    Cut,
    /// Ends in what is half a UTF-8 character, or a whole one of Windows-1252.
    PerhapsCut,
    /// Zero bytes where text should be: space that is reserved and not yet written.
    Zeros,
    /// An Excel or OpenDocument workbook.
    Workbook,
}

/// Decodes UTF-8 with or without mark, UTF-16 with mark, else Windows-1252.
/// `settled` says that nobody has touched the file for a while, so that a doubtful last byte is a letter.
pub(super) fn decode(bytes: &[u8], settled: bool) -> Result<Cow<'_, str>, NotText> {
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(&[0xd0, 0xcf, 0x11, 0xe0]) {
        return Err(NotText::Workbook);
    }
    for (mark, encoding) in [(&[0xff, 0xfe], encoding_rs::UTF_16LE), (&[0xfe, 0xff], encoding_rs::UTF_16BE)] {
        if let Some(rest) = bytes.strip_prefix(mark) {
            let (text, bad) = encoding.decode_without_bom_handling(rest);
            return if bad { Err(NotText::Cut) } else { Ok(text) };
        }
    }
    let bytes = bytes.strip_prefix(&[0xef, 0xbb, 0xbf]).unwrap_or(bytes);
    if bytes.contains(&0) {
        return Err(NotText::Zeros);
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(Cow::Borrowed(text)),
        Err(e) if e.error_len().is_none() => {
            // Everything before was sound UTF-8. If some of it was beyond ASCII, this is UTF-8 and it is cut.
            if !bytes[..e.valid_up_to()].is_ascii() {
                Err(NotText::Cut)
            } else if settled {
                Ok(encoding_rs::WINDOWS_1252.decode_without_bom_handling(bytes).0)
            } else {
                Err(NotText::PerhapsCut)
            }
        }
        Err(_) => Ok(encoding_rs::WINDOWS_1252.decode_without_bom_handling(bytes).0),
    }
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// The line it starts on, from 1.
    pub(super) line: usize,
    /// Its cells, trimmed.
    pub(super) cells: Vec<String>,
}

/// All records that are not blank.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Records {
    pub(super) records: Vec<Record>,
    /// The line of a quote that nothing closes.
    pub(super) open_quote: Option<usize>,
    /// The text ends with the end of a line.
    pub(super) newline_at_end: bool,
}

/// The delimiters a CSV file may have.
pub(super) const DELIMITERS: [char; 4] = [';', ',', '\t', '|'];

/// Cuts a text into records.
pub(super) fn records(text: &str, delimiter: char) -> Records {
    let mut out = Records { newline_at_end: text.ends_with(['\n', '\r']), ..Records::default() };
    let mut chars = text.chars().peekable();
    let (mut line, mut start) = (1, 1);
    let mut cells: Vec<String> = Vec::new();
    let mut cell = String::new();
    let mut quoted_at = None;
    let mut close = |cells: &mut Vec<String>, start: usize| {
        if cells.iter().any(|c| !c.is_empty()) {
            out.records.push(Record { line: start, cells: std::mem::take(cells) });
        } else {
            cells.clear();
        }
    };
    while let Some(c) = chars.next() {
        let ends_line = c == '\n' || (c == '\r' && chars.peek() != Some(&'\n'));
        if quoted_at.is_some() {
            match c {
                '"' if chars.peek() == Some(&'"') => {
                    chars.next();
                    cell.push('"');
                }
                '"' => quoted_at = None,
                _ => cell.push(c),
            }
        } else if c == '"' && cell.trim().is_empty() {
            // Only at the start of a cell; elsewhere it is an inch.
            quoted_at = Some(line);
            cell.clear();
        } else if c == delimiter {
            cells.push(cell.trim().to_owned());
            cell.clear();
        } else if ends_line {
            cells.push(cell.trim().to_owned());
            cell.clear();
            close(&mut cells, start);
            start = line + 1;
        } else if c != '\r' {
            cell.push(c);
        }
        line += usize::from(ends_line);
    }
    cells.push(cell.trim().to_owned());
    close(&mut cells, start);
    out.open_quote = quoted_at;
    out
}

/// The delimiter that makes the best table of the start of this text. `knows` counts the names it recognises in a header.
pub(super) fn sniff(text: &str, knows: impl Fn(&[String]) -> usize) -> char {
    let mut end = text.len().min(64 << 10);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let score = |delimiter: char| {
        let sample = records(&text[..end], delimiter).records;
        let Some((header, rows)) = sample.split_first() else { return (0, 0, 0) };
        let width = header.cells.len();
        let rows = &rows[..rows.len().min(50)];
        let even = rows.iter().filter(|r| r.cells.len() == width).count() * 100 / rows.len().max(1);
        if width < 2 { (0, 0, 0) } else { (knows(&header.cells), even, width) }
    };
    // The first of equals wins: `max_by_key` would take the last.
    DELIMITERS.into_iter().rev().max_by_key(|d| score(*d)).unwrap_or(';')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cells(text: &str, delimiter: char) -> Vec<(usize, Vec<String>)> {
        records(text, delimiter).records.into_iter().map(|r| (r.line, r.cells)).collect()
    }

    #[test]
    fn every_encoding_gives_the_same_text() {
        let text = "Réf;Prix\nA;2,40 €\n";
        let utf16 = |big: bool| {
            let mark: &[u8] = if big { &[0xfe, 0xff] } else { &[0xff, 0xfe] };
            let units = text.encode_utf16().flat_map(|u| if big { u.to_be_bytes() } else { u.to_le_bytes() });
            mark.iter().copied().chain(units).collect::<Vec<u8>>()
        };
        let windows = encoding_rs::WINDOWS_1252.encode(text).0.into_owned();
        let marked = [&[0xef, 0xbb, 0xbf], text.as_bytes()].concat();
        for bytes in [text.as_bytes().to_vec(), marked, windows, utf16(false), utf16(true)] {
            assert_eq!(decode(&bytes, false).as_deref(), Ok(text));
        }
    }

    #[test]
    fn half_a_character_is_noticed() {
        let text = "Réf;Nom\nA;Café".as_bytes();
        assert_eq!(decode(&text[..text.len() - 1], true), Err(NotText::Cut), "UTF-8 was proven by the header");
        assert_eq!(decode(b"ref;nom\nA;Caf\xe9", false), Err(NotText::PerhapsCut));
        assert_eq!(decode(b"ref;nom\nA;Caf\xe9", true).as_deref(), Ok("ref;nom\nA;Café"));
        assert_eq!(decode(b"\xff\xfea\0b", true), Err(NotText::Cut));
        assert_eq!(decode(b"ref;nom\n\0\0\0", true), Err(NotText::Zeros));
        assert_eq!(decode(b"PK\x03\x04....", true), Err(NotText::Workbook));
    }

    #[test]
    fn quotes_lines_and_blanks() {
        let text = "a;b\r\n\r\n;;\r\n\"x \"\"y\"\"\nz\";12\" écran\r\n \"q\" ; r \r\nend;1";
        assert_eq!(
            cells(text, ';'),
            [
                (1, vec!["a".into(), "b".into()]),
                (4, vec!["x \"y\"\nz".into(), "12\" écran".into()]),
                (6, vec!["q".into(), "r".into()]),
                (7, vec!["end".into(), "1".into()])
            ]
        );
        assert_eq!(records("a;b\n1;\"open\n2;3\n", ';').open_quote, Some(2));
        assert_eq!(cells("a;b\rc;d\r", ';').len(), 2, "lone carriage returns end lines");
    }

    #[test]
    fn the_delimiter_is_seen() {
        let knows = |cells: &[String]| cells.iter().filter(|c| ["sku", "prix", "nom"].contains(&c.as_str())).count();
        for (text, wanted) in [
            ("sku;nom;prix\nA;Pain, long;2,40\nB;Tarte;3,10\n", ';'),
            ("sku,nom,prix\nA,\"Pain; long\",2.40\n", ','),
            ("sku\tnom\tprix\nA\tPain\t2,40\n", '\t'),
            ("sku|nom|prix\nA|Pain|2,40\n", '|'),
            ("x;y\n1,5;2,5\n3,5;4,5\n", ';'),
            ("nom\nPain\n", ';'),
        ] {
            assert_eq!(sniff(text, knows), wanted, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_cut_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300), settled: bool) {
            if let Ok(text) = decode(&bytes, settled) {
                for delimiter in DELIMITERS {
                    let cut = records(&text, delimiter);
                    prop_assert!(cut.records.iter().all(|r| r.line <= text.len() + 1));
                }
                sniff(&text, |_| 0);
            }
        }

        #[test]
        fn what_is_quoted_comes_back(cells in prop::collection::vec("[a-z;\",\n é]{1,8}[a-z]", 1..5)) {
            let line = cells.iter().map(|c| format!("\"{}\"", c.replace('"', "\"\""))).collect::<Vec<_>>().join(";");
            let wanted: Vec<String> = cells.iter().map(|c| c.trim().to_owned()).collect();
            prop_assert_eq!(&records(&line, ';').records[0].cells, &wanted);
        }
    }
}
