//! How many sessions, or connections, each client address has, if that is bounded.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

/// The part of an IPv6 address that is a network's: whoever has one address has the whole of it.
const NETWORK: u128 = !0 << 64;

/// The sessions, or the connections, of each address, over all shards. Only what opens or ends one looks at it.
#[derive(Debug)]
pub(in crate::shard) struct Addresses {
    most: usize,
    counts: Mutex<HashMap<IpAddr, usize>>,
}

impl Addresses {
    /// Bounds what an address has by `most`.
    pub(super) fn new(most: usize) -> Self {
        Self { most, counts: Mutex::default() }
    }

    /// Counts one more of this address; false if it is one too many, and then it is not counted.
    pub(in crate::shard) fn enter(&self, address: IpAddr) -> bool {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(counted_as(address)).or_default();
        let fits = *count < self.most;
        *count += usize::from(fits);
        fits
    }

    /// One that was counted is over.
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

/// Whom an address stands for: an IPv4 address for itself, one of IPv6 for its /64.
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
    fn an_address_has_as_many_as_it_may_and_nothing_is_kept_of_who_left() {
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
