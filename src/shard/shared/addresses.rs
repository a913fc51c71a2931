//! Counts the sessions, or the connections, of each client address, if they are limited.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

/// The network part of an IPv6 address: a client with one address usually has the whole /64.
const NETWORK: u128 = !0 << 64;

/// The sessions, or the connections, of each address, over all shards. It is locked only when one is opened or ends.
#[derive(Debug)]
pub(in crate::shard) struct Addresses {
    most: usize,
    counts: Mutex<HashMap<IpAddr, usize>>,
}

impl Addresses {
    /// Limits each address to `most`.
    pub(super) fn new(most: usize) -> Self {
        Self { most, counts: Mutex::default() }
    }

    /// Counts one more of this address. Returns false, and counts nothing, at the limit.
    pub(in crate::shard) fn enter(&self, address: IpAddr) -> bool {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(counted_as(address)).or_default();
        let fits = *count < self.most;
        *count += usize::from(fits);
        fits
    }

    /// Counts one less of this address.
    pub(in crate::shard) fn leave(&self, address: IpAddr) {
        let address = counted_as(address);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&address);
            }
        }
    }
}

/// The address that is counted: an IPv4 address itself, of an IPv6 address its /64.
fn counted_as(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & NETWORK)),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_has_up_to_the_limit_and_is_forgotten_with_its_last_client() {
        let addresses = Addresses::new(2);
        let [one, other] = ["1.1.1.1", "2.2.2.2"].map(address);
        assert_eq!([one, one, one, other].map(|it| addresses.enter(it)), [true, true, false, true]);
        addresses.leave(one);
        assert_eq!([one, one].map(|it| addresses.enter(it)), [true, false]);
        for it in [one, one, other] {
            addresses.leave(it);
        }
        assert_eq!(addresses.counts.lock().unwrap().len(), 0);
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one_and_ipv4_in_ipv6_as_ipv4() {
        for (one, other, same) in [
            ("2001:db8::1", "2001:db8::ffff:0:0:1", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
            ("::ffff:1.1.1.1", "1.1.1.1", true),
            ("::ffff:1.1.1.1", "::ffff:1.1.1.2", false),
        ] {
            assert_eq!(counted_as(address(one)) == counted_as(address(other)), same, "{one} {other}");
        }
    }
}
