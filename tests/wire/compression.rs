//! Compression of polling answers, as captured.

use std::io::Read;

use crate::support::{Polling, Response, Server, Vectors};

/// The entries judged here.
pub const JUDGED: &[&str] = &["eb-079", "eb-080"];

#[test]
fn answers_of_1024_bytes_are_compressed_as_the_client_prefers() {
    let (server, vectors) = (Server::start(), Vectors::behaviour());
    for (id, accepted) in [("eb-079", "gzip, deflate, br"), ("eb-080", "deflate;q=1, gzip;q=0.5")] {
        let headers = &vectors.get(id)["headers"];
        let response = answer_of_length(&server, 1024, accepted);
        for name in ["content-type", "content-encoding", "cache-control"] {
            assert_eq!(response.header(name).as_deref(), headers[name].as_str(), "{id}: {name}");
        }
        assert_eq!(plain(&response), expected(1024), "{id}");
    }
}

#[test]
fn shorter_answers_and_other_clients_are_not_compressed() {
    let server = Server::start();
    for (length, accepted) in [(1023, "gzip"), (2000, "br"), (2000, "identity"), (2000, "gzip;q=0")] {
        let response = answer_of_length(&server, length, accepted);
        assert_eq!(response.header("content-encoding"), None, "{length} {accepted}");
        assert_eq!(response.header("content-length"), Some(length.to_string()), "{length} {accepted}");
        response.assert_is(200, &expected(length));
    }
}

/// An acknowledgement that makes a payload of this length.
fn expected(length: usize) -> String {
    format!("430[\"{}\"]", "x".repeat(length - 7))
}

/// The answer to a GET that carries a payload of this length.
fn answer_of_length(server: &Server, length: usize, accepted: &str) -> Response {
    let mut session = Polling::connected(server);
    session.post_ok(&format!("420[\"big\",{}]", length - 7));
    let request = session.get_request().replace("\r\n\r\n", &format!("\r\nAccept-Encoding: {accepted}\r\n\r\n"));
    let mut connection = session.attach();
    connection.send(request.as_bytes());
    connection.response()
}

fn plain(response: &Response) -> String {
    let (mut text, body) = (String::new(), response.body.as_slice());
    match response.header("content-encoding").as_deref() {
        Some("gzip") => flate2::read::GzDecoder::new(body).read_to_string(&mut text),
        Some("deflate") => flate2::read::ZlibDecoder::new(body).read_to_string(&mut text),
        other => panic!("{other:?}"),
    }
    .expect("a compressed body");
    text
}
