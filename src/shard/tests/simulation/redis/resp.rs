//! Commands and replies on the wire.

/// Takes the command in front, if it is whole.
pub(super) fn take_command(unread: &mut Vec<u8>) -> Option<Vec<Vec<u8>>> {
    let mut place = 0;
    let count = take_length(unread, &mut place, b'*')?;
    let mut parts = Vec::with_capacity(count);
    for _ in 0..count {
        let length = take_length(unread, &mut place, b'$')?;
        parts.push(unread.get(place..place + length)?.to_vec());
        place += length + 2;
    }
    if place > unread.len() {
        return None;
    }
    unread.drain(..place);
    Some(parts)
}

/// The number in the line at this place, which begins with `kind`.
fn take_length(unread: &[u8], place: &mut usize, kind: u8) -> Option<usize> {
    let rest = unread.get(*place..)?;
    let end = rest.windows(2).position(|two| two == b"\r\n")?;
    assert_eq!(rest[0], kind, "a command");
    *place += end + 2;
    Some(std::str::from_utf8(&rest[1..end]).unwrap().parse().unwrap())
}

pub(super) fn text(text: &[u8]) -> Vec<u8> {
    [format!("${}\r\n", text.len()).as_bytes(), text, b"\r\n"].concat()
}

pub(super) fn number(number: usize) -> Vec<u8> {
    format!(":{number}\r\n").into_bytes()
}

pub(super) fn list(parts: &[Vec<u8>]) -> Vec<u8> {
    [format!("*{}\r\n", parts.len()).into_bytes(), parts.concat()].concat()
}
