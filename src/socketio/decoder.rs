//! Decodes Engine.IO messages to packets: reads the header, checks the payload, collects the attachments.
//!
//! It accepts what Node's decoder accepts, including its oddities, with two exceptions: an ack id with blanks between
//! its digits, and an attachment count in hexadecimal, octal or binary, are refused.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use bytestring::ByteString;

use super::arguments::Arguments;
use super::decode_error::{DecodeError, DecodeLimits};
use super::json;
use super::message_pack::is_message_pack;
use super::packet::{Event, Packet, is_reserved};
use super::placeholders;
use crate::engineio::Millis;

/// The decoder of one session. While no attachments are missing it is one null pointer.
#[derive(Debug, Default)]
pub struct Decoder {
    partial: Option<Box<Partial>>,
}

/// A packet with missing attachments.
#[derive(Debug)]
struct Partial {
    packet: Packet,
    attachments: Vec<Bytes>,
    count: usize,
    /// Bytes of the packet.
    bytes: usize,
    /// Bytes of its text's buffer.
    text: usize,
    /// When it was first checked after its text or the latest attachment came.
    waiting_since: Option<Millis>,
}

impl Decoder {
    /// Takes the text of a message; returns the packet unless attachments must follow.
    ///
    /// `whole` is the text that contains `text`, if there is one. Then the packet shares its buffer; otherwise it has
    /// copies. A packet with missing attachments shares the buffer only if its text is at least half of it.
    ///
    /// # Errors
    /// If the text is not a packet, or attachments are missing. The decoder can be used again afterwards, but the
    /// session should be closed.
    ///
    /// # Panics
    /// If `text` is not a part of `whole`.
    pub fn text(
        &mut self,
        text: &str,
        whole: Option<&ByteString>,
        limits: &DecodeLimits,
    ) -> Result<Option<Packet>, DecodeError> {
        if self.partial.take().is_some() {
            return Err(DecodeError::UnexpectedText);
        }
        let (kind, rest) = packet_type(text)?;
        let (count, rest) = if matches!(kind, Type::BinaryEvent | Type::BinaryAck) {
            attachment_count(rest, limits)?
        } else {
            (0, rest)
        };
        // A packet that is kept must not keep the buffer of a much longer message.
        let whole = whole.filter(|whole| count == 0 || text.len() >= whole.len() / 2);
        let (namespace, rest) = namespace(whole, rest);
        let (id, rest) = ack_id(rest)?;
        let payload = rest.trim_end_matches([' ', '\t', '\n', '\r']);
        if !json::is_within_depth(payload, limits.max_depth) {
            return Err(DecodeError::TooDeep);
        }
        let packet = match kind {
            Type::Connect => Packet::Connect { namespace, auth: object(whole, payload)? },
            Type::Disconnect if payload.is_empty() => Packet::Disconnect { namespace },
            Type::Disconnect => return Err(DecodeError::InvalidPayload),
            Type::Event | Type::BinaryEvent => Packet::Event { namespace, id, event: event(whole, payload)? },
            Type::Ack | Type::BinaryAck => Packet::Ack { namespace, id, arguments: array(whole, payload)? },
            Type::ConnectError if payload.is_empty() || payload.starts_with(['{', '"']) && json::is_valid(payload) => {
                Packet::ConnectError { namespace }
            }
            Type::ConnectError => return Err(DecodeError::InvalidPayload),
        };
        if count == 0 {
            return Ok(Some(packet));
        }
        let bytes = text.len();
        if bytes > limits.max_bytes {
            return Err(DecodeError::TooLarge);
        }
        let text = whole.map_or(bytes, |whole| whole.len());
        self.partial =
            Some(Box::new(Partial { packet, attachments: Vec::new(), count, bytes, text, waiting_since: None }));
        Ok(None)
    }

    /// Takes the data of a binary message, an attachment; returns the packet if it is the last one.
    ///
    /// # Errors
    /// If no attachment is missing, the packet grows too large, or its placeholders do not fit.
    pub fn binary(&mut self, data: Bytes, limits: &DecodeLimits) -> Result<Option<Packet>, DecodeError> {
        let mut partial = self.partial.take().ok_or_else(|| unannounced(&data))?;
        partial.bytes = partial.bytes.saturating_add(data.len());
        if partial.bytes > limits.max_bytes {
            return Err(DecodeError::TooLarge);
        }
        partial.waiting_since = None;
        partial.attachments.push(data);
        if partial.attachments.len() < partial.count {
            self.partial = Some(partial);
            return Ok(None);
        }
        partial.finish().map(Some)
    }

    /// Bytes held of a packet with missing attachments, including its text's buffer.
    pub fn held(&self) -> usize {
        self.partial.as_ref().map_or(0, |partial| {
            let attachments: usize = partial.attachments.iter().map(|one| size_of::<Bytes>() + one.len()).sum();
            size_of::<Partial>() + partial.text + attachments
        })
    }

    /// Whether the next attachment has been missing for `patience` or longer. The time begins with the first call that
    /// finds it missing.
    pub fn is_overdue(&mut self, now: Millis, patience: Duration) -> bool {
        let Some(partial) = &mut self.partial else { return false };
        *partial.waiting_since.get_or_insert(now) + patience <= now
    }

    /// The client could not send: the time for the next attachment begins anew.
    pub fn wait_anew(&mut self) {
        if let Some(partial) = &mut self.partial {
            partial.waiting_since = None;
        }
    }

    /// Whether attachments are missing.
    pub const fn is_pending(&self) -> bool {
        self.partial.is_some()
    }
}

impl Partial {
    fn finish(mut self) -> Result<Packet, DecodeError> {
        let arguments = match &mut self.packet {
            Packet::Event { event: Some(event), .. } => &mut event.arguments,
            Packet::Ack { arguments: Some(arguments), .. } => arguments,
            _ => return Ok(self.packet),
        };
        let named = placeholders::look(arguments.json(), self.count).ok_or(DecodeError::IllegalPlaceholder)?;
        arguments.attach(named, self.attachments);
        Ok(self.packet)
    }
}

#[derive(Debug, Clone, Copy)]
enum Type {
    Connect,
    Disconnect,
    Event,
    Ack,
    ConnectError,
    BinaryEvent,
    BinaryAck,
}

/// The first character as JavaScript converts it to a number: nothing and blanks are 0.
fn packet_type(text: &str) -> Result<(Type, &str), DecodeError> {
    let mut chars = text.chars();
    let kind = match chars.next() {
        None | Some('0') => Type::Connect,
        Some('1') => Type::Disconnect,
        Some('2') => Type::Event,
        Some('3') => Type::Ack,
        Some('4') => Type::ConnectError,
        Some('5') => Type::BinaryEvent,
        Some('6') => Type::BinaryAck,
        Some(digit @ '7'..='9') => return Err(DecodeError::UnknownType(digit)),
        Some(blank) if is_blank(blank) => Type::Connect,
        Some(_) => return Err(DecodeError::TypeNotANumber),
    };
    Ok((kind, chars.as_str()))
}

/// The number of attachments, which may be written as any decimal number that is whole (`01`, `1e0`).
fn attachment_count<'a>(text: &'a str, limits: &DecodeLimits) -> Result<(usize, &'a str), DecodeError> {
    let (count, rest) = text.split_once('-').ok_or(DecodeError::IllegalCount)?;
    let count = count.trim_matches(is_blank);
    // The float parser also accepts names of numbers, which are not allowed here.
    if !count.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+')) {
        return Err(DecodeError::IllegalCount);
    }
    let count: f64 = count.parse().map_err(|_| DecodeError::IllegalCount)?;
    if count < 1.0 || count.fract() != 0.0 || count.is_infinite() {
        return Err(DecodeError::IllegalCount);
    }
    if count > f64::from(limits.max_attachments) {
        return Err(DecodeError::TooManyAttachments);
    }
    // Whole and at most `u32::MAX`.
    Ok((count as usize, rest))
}

/// The namespace, up to a comma; if that is missing, all the rest.
fn namespace<'a>(whole: Option<&ByteString>, rest: &'a str) -> (ByteString, &'a str) {
    if !rest.starts_with('/') {
        return (ByteString::from_static("/"), rest);
    }
    let (namespace, rest) = rest.split_once(',').unwrap_or((rest, ""));
    if namespace == "/" { (ByteString::from_static("/"), rest) } else { (share(namespace, whole), rest) }
}

fn unannounced(data: &[u8]) -> DecodeError {
    if is_message_pack(data) { DecodeError::MessagePack } else { DecodeError::UnexpectedBinary }
}

/// The ack id: digits and blanks, which alone are 0.
fn ack_id(text: &str) -> Result<(Option<u64>, &str), DecodeError> {
    let end = text.find(|c: char| !c.is_ascii_digit() && !is_blank(c)).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    if digits.is_empty() {
        return Ok((None, rest));
    }
    let digits = digits.trim_matches(is_blank).bytes();
    let id =
        digits.map(|byte| byte.is_ascii_digit().then(|| u64::from(byte - b'0'))).try_fold(0_u64, |id, digit| {
            digit.map(|digit| id.saturating_mul(10).saturating_add(digit)).ok_or(DecodeError::InvalidPayload)
        })?;
    Ok((Some(id), rest))
}

/// `part` of `whole`, sharing its buffer; a copy without a whole.
pub(crate) fn share(part: &str, whole: Option<&ByteString>) -> ByteString {
    match whole {
        Some(whole) => whole.slice_ref(part),
        None => ByteString::from(part),
    }
}

/// JavaScript's white space.
fn is_blank(c: char) -> bool {
    c == '\u{feff}' || c != '\u{85}' && c.is_whitespace()
}

fn object(whole: Option<&ByteString>, payload: &str) -> Result<Option<ByteString>, DecodeError> {
    if payload.is_empty() {
        return Ok(None);
    }
    if !payload.starts_with('{') || !json::is_valid(payload) {
        return Err(DecodeError::InvalidPayload);
    }
    Ok(Some(share(payload, whole)))
}

fn array(whole: Option<&ByteString>, payload: &str) -> Result<Option<Arguments>, DecodeError> {
    if payload.is_empty() {
        return Ok(None);
    }
    if !payload.starts_with('[') || !json::is_valid(payload) {
        return Err(DecodeError::InvalidPayload);
    }
    Ok(Some(Arguments::unnamed(share(payload, whole), Box::default())))
}

fn event(whole: Option<&ByteString>, payload: &str) -> Result<Option<Event>, DecodeError> {
    if payload.is_empty() {
        return Ok(None);
    }
    let name = json::event_name(payload).ok_or(DecodeError::InvalidPayload)?;
    if is_reserved(&name) {
        return Err(DecodeError::InvalidPayload);
    }
    let name = match name {
        Cow::Borrowed(name) => share(name, whole),
        Cow::Owned(name) => ByteString::from(name),
    };
    Ok(Some(Event { name, arguments: Arguments::named(share(payload, whole), Box::default()) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(text: &str) -> Result<Option<Packet>, DecodeError> {
        Decoder::default().text(text, None, &DecodeLimits::default())
    }

    #[test]
    fn an_idle_decoder_is_a_pointer() {
        assert_eq!(size_of::<Decoder>(), 8);
    }

    #[test]
    fn an_event_shares_the_buffer_it_came_in() {
        let text = ByteString::from("2[\"hello\",1] \n");
        let within = text.as_bytes().as_ptr_range();
        let packet = Decoder::default().text(&text, Some(&text), &DecodeLimits::default()).unwrap().unwrap();
        let Packet::Event { event: Some(Event { name, arguments }), .. } = packet else { panic!("{packet:?}") };
        assert_eq!((&*name, &**arguments.json()), ("hello", "[\"hello\",1]"));
        assert!(within.contains(&name.as_ptr()) && within.contains(&arguments.json().as_ptr()));
    }

    #[test]
    fn a_packet_that_awaits_attachments_keeps_no_much_longer_message() {
        let limits = DecodeLimits::default();
        for (before, shares) in [(0, true), (5, true), (100_000, false)] {
            let head = "51-/a,[\"hello\",{\"_placeholder\":true,\"num\":0}]";
            let whole = ByteString::from(format!("{}{head}", "x".repeat(before)));
            let mut decoder = Decoder::default();
            assert_eq!(decoder.text(&whole[before..], Some(&whole), &limits), Ok(None));
            assert_eq!(whole.as_bytes().is_unique(), !shares, "{before}");
            let held = size_of::<Partial>() + head.len() + if shares { before } else { 0 };
            assert_eq!(decoder.held(), held);
            assert!(matches!(decoder.binary(Bytes::from_static(b"b"), &limits), Ok(Some(Packet::Event { .. }))));
        }
    }

    #[test]
    fn a_huge_ack_id_is_the_largest() {
        for (text, expected) in [
            ("218446744073709551615", u64::MAX),
            ("218446744073709551614", u64::MAX - 1),
            ("299999999999999999999", u64::MAX),
        ] {
            let Ok(Some(Packet::Event { id, .. })) = decode(text) else { panic!("{text}") };
            assert_eq!(id, Some(expected));
        }
    }

    #[test]
    fn blanks_between_the_digits_of_an_ack_id_are_refused() {
        assert_eq!(decode("21 2[\"x\"]"), Err(DecodeError::InvalidPayload));
        assert!(decode("2\u{a0}12\u{feff}[\"x\"]").is_ok());
    }

    #[test]
    fn names_of_numbers_are_no_attachment_counts() {
        for count in ["inf", "Infinity", "nan", "0x2", "", ".", "e1", "9e999"] {
            assert_eq!(decode(&format!("5{count}-[\"x\"]")), Err(DecodeError::IllegalCount), "{count}");
        }
        assert_eq!(decode("5 +0.2e1 -[\"x\"]"), Ok(None));
    }

    #[test]
    fn a_payload_nests_no_deeper_than_the_limit() {
        let nested = |levels| format!("2[\"x\",{}{}]", "[".repeat(levels), "]".repeat(levels));
        assert!(decode(&nested(127)).is_ok());
        assert_eq!(decode(&nested(128)), Err(DecodeError::TooDeep));
        assert_eq!(decode(&"[".repeat(1_000_000).replacen('[', "2", 1)), Err(DecodeError::TooDeep));
    }

    #[test]
    fn a_packet_under_assembly_is_bounded() {
        let limits = DecodeLimits { max_bytes: 12, ..DecodeLimits::default() };
        let mut decoder = Decoder::default();
        assert_eq!(decoder.text("52-[\"x\"]", None, &limits), Ok(None));
        assert_eq!(decoder.binary(Bytes::from_static(b"1234"), &limits), Ok(None));
        assert_eq!(decoder.binary(Bytes::from_static(b"5"), &limits), Err(DecodeError::TooLarge));
        assert!(!decoder.is_pending());
        assert_eq!(decoder.text("52-[\"longer\"]", None, &limits), Err(DecodeError::TooLarge));
    }
}
