//! The form of a message between instances: `[version, address, signature or nil, kind, body]` in MessagePack.
//!
//! The address has a fixed length and says who speaks to whom and where the message stands among others. The signature covers
//! the rest, in this order: kind and body, version, address. So the part that is long is signed before the message has
//! its number.

use bytes::Bytes;
use thiserror::Error;

use super::instance::Instance;
use super::key::{Key, SIGNATURE, Signing};
use super::message::Message;
use crate::cluster::dropped::DropReason;
use crate::msgpack::{Head, MsgpackError, Reader};

/// The version of the messages. Instances of other versions are strangers.
const VERSION: u8 = 1;

/// Parts of a message.
const PARTS: u8 = 5;

/// Bytes of an address.
const ADDRESS: usize = 31;

/// Names a process: two instances of the same name have different ones.
pub(super) type Boot = [u8; 8];

/// Who speaks to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) from: Instance,
    pub(super) boot: Boot,
    /// The sender's epoch: it begins another one when what was under way is over.
    pub(super) epoch: u32,
    /// The receiver; `None`: all.
    pub(super) to: Option<Instance>,
    /// The receiver's epoch, as far as the sender knows it.
    pub(super) their_epoch: u32,
    /// The message's number since both epochs are so, or among those to all; from 1.
    pub(super) number: u64,
}

/// Why a message cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(in crate::cluster) enum EnvelopeError {
    /// It is not what it should be.
    #[error(transparent)]
    Encoding(#[from] MsgpackError),
    /// It is of another version of kinglet.
    #[error("its version is {0} instead of {VERSION}")]
    Version(u64),
    /// It has no signature, another key's, or one that is not expected.
    #[error("it is not signed with this server's KINGLET_PEER_KEY")]
    Signature,
}

impl EnvelopeError {
    /// The reason for the counter of dropped messages.
    pub(in crate::cluster) const fn drop_reason(self) -> DropReason {
        match self {
            Self::Encoding(_) => DropReason::Encoding,
            Self::Version(_) => DropReason::Type,
            Self::Signature => DropReason::Signature,
        }
    }
}

impl Address {
    fn to_bytes(self) -> [u8; ADDRESS] {
        let mut bytes = [0; ADDRESS];
        let to = self.to.map_or([0; 3], |to| to.0);
        let parts = [
            &self.from.0[..],
            &self.boot,
            &self.epoch.to_be_bytes(),
            &[u8::from(self.to.is_some())],
            &to,
            &self.their_epoch.to_be_bytes(),
            &self.number.to_be_bytes(),
        ];
        bytes.iter_mut().zip(parts.into_iter().flatten()).for_each(|(to, from)| *to = *from);
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (from, rest) = bytes.split_first_chunk()?;
        let (boot, rest) = rest.split_first_chunk()?;
        let (epoch, rest) = rest.split_first_chunk()?;
        let ([is_for_one], rest) = rest.split_first_chunk()?;
        let (to, rest) = rest.split_first_chunk()?;
        let (their_epoch, rest) = rest.split_first_chunk()?;
        let number = rest.try_into().ok()?;
        Some(Self {
            from: Instance(*from),
            boot: *boot,
            epoch: u32::from_be_bytes(*epoch),
            to: (*is_for_one != 0).then_some(Instance(*to)),
            their_epoch: u32::from_be_bytes(*their_epoch),
            number: u64::from_be_bytes(number),
        })
    }
}

/// Bytes before the kind, without a signature and with one.
const HEAD: usize = 2 + 2 + ADDRESS + 1;
const SIGNED_HEAD: usize = HEAD + 1 + SIGNATURE;

/// A message that has everything but its address.
pub(super) struct Draft {
    bytes: Vec<u8>,
    signing: Option<Signing>,
}

impl Draft {
    pub(super) fn new(message: &Message, key: Option<&Key>) -> Self {
        let head = if key.is_some() { SIGNED_HEAD } else { HEAD };
        let mut bytes = Vec::with_capacity(head + message.len());
        bytes.resize(head, 0);
        message.write(&mut bytes);
        let signing = key.map(|key| {
            let mut signing = sign(key);
            signing.update(bytes.get(head..).unwrap_or_default());
            signing
        });
        Self { bytes, signing }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn finish(mut self, address: Address) -> Bytes {
        let address = address.to_bytes();
        let signature = self.signing.map(|mut signing| {
            signing.update(&[VERSION]);
            signing.update(&address);
            signing.finish()
        });
        let begin = [0x90 | PARTS, VERSION, 0xc4, ADDRESS as u8];
        let mark: &[u8] = if signature.is_some() { &[0xc4, SIGNATURE as u8] } else { &[0xc0] };
        let head = begin.iter().chain(&address).chain(mark).chain(signature.iter().flatten());
        self.bytes.iter_mut().zip(head).for_each(|(to, from)| *to = *from);
        self.bytes.into()
    }
}

fn sign(key: &Key) -> Signing {
    key.sign("peer")
}

/// Reads a message. With a key, only signed ones are read; without one, only those that are not signed.
pub(super) fn open(bytes: &Bytes, key: Option<&Key>) -> Result<(Address, Message), EnvelopeError> {
    let mut reader = Reader::new(bytes);
    let length = reader.array()?;
    let version = reader.uint()?;
    if version != u64::from(VERSION) {
        return Err(EnvelopeError::Version(version));
    }
    if length != u32::from(PARTS) {
        return Err(MsgpackError::Unexpected { expected: "five parts", found: "others", at: 0 }.into());
    }
    let at = reader.at();
    let address = match reader.head()? {
        Head::Bin(address) => address,
        found => return Err(crate::msgpack::unexpected("an address", found, at).into()),
    };
    let Some(parsed) = Address::from_bytes(address) else {
        return Err(MsgpackError::Unexpected { expected: "an address", found: "other bytes", at }.into());
    };
    let at = reader.at();
    let signature = match reader.head()? {
        Head::Bin(signature) => Some(signature),
        Head::Nil => None,
        found => return Err(crate::msgpack::unexpected("a signature or nil", found, at).into()),
    };
    if !is_genuine(key, signature, bytes.get(reader.at()..).unwrap_or_default(), address) {
        return Err(EnvelopeError::Signature);
    }
    let message = Message::read(&mut reader, bytes)?;
    reader.end()?;
    Ok((parsed, message))
}

fn is_genuine(key: Option<&Key>, signature: Option<&[u8]>, rest: &[u8], address: &[u8]) -> bool {
    let (Some(key), Some(signature)) = (key, signature) else { return key.is_none() && signature.is_none() };
    let mut signing = sign(key);
    [rest, &[VERSION], address].into_iter().for_each(|part| signing.update(part));
    key.are_equal(signature, &signing.finish())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cluster::peers::message::Body;
    use crate::cluster::peers::message::relay::{ExchangeNumber, Relay, ToEntry, ToOwner};
    use crate::config::Password;

    fn key(secret: &str) -> Key {
        Key::new(&Password::new(secret))
    }

    fn sealed(address: Address, message: &Message, key: Option<&Key>) -> Bytes {
        Draft::new(message, key).finish(address)
    }

    fn address() -> impl Strategy<Value = Address> {
        let name = any::<[u8; 3]>().prop_map(Instance);
        let to = prop::option::of(name.clone());
        (name, any::<Boot>(), any::<u32>(), to, any::<u32>(), any::<u64>()).prop_map(
            |(from, boot, epoch, to, their_epoch, number)| Address { from, boot, epoch, to, their_epoch, number },
        )
    }

    fn message() -> impl Strategy<Value = Message> {
        let exchange = ExchangeNumber::new(1, 2);
        prop_oneof![
            Just(Message::Hello),
            Just(Message::Welcome),
            Just(Message::Bye),
            Just(Message::Body(Body::Relay(Relay::ToEntry { exchange, what: ToEntry::Gone }))),
            prop::collection::vec(any::<u8>(), 0..300).prop_map(move |bytes| {
                let what = ToOwner::Up(bytes.into());
                Message::Body(Body::Relay(Relay::ToOwner { shard: 3, exchange, what }))
            }),
        ]
    }

    proptest! {
        #[test]
        fn what_is_sealed_is_opened(address in address(), message in message(), signed: bool) {
            let key = signed.then(|| key("a secret"));
            let bytes = sealed(address, &message, key.as_ref());
            prop_assert_eq!(open(&bytes, key.as_ref()), Ok((address, message)));
        }

        #[test]
        fn what_is_changed_is_not_genuine(message in message(), address in address(), at: prop::sample::Index, bit in 0_u8..8) {
            let key = key("a secret");
            let mut bytes = sealed(address, &message, Some(&key)).to_vec();
            let at = at.index(bytes.len());
            bytes[at] ^= 1_u8 << bit;
            prop_assert!(open(&bytes.into(), Some(&key)).is_err());
        }

        #[test]
        fn what_is_cut_short_is_refused(message in message(), address in address(), at: prop::sample::Index) {
            let bytes = sealed(address, &message, None);
            prop_assert!(open(&bytes.slice(..at.index(bytes.len())), None).is_err());
        }
    }

    const ADDRESSED: Address = Address {
        from: Instance([1, 2, 3]),
        boot: [4; 8],
        epoch: 5,
        to: Some(Instance([6, 7, 8])),
        their_epoch: 9,
        number: 10,
    };

    #[test]
    fn the_parts_stand_in_the_documented_order() {
        let bytes = sealed(ADDRESSED, &Message::Hello, None);
        let address =
            b"\x01\x02\x03\x04\x04\x04\x04\x04\x04\x04\x04\0\0\0\x05\x01\x06\x07\x08\0\0\0\x09\0\0\0\0\0\0\0\x0a";
        assert_eq!(bytes, [b"\x95\x01\xc4\x1f", &address[..], b"\xc0\x01\xc0"].concat());
        assert_eq!(sealed(ADDRESSED, &Message::Hello, Some(&key("k"))).len(), bytes.len() + 1 + SIGNATURE);
    }

    #[test]
    fn only_the_same_key_opens_and_without_one_nothing_signed() {
        let (one, other) = (key("one"), key("other"));
        for (with, by) in [(Some(&one), Some(&other)), (Some(&one), None), (None, Some(&one))] {
            let bytes = sealed(ADDRESSED, &Message::Bye, with);
            assert_eq!(open(&bytes, by), Err(EnvelopeError::Signature));
        }
    }

    #[test]
    fn other_versions_are_strangers_and_unknown_kinds_have_their_place() {
        let mut bytes = sealed(ADDRESSED, &Message::Bye, None).to_vec();
        bytes[36] = 99;
        assert_eq!(open(&bytes.clone().into(), None), Ok((ADDRESSED, Message::Unknown)));
        bytes[1] = 2;
        assert_eq!(open(&bytes.into(), None), Err(EnvelopeError::Version(2)));
    }
}
