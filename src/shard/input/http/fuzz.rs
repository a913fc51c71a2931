//! What holds of a proxy's header for any bytes.

use super::client_address::forwarded;

/// `X-Forwarded-For`: it does not matter over how many fields the entries are spread, and an address that is found is written as
/// it is read.
pub fn forwarded_for(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let entries: Vec<&str> = text.split(',').collect();
    for from_right in 1..=entries.len().min(4) {
        let found = forwarded([text].into_iter(), from_right);
        assert_eq!(forwarded(entries.iter().copied(), from_right), found);
        if let Some(address) = found {
            assert_eq!(forwarded([&*address.to_string()].into_iter(), 1), Some(address));
        }
    }
    assert_eq!(forwarded([text].into_iter(), entries.len() + 1), None);
}
