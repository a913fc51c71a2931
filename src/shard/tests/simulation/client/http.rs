//! Answers to requests.

/// Takes the answer in front, if it is whole: its status and body.
pub(super) fn take_answer(received: &mut Vec<u8>) -> Option<(u16, String)> {
    let end = received.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = String::from_utf8(received[..end].to_vec()).unwrap();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().unwrap())
    });
    let whole = end + length.unwrap_or(0);
    if received.len() < whole {
        return None;
    }
    let body = String::from_utf8(received[end..whole].to_vec()).unwrap();
    received.drain(..whole);
    Some((head.split(' ').nth(1).unwrap().parse().unwrap(), body))
}
