//! Requests, and answers to them.

/// The request that fetches packets, or opens a session.
pub(super) fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")
}

/// The request that brings packets.
pub(super) fn post(target: &str, body: &str) -> String {
    format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// Takes the answer in front, if it is whole: its status and body.
pub(super) fn take_answer(received: &mut Vec<u8>) -> Option<(u16, String)> {
    let (end, head) = head(received)?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().unwrap())
    });
    let whole = end + length.unwrap_or(0);
    if received.len() < whole {
        return None;
    }
    let status = status(&head);
    let body = String::from_utf8(received[end..whole].to_vec()).unwrap();
    received.drain(..whole);
    Some((status, body))
}

/// Takes the head of the answer in front, if it is whole, and gives its status.
pub(super) fn take_head(received: &mut Vec<u8>) -> Option<u16> {
    let (end, head) = head(received)?;
    received.drain(..end);
    Some(status(&head))
}

fn head(received: &[u8]) -> Option<(usize, String)> {
    let end = received.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    Some((end, String::from_utf8(received[..end].to_vec()).unwrap()))
}

fn status(head: &str) -> u16 {
    head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("an answer {head:?}"))
}
