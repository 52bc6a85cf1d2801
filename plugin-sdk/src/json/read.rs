//! The reader.
//!
//! In: bytes. Out: a value, or where it stops being JSON. Never: more than 128 levels, which would be the stack's end.

use super::Error;
use super::value::{Digits, Map, Number, Value};

/// How deep lists and objects may be nested.
const DEPTH: u32 = 128;

/// Reads one document, and nothing behind it.
pub(super) fn document(bytes: &[u8]) -> Result<Value, Error> {
    let mut reader = Reader { text: "", at: 0, left: DEPTH };
    let read = std::str::from_utf8(bytes).ok().and_then(|text| {
        reader.text = text;
        let value = reader.value()?;
        reader.blank();
        (reader.at == text.len()).then_some(value)
    });
    read.ok_or_else(|| {
        let end = if reader.text.len() == bytes.len() && reader.at == bytes.len() { ": it is cut short" } else { "" };
        Error(format!("no JSON from byte {}{end}", reader.at))
    })
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// Levels that may still be opened.
    left: u32,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    /// Steps over this byte, if it is next.
    fn eat(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn word(&mut self, word: &str, value: Value) -> Option<Value> {
        word.bytes().all(|byte| self.eat(byte)).then_some(value)
    }

    fn value(&mut self) -> Option<Value> {
        self.blank();
        match self.peek()? {
            b'n' => self.word("null", Value::Null),
            b't' => self.word("true", Value::Bool(true)),
            b'f' => self.word("false", Value::Bool(false)),
            b'"' => self.string().map(Value::String),
            b'[' | b'{' => {
                self.left = self.left.checked_sub(1)?;
                let value = if self.eat(b'[') { self.list() } else { self.object() };
                self.left += 1;
                value
            }
            _ => self.number(),
        }
    }

    /// What follows `[`.
    fn list(&mut self) -> Option<Value> {
        let mut list = Vec::new();
        self.blank();
        if !self.eat(b']') {
            loop {
                list.push(self.value()?);
                if self.ends(b']')? {
                    break;
                }
            }
        }
        Some(Value::Array(list))
    }

    /// From `{` on.
    fn object(&mut self) -> Option<Value> {
        let mut list = Vec::new();
        self.at += 1;
        self.blank();
        if !self.eat(b'}') {
            loop {
                self.blank();
                let name = self.string()?;
                self.blank();
                if !self.eat(b':') {
                    return None;
                }
                list.push((name, self.value()?));
                if self.ends(b'}')? {
                    break;
                }
            }
        }
        Some(Value::Object(Map::of(list)))
    }

    /// After an item: whether that was the last one. Nothing when neither a comma nor the end follows.
    fn ends(&mut self, end: u8) -> Option<bool> {
        self.blank();
        if self.eat(end) {
            return Some(true);
        }
        self.eat(b',').then_some(false)
    }

    fn string(&mut self) -> Option<String> {
        if !self.eat(b'"') {
            return None;
        }
        let mut text = String::new();
        loop {
            let start = self.at;
            while !matches!(self.peek()?, b'"' | b'\\' | 0..0x20) {
                self.at += 1;
            }
            // Signs of one byte are at both ends, so that it is cut between letters.
            text.push_str(self.text.get(start..self.at)?);
            if self.eat(b'"') {
                return Some(text);
            }
            if !self.eat(b'\\') {
                return None;
            }
            let letter = self.peek()?;
            self.at += 1;
            text.push(match letter {
                b'"' | b'\\' | b'/' => char::from(letter),
                b'b' => '\u{8}',
                b'f' => '\u{c}',
                b'n' => '\n',
                b'r' => '\r',
                b't' => '\t',
                b'u' => self.escaped()?,
                _ => return None,
            });
        }
    }

    /// What follows `\u`: four digits, or two times four.
    fn escaped(&mut self) -> Option<char> {
        let mut code = self.hex()?;
        if (0xd800..0xdc00).contains(&code) && self.eat(b'\\') && self.eat(b'u') {
            let low = self.hex()?.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
            code = 0x1_0000 + ((code - 0xd800) << 10) + low;
        }
        char::from_u32(code)
    }

    fn hex(&mut self) -> Option<u32> {
        let mut code = 0;
        for _ in 0..4 {
            code = code << 4 | char::from(self.peek()?).to_digit(16)?;
            self.at += 1;
        }
        Some(code)
    }

    /// Steps over digits; nothing when there is none.
    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    fn number(&mut self) -> Option<Value> {
        let start = self.at;
        let negative = self.eat(b'-');
        if !self.eat(b'0') {
            self.digits()?;
        }
        let whole = self.at;
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            if !self.eat(b'-') {
                self.eat(b'+');
            }
            self.digits()?;
        }
        let text = self.text.get(start..self.at)?;
        let digits = if self.at > whole {
            None
        } else if negative {
            text.parse().ok().filter(|number| *number < 0).map(Digits::Down)
        } else {
            text.parse().ok().map(Digits::Up)
        };
        Some(Value::Number(Number(digits.unwrap_or_else(|| Digits::Text(text.to_owned())))))
    }
}
