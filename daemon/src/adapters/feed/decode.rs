//! Bytes of a feed as text, whatever they claim to be.
//!
//! In: bytes and the `Content-Type`. Out: text without a byte order mark and without control characters.
//! Never: fails. A label that does not fit the bytes is not believed.

use encoding_rs::{Encoding, ISO_2022_JP, REPLACEMENT, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// The text of these bytes.
pub(super) fn decode(bytes: &[u8], content_type: Option<&str>) -> String {
    let (encoding, bytes) = match Encoding::for_bom(bytes) {
        Some((encoding, mark)) => (encoding, &bytes[mark..]),
        None => (guess(bytes, content_type), bytes),
    };
    let (text, _) = encoding.decode_without_bom_handling(bytes);
    text.chars().filter(|c| !is_noise(*c)).collect()
}

/// Characters that XML forbids or that nobody can see.
pub(super) fn is_noise(c: char) -> bool {
    (c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}')) || matches!(c, '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

fn guess(bytes: &[u8], content_type: Option<&str>) -> &'static Encoding {
    // Without a mark, 16-bit text shows by the zero beside its first sign, which is "<", "{" or a space.
    match bytes {
        [b'<' | b'{' | b' ' | b'\n' | b'\r', 0, ..] => return UTF_16LE,
        [0, b'<' | b'{' | b' ' | b'\n' | b'\r', ..] => return UTF_16BE,
        _ => {}
    }
    let labels = [content_type.and_then(charset), declared(bytes)];
    // Text of 8 bits that says it is of 16 has been converted without its label.
    let label = labels.into_iter().flatten().find(|e| ![UTF_16LE, UTF_16BE, REPLACEMENT].contains(e));
    match std::str::from_utf8(bytes) {
        // Accents that happen to form good UTF-8 do not occur by accident. Only this encoding is all ASCII.
        Ok(_) if label == Some(ISO_2022_JP) => ISO_2022_JP,
        Ok(_) => UTF_8,
        Err(_) => match label.filter(|e| *e != UTF_8) {
            Some(label) => label,
            None if mostly_utf8(bytes) => UTF_8,
            None => WINDOWS_1252,
        },
    }
}

/// Whether these bytes are UTF-8 with a few broken places (a cut in the middle of a letter, say).
fn mostly_utf8(bytes: &[u8]) -> bool {
    let (mut good, mut bad) = (0, 0);
    for chunk in bytes.utf8_chunks() {
        good += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        bad += usize::from(!chunk.invalid().is_empty());
    }
    good > bad
}

/// The charset of a `Content-Type` such as `text/xml; charset="iso-8859-1"`.
fn charset(content_type: &str) -> Option<&'static Encoding> {
    content_type.split(';').skip(1).find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("charset")
            .then(|| Encoding::for_label(value.trim().trim_matches(['"', '\'']).as_bytes()))?
    })
}

/// The encoding in `<?xml version="1.0" encoding="…"?>`.
fn declared(bytes: &[u8]) -> Option<&'static Encoding> {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(400)]).into_owned();
    let head = head.trim_start().strip_prefix("<?xml")?.split("?>").next()?.to_owned();
    let value = head.split_once("encoding")?.1.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    Encoding::for_label(value[1..].split(quote).next()?.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_an_accent_is_read() {
        let utf16 = |big: bool, mark: bool| -> Vec<u8> {
            let text = if mark { "\u{feff}<a>été</a>" } else { "<a>été</a>" };
            text.encode_utf16().flat_map(|u| if big { u.to_be_bytes() } else { u.to_le_bytes() }).collect()
        };
        for (bytes, content_type) in [
            ("<a>été</a>".as_bytes().to_vec(), None),
            ("\u{feff}<a>été</a>".as_bytes().to_vec(), Some("text/xml; charset=iso-8859-1")),
            (b"<a>\xe9t\xe9</a>".to_vec(), None),
            (b"<a>\xe9t\xe9</a>".to_vec(), Some("text/xml; charset=utf-8")),
            (b"<a>\xe9t\xe9</a>".to_vec(), Some("text/xml; charset=\"ISO-8859-1\"")),
            ("<a>été</a>".as_bytes().to_vec(), Some("text/xml;charset=latin1")),
            ("<a>été</a>".as_bytes().to_vec(), Some("text/xml;charset=utf-16")),
            (utf16(false, true), None),
            (utf16(true, true), None),
            (utf16(false, false), None),
            (utf16(true, false), None),
        ] {
            assert_eq!(decode(&bytes, content_type), "<a>été</a>", "{bytes:?} as {content_type:?}");
        }
    }

    #[test]
    fn the_declaration_is_believed_when_it_fits() {
        let euro = b"<?xml version='1.0' encoding='windows-1252'?><a>\x80 \x93x\x94</a>";
        assert!(decode(euro, None).ends_with("<a>€ “x”</a>"));
        let greek = b"<?xml version=\"1.0\" encoding=\"ISO-8859-7\"?><a>\xe1</a>";
        assert!(decode(greek, None).ends_with("<a>α</a>"));
        let lie = "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a>é</a>";
        assert!(decode(lie.as_bytes(), None).ends_with("<a>é</a>"));
    }

    #[test]
    fn a_letter_cut_in_two_does_not_turn_the_rest_into_another_encoding() {
        assert_eq!(decode(b"<a>d\xc3\xa9j\xc3\xa0 \xc3", None), "<a>déjà \u{fffd}");
        assert_eq!(decode(b"a\x00b\x1bc\x7f", None), "abc");
    }
}
