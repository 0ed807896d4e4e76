//! The words of a filter.

use super::error::Why;
use super::planted::{Defect, is_planted, step};

/// A word of a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'t> {
    /// Of a name, an operator or a function.
    Word(&'t str),
    /// What is between quotes, as it is written.
    Text(&'t str),
    Integer(i64),
    Open,
    Close,
    Comma,
    End,
}

/// Takes a text apart. Each byte is looked at once.
#[derive(Debug)]
pub(super) struct Tokens<'t> {
    text: &'t str,
    at: usize,
}

/// What is wrong, and at which byte.
pub(super) type Found<T> = Result<T, (usize, Why)>;

impl<'t> Tokens<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    /// The next one, and where it begins. At the end that comes again and again.
    pub(super) fn next(&mut self) -> Found<(Token<'t>, usize)> {
        step();
        self.take_while(|byte| byte.is_ascii_whitespace());
        let start = self.at;
        let Some(first) = self.text.as_bytes().get(start) else { return Ok((Token::End, start)) };
        let token = match first {
            b'(' => self.one(Token::Open),
            b')' => self.one(Token::Close),
            b',' => self.one(Token::Comma),
            b'\'' => self.quoted(start)?,
            b'+' | b'-' | b'0'..=b'9' => self.integer(start)?,
            byte if is_of_word(*byte) => Token::Word(self.take_while(is_of_word)),
            _ => {
                let char = self.text[start..].chars().next().unwrap_or_default();
                return Err((start, Why::Character(char)));
            }
        };
        Ok((token, start))
    }

    fn one(&mut self, token: Token<'t>) -> Token<'t> {
        self.at += 1;
        token
    }

    fn take_while(&mut self, is_taken: impl Fn(u8) -> bool) -> &'t str {
        let rest = &self.text[self.at..];
        let len = rest.bytes().position(|byte| !is_taken(byte)).unwrap_or(rest.len());
        self.at += len;
        &rest[..len]
    }

    fn quoted(&mut self, start: usize) -> Found<Token<'t>> {
        let (bytes, mut end) = (self.text.as_bytes(), start + 1);
        loop {
            match bytes.get(end..) {
                Some([b'\'', b'\'', ..]) => end += 2,
                Some([b'\'', ..]) => break,
                Some([_, ..]) => end += 1,
                _ => return Err((start, Why::OpenText)),
            }
        }
        self.at = end + 1;
        Ok(Token::Text(&self.text[start + 1..end]))
    }

    fn integer(&mut self, start: usize) -> Found<Token<'t>> {
        let sign = &self.text[start..start + 1];
        if matches!(sign, "+" | "-") {
            self.at += 1;
        }
        let digits = self.take_while(|byte| byte.is_ascii_digit());
        if digits.is_empty() {
            let char = sign.chars().next().unwrap_or_default();
            return Err((start, Why::Character(char)));
        }
        if !self.take_while(is_of_word).is_empty() {
            return Err((start, Why::Integer));
        }
        let number = if is_planted(Defect::ForgetsTheSign) { digits } else { &self.text[start..self.at] };
        number.parse().map(Token::Integer).map_err(|_| (start, Why::Integer))
    }
}

fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}
