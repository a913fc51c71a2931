//! The client's address of a request that came through proxies.

use std::net::{IpAddr, SocketAddr};

use crate::http::Head;

/// The address of the client: the TCP peer's, or, with trusted `proxies`, the address that the outermost of them saw, from
/// `X-Forwarded-For`. A request that did not pass so many proxies is not trusted, and counts as the peer's.
pub(in crate::shard::input) fn client_address(head: &Head<'_>, peer: SocketAddr, proxies: usize) -> SocketAddr {
    if proxies == 0 {
        return peer;
    }
    let fields = head.values("x-forwarded-for").filter_map(|value| std::str::from_utf8(value).ok());
    forwarded(fields, proxies).unwrap_or(peer)
}

/// The entry of the fields at that place from the right. An address without a port has port 0.
pub(super) fn forwarded<'a>(fields: impl Iterator<Item = &'a str>, from_right: usize) -> Option<SocketAddr> {
    let entries: Vec<&str> = fields.flat_map(|field| field.split(',')).map(str::trim).collect();
    let entry = *entries.get(entries.len().checked_sub(from_right)?)?;
    let bare = entry.strip_prefix('[').and_then(|entry| entry.strip_suffix(']')).unwrap_or(entry);
    entry.parse().ok().or_else(|| bare.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, 0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(fields: &[&str], from_right: usize) -> Option<String> {
        forwarded(fields.iter().copied(), from_right).map(|address| address.to_string())
    }

    #[test]
    fn hops_are_counted_from_the_right_over_all_fields() {
        let fields = ["1.1.1.1, 2.2.2.2", "3.3.3.3"];
        assert_eq!(found(&fields, 1).as_deref(), Some("3.3.3.3:0"));
        assert_eq!(found(&fields, 3).as_deref(), Some("1.1.1.1:0"));
        assert_eq!(found(&fields, 4), None);
        assert_eq!(found(&[], 1), None);
    }

    #[test]
    fn ports_and_both_families_are_understood() {
        assert_eq!(found(&["1.1.1.1:80"], 1).as_deref(), Some("1.1.1.1:80"));
        assert_eq!(found(&["2001:db8::1"], 1).as_deref(), Some("[2001:db8::1]:0"));
        assert_eq!(found(&["[2001:db8::1]"], 1).as_deref(), Some("[2001:db8::1]:0"));
        assert_eq!(found(&["[2001:db8::1]:80"], 1).as_deref(), Some("[2001:db8::1]:80"));
        assert_eq!(found(&["unknown"], 1), None);
    }
}
