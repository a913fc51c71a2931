//! A server whose parser is MessagePack, as its program sees it.

use kinglet::{Binary, Config, EmitError, Parser};
use serde_json::{Value, json};

use crate::{config, serve};

#[test]
fn arguments_that_message_pack_cannot_hold_are_an_error_where_they_are_sent() {
    let nested = |levels| (0..levels).fold(Value::Null, |value, _| json!([value]));
    let lookalike = (json!({ "_placeholder": true, "num": 7 }), Binary::from(vec![1]));
    for (parser, fails) in [(Parser::Json, false), (Parser::MessagePack, true)] {
        let server = serve(Config { parser, ..config() }, |_| ());
        assert!(server.handle.emit("deep", nested(127)).is_ok());
        for emitted in [server.handle.emit("deep", nested(128)), server.handle.emit("lookalike", lookalike.clone())] {
            assert_eq!(matches!(emitted, Err(EmitError::MessagePack(_))), fails, "{emitted:?}");
        }
    }
}
