//! Lost sockets of a server that ends, which Redis keeps for the server where their clients show up.

use bytes::Bytes;

use super::instance::Instance;
use super::key::{Key, SIGNATURE};
use super::message::fields::{self, Fields};
use super::message::recovery::HandOver;
use crate::msgpack::{self, MsgpackError, Reader};

/// The version of the records.
const VERSION: u64 = 1;

/// Most bytes of a record.
pub(crate) const LONGEST: usize = 64 * 1024;

/// A lost socket, as its server has left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) namespace: Box<str>,
    /// The server, and the number of its mark among the events.
    pub(crate) instance: Instance,
    pub(crate) mark: u64,
    /// When it expires, in milliseconds since 1970 by the clock of that server.
    pub(crate) until: u64,
    /// The socket. What its client missed begins with what it may have received.
    pub(crate) hand_over: HandOver,
}

impl Record {
    /// At most so many bytes it takes.
    pub(crate) fn len(&self) -> usize {
        const REST: usize = 64 + SIGNATURE;
        REST + self.namespace.len() + self.hand_over.len()
    }

    /// The record on the wire, signed together with the name under which it is kept, if there is a key.
    pub(in crate::cluster) fn seal(&self, name: &str, key: Option<&Key>) -> Vec<u8> {
        let mut out = vec![0; key.map_or(0, |_| SIGNATURE)];
        msgpack::array(&mut out, 6);
        msgpack::uint(&mut out, VERSION);
        fields::text(&mut out, &self.namespace);
        fields::bytes(&mut out, &self.instance.0);
        msgpack::uint(&mut out, self.mark);
        msgpack::uint(&mut out, self.until);
        self.hand_over.write(&mut out);
        if let Some(key) = key {
            let signature = signature(key, name, out.get(SIGNATURE..).unwrap_or_default());
            out.iter_mut().zip(signature).for_each(|(to, from)| *to = from);
        }
        out
    }

    /// Reads a record. `None` if it is not signed as it should be, or not a record.
    pub(in crate::cluster) fn open(bytes: &Bytes, name: &str, key: Option<&Key>) -> Option<Self> {
        let Some(key) = key else { return Self::read(bytes).ok() };
        let (signed, rest) = bytes.split_at_checked(SIGNATURE)?;
        let is_genuine = key.are_equal(signed, &signature(key, name, rest));
        if is_genuine { Self::read(&bytes.slice(SIGNATURE..)).ok() } else { None }
    }

    fn read(bytes: &Bytes) -> Result<Self, MsgpackError> {
        let mut reader = Reader::new(bytes);
        let mut fields = Fields::begin(&mut reader, bytes)?;
        if fields.uint()? != VERSION {
            return Err(fields.wrong("a record of this version"));
        }
        let namespace = fields.text()?;
        let instance = fields.bytes()?.as_ref().try_into().map_err(|_| fields.wrong("a server"))?;
        let (mark, until) = (fields.uint()?, fields.uint()?);
        let hand_over = fields.inner(HandOver::read)?;
        fields.end()?;
        Ok(Self { namespace, instance: Instance(instance), mark, until, hand_over })
    }
}

fn signature(key: &Key, name: &str, record: &[u8]) -> [u8; SIGNATURE] {
    let mut signing = key.sign("lost");
    signing.update(&(name.len() as u64).to_be_bytes());
    signing.update(name.as_bytes());
    signing.update(record);
    signing.finish()
}

#[cfg(test)]
mod tests {
    use super::super::message::recovery::Progress;
    use super::*;
    use crate::config::Password;
    use crate::engineio::{Frames, Sid};
    use crate::socketio::Offset;

    #[test]
    fn a_record_is_read_under_its_name_and_with_its_key_only() {
        let hand_over = HandOver {
            generation: 1,
            is_doubtful: false,
            had_values: false,
            sid: Sid::parse("AAAAAAAAAAAAAAAAAAAA").unwrap(),
            rooms: vec!["room".into()],
            data: None,
            missed: vec![(Offset::default(), Frames::PING)],
            progress: Progress::default(),
        };
        let record =
            Record { namespace: "/".into(), instance: Instance([1, 2, 3]), mark: 4, until: u64::MAX, hand_over };
        let (one, other) = (Key::new(&Password::new("one")), Key::new(&Password::new("other")));
        let signed = Bytes::from(record.seal("name", Some(&one)));
        assert_eq!(Record::open(&signed, "name", Some(&one)), Some(record.clone()));
        for (name, key) in [("name", Some(&other)), ("names", Some(&one)), ("name", None)] {
            assert_eq!(Record::open(&signed, name, key), None);
        }
        let bare = Bytes::from(record.seal("name", None));
        assert_eq!(Record::open(&bare, "name", None), Some(record.clone()));
        assert_eq!(Record::open(&bare, "name", Some(&one)), None);
        assert!(signed.len() <= record.len() && bare.len() <= record.len());
        assert!((0..bare.len()).all(|length| Record::open(&bare.slice(..length), "name", None).is_none()));
    }
}
