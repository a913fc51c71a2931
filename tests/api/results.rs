//! What handlers return is the acknowledgement: values, errors, and the typed form of handlers.

use std::sync::mpsc::channel;
use std::{fmt, thread};

use kinglet::{Arguments, Binary, Config, EmitError, HandlerError, Limits, Outcome};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::client::Client;
use crate::{Served, config, serve};

#[derive(Serialize, Deserialize)]
struct Position {
    x: i64,
}

/// A value that no JSON can hold: a map with a key that is a list.
fn unwritable() -> std::collections::BTreeMap<Vec<u8>, u8> {
    [(vec![1], 2)].into()
}

/// An error of a program.
#[derive(Debug)]
struct Coded(u32);

impl fmt::Display for Coded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error {}", self.0)
    }
}

impl std::error::Error for Coded {}

type Handled<T> = Result<T, Box<dyn std::error::Error>>;

/// Sends events with ack ids, and panics unless their acknowledgements are these.
fn answers(client: &mut Client, exchanges: &[(&str, &str)]) {
    for (event, answer) in exchanges {
        client.send(&format!("427{event}"));
        client.expect(&format!("437{answer}"));
    }
}

fn errors(server: &Served) -> (u64, u64) {
    let metrics = server.handle.metrics();
    (metrics.handler_errors, metrics.handler_panics)
}

#[test]
fn a_handler_s_value_is_the_acknowledgement() {
    let server = serve(config(), |server| {
        server
            .of("/")
            .on("text", |_, _| "text")
            .on("number", |_, _| 7)
            .on("many", |_, _| (1, "two", [3], Position { x: 4 }))
            .on("one", |_, _| (Position { x: 4 },))
            .on("nothing", |_, _| None::<u8>)
            .on("json", |_, _| json!({ "a": [null] }))
            .on("received", |_, event| event.arguments().clone())
            .on("fine", |_, _| Ok::<_, EmitError>(8))
            .on("read", |_, event| -> Handled<_> {
                let (Position { x },) = event.args()?;
                Ok(vec![x])
            });
    });
    let mut client = server.client();
    let exchanges = [
        ("[\"text\"]", "[\"text\"]"),
        ("[\"number\"]", "[7]"),
        ("[\"many\"]", "[1,\"two\",[3],{\"x\":4}]"),
        ("[\"one\"]", "[{\"x\":4}]"),
        ("[\"nothing\"]", "[null]"),
        ("[\"json\"]", "[{\"a\":[null]}]"),
        ("[\"received\"]", "[]"),
        ("[\"received\", 1,[2]]", "[1,[2]]"),
        ("[\"fine\"]", "[8]"),
        ("[\"read\",{\"x\":-1}]", "[[-1]]"),
    ];
    answers(&mut client, &exchanges);
    client.send("42[\"number\"]");
    answers(&mut client, &exchanges[..1]);
    assert_eq!(errors(&server), (0, 0));
}

#[test]
fn nothing_is_acknowledged_for_nothing() {
    let server = serve(config(), |server| {
        server
            .of("/")
            .on("quiet", |_, _| ())
            .on("fine", |_, _| Ok::<(), EmitError>(()))
            .on("last", |_, _| "last")
            .on("twice", |_, event| event.ack("first").map(|()| "second"));
    });
    let mut client = server.client();
    client.send("427[\"quiet\"]");
    client.send("427[\"fine\"]");
    answers(&mut client, &[("[\"twice\"]", "[\"first\"]"), ("[\"last\"]", "[\"last\"]")]);
}

#[test]
fn binary_in_a_result_is_an_attachment() {
    let server = serve(config(), |server| {
        server.of("/").on("picture", |_, _| ("a", Binary::from(vec![1])));
    });
    let mut client = server.client();
    client.send("427[\"picture\"]");
    client.expect("461-7[\"a\",{\"_placeholder\":true,\"num\":0}]");
}

#[test]
fn an_error_and_a_panic_are_the_acknowledgement() {
    let server = serve(config(), |server| {
        server
            .of("/")
            .on("fail", |_, _| Err::<(), _>("no \"room\"\nleft"))
            .on("boxed", |_, event| -> Handled<_> { Ok(event.args::<(u8,)>()?) })
            .on("panic", |_, _| -> () { panic!("a handler that panics") })
            .on("unwritable", |_, _| unwritable())
            .on("unwritable, by itself", |_, event| event.ack(unwritable()))
            .on("answered", |_, event| event.ack("before").and(Err::<(), _>(EmitError::Binary)));
    });
    let mut client = server.client();
    let unwritable = r#"[{"error":"the arguments cannot be written as JSON: key must be a string"}]"#;
    let exchanges = [
        ("[\"fail\"]", r#"[{"error":"no \"room\"\nleft"}]"#),
        ("[\"boxed\"]", r#"[{"error":"invalid length 0, expected a tuple of size 1 at line 1 column 9"}]"#),
        ("[\"panic\"]", r#"[{"error":"internal error"}]"#),
        ("[\"unwritable\"]", unwritable),
        ("[\"unwritable, by itself\"]", unwritable),
        ("[\"answered\"]", "[\"before\"]"),
    ];
    answers(&mut client, &exchanges);
    client.send("42[\"fail\"]");
    answers(&mut client, &exchanges[..1]);
    assert_eq!(errors(&server), (7, 1));
}

/// An error that panics when it is told.
struct Untellable;

impl fmt::Display for Untellable {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("of the text");
    }
}

/// An error that panics when it is dropped.
struct Undroppable;

impl fmt::Display for Undroppable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("told")
    }
}

impl Drop for Undroppable {
    fn drop(&mut self) {
        panic!("of the destructor");
    }
}

/// A value that panics when it is written.
struct Unspeakable;

impl Serialize for Unspeakable {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("of the value");
    }
}

#[test]
fn a_result_that_panics_is_a_panic_of_its_handler() {
    let server = serve(Config { blocking_threads: 1, ..config() }, |server| {
        server
            .of("/")
            .on("text", |_, _| Err::<(), _>(Untellable))
            .on("end", |_, _| Err::<(), _>(Undroppable))
            .on("value", |_, _| (Unspeakable,))
            .on_blocking("blocking text", |_, _| Err::<(), _>(Untellable))
            .on_blocking("blocking end", |_, _| Err::<(), _>(Undroppable))
            .on_blocking("blocking value", |_, _| (Unspeakable,));
    });
    let mut client = server.client();
    let internal = "[{\"error\":\"internal error\"}]";
    for (kind, answer) in [("text", internal), ("end", "[{\"error\":\"told\"}]"), ("value", internal)] {
        for event in [format!("[\"{kind}\"]"), format!("[\"blocking {kind}\"]")] {
            answers(&mut client, &[(&event, answer)]);
        }
    }
    server.until(|_| errors(&server) == (2, 4));
}

#[test]
fn a_handler_of_all_events_answers_none_by_its_result() {
    let server = serve(config(), |server| {
        server
            .of("/")
            .on_error(|_, _, error| coded(error))
            .on_any(|_, event| if event.name() == "three" { Err(Coded(3)) } else { Ok(event.name().len()) })
            .on("one", |_, _| "answer")
            .on("two", |_, _| ());
    });
    let mut client = server.client();
    client.send("426[\"two\"]");
    answers(&mut client, &[("[\"one\"]", "[\"answer\"]"), ("[\"three\"]", "[{\"code\":3}]")]);
}

#[test]
fn an_error_of_a_callback_is_counted() {
    let server = serve(config(), |server| {
        server.of("/").on("ask", |socket, _| {
            let handle = socket.handle();
            let second = std::time::Duration::from_secs(5);
            socket.emit_with_ack("q", (), second, |_, answer| Err::<(), _>(format!("{answer:?}")))?;
            handle.emit_with_ack("q", (), second, |_| Err::<(), _>("no"))?;
            socket.server().to("nobody").emit_with_ack("q", (), second, |_| Err::<(), _>("no"))?;
            socket.server().fetch_sockets(|_| Err::<(), _>("no"));
            socket.server().of("/").all_rooms(|_| Err::<(), _>("no"));
            kinglet::Ok("asked")
        });
    });
    let mut client = server.client();
    client.send("421[\"ask\"]");
    for _ in 0..3 {
        let text = client.text();
        if let Some(id) = text.strip_prefix("42").and_then(|rest| rest.strip_suffix("[\"q\"]")) {
            client.send(&format!("43{id}[]"));
        }
    }
    server.until(|handle| handle.metrics().handler_errors == 5);
}

#[test]
fn an_error_is_told_only_if_no_other_handler_answers() {
    let server = serve(config(), |server| {
        let root = server.of("/");
        root.on_any(|_, _| Err::<(), _>("of all"));
        root.on("a", |_, _| Err::<(), _>("of one")).on("a", |_, _| "well");
        root.on("b", |_, _| Err::<(), _>("of one"));
    });
    answers(&mut server.client(), &[("[\"a\"]", "[\"well\"]"), ("[\"b\"]", "[{\"error\":\"of all\"}]")]);
    assert_eq!(errors(&server), (4, 0));
}

#[test]
fn the_typed_form_reads_arguments_and_tells_what_it_expected() {
    let server = serve(config(), |server| {
        server
            .of("/")
            .handle("add", |_, (a, b): (i64, i64)| a + b)
            .handle("move", |socket, Position { x }| socket.emit("moved", x))
            .handle("list", |_, list: Vec<i64>| list.len())
            .handle("picture", |_, (name, picture): (String, Option<Binary>)| (name, picture.map(|bytes| bytes.len())))
            .handle("rooms", |socket, ()| socket.rooms().len())
            .handle("join", |socket, room: String| -> Handled<_> {
                socket.join(&room)?;
                Ok(room)
            });
    });
    let mut client = server.client();
    answers(
        &mut client,
        &[
            ("[\"add\",1,2]", "[3]"),
            ("[\"add\",1,2,\"more\"]", "[3]"),
            ("[\"add\",1]", r#"[{"error":"argument 2: invalid type: nothing, expected i64"}]"#),
            ("[\"add\",\"1\",2]", r#"[{"error":"argument 1: invalid type: string \"1\", expected i64"}]"#),
            ("[\"list\",[1,2]]", "[2]"),
            ("[\"picture\",\"a\"]", "[\"a\",null]"),
            ("[\"rooms\",9]", "[1]"),
            ("[\"join\",\"a\"]", "[\"a\"]"),
            ("[\"move\",{}]", r#"[{"error":"argument 1: missing field `x`"}]"#),
        ],
    );
    client.send("42[\"move\",{\"x\":5}]");
    client.expect("42[\"moved\",5]");
    assert_eq!(errors(&server), (3, 0));
}

#[test]
fn the_typed_form_answers_later_by_its_acknowledgement() {
    let (sender, wanted) = channel();
    let server = serve(config(), move |server| {
        server
            .of("/")
            .handle_with_ack("later", move |_, text: String, ack| {
                sender.send(ack.is_wanted()).unwrap();
                thread::spawn(move || ack.send(text)).join().unwrap()
            })
            .handle_with_ack("fails", |_, (), _| Err::<(), _>("before it is given"))
            .handle_with_ack("fails late", |_, (), ack| ack.send("given").and(Err::<(), _>(EmitError::Disconnected)))
            .on("last", |_, _| "last");
    });
    let mut client = server.client();
    answers(
        &mut client,
        &[
            ("[\"later\",\"a\"]", "[\"a\"]"),
            ("[\"later\"]", r#"[{"error":"argument 1: invalid type: nothing, expected a string"}]"#),
            ("[\"fails\"]", r#"[{"error":"before it is given"}]"#),
            ("[\"fails late\"]", "[\"given\"]"),
        ],
    );
    client.send("42[\"later\",\"a\"]");
    answers(&mut client, &[("[\"last\"]", "[\"last\"]")]);
    assert_eq!((wanted.recv(), wanted.recv()), (Ok(true), Ok(false)));
    assert_eq!(errors(&server), (3, 0));
}

#[test]
fn blocking_handlers_answer_by_their_results() {
    let server = serve(config(), |server| {
        server
            .of("/")
            .on_blocking("value", |socket, _| socket.id().len())
            .on_blocking("error", |_, _| Err::<(), _>("no"))
            .on_blocking("panic", |_, _| -> () { panic!("a blocking handler that panics") })
            .handle_blocking("add", |_, (a, b): (i64, i64)| a + b);
    });
    answers(
        &mut server.client(),
        &[
            ("[\"value\"]", "[20]"),
            ("[\"error\"]", r#"[{"error":"no"}]"#),
            ("[\"panic\"]", r#"[{"error":"internal error"}]"#),
            ("[\"add\",1,2]", "[3]"),
            ("[\"add\",1]", r#"[{"error":"argument 2: invalid type: nothing, expected i64"}]"#),
        ],
    );
    server.until(|handle| (handle.metrics().handler_errors, handle.metrics().handler_panics) == (2, 1));
}

/// A handler of errors that hides what is not the program's own.
fn coded(error: &HandlerError) -> Result<serde_json::Value, &'static str> {
    match error.downcast_ref::<Coded>() {
        Some(Coded(code)) => Ok(json!({ "code": code })),
        None => Err("hidden"),
    }
}

#[test]
fn a_program_answers_errors_otherwise() {
    let (sender, heard) = channel();
    let limits = Limits { blocking_queue: 0, ..Limits::default() };
    let server = serve(Config { limits, ..config() }, move |server| {
        server
            .of("/")
            .on_error(|_, _, _| "replaced by the next")
            .on_error(move |socket, event, error| {
                sender.send((socket.namespace().to_owned(), event.name().to_owned(), error.to_string())).unwrap();
                coded(error)
            })
            .on("own", |_, _| Err::<(), _>(Coded(7)))
            .on("boxed", |_, _| -> Handled<()> { Err(Coded(8))? })
            .on("other", |_, _| Err::<(), _>("a secret"))
            .handle("typed", |_, _: u8| ())
            .on_blocking("refused", |_, _| ());
        server.of("/observed").on_error(|_, _, _| ()).on("e", |_, _| Err::<(), _>("told"));
        server.of("/panics").on_error(|_, _, _| -> () { panic!("of errors") }).on("e", |_, _| Err::<(), _>("secret"));
    });
    let mut client = server.client();
    let hidden = "[{\"error\":\"hidden\"}]";
    answers(
        &mut client,
        &[
            ("[\"own\"]", "[{\"code\":7}]"),
            ("[\"boxed\"]", "[{\"code\":8}]"),
            ("[\"other\"]", hidden),
            ("[\"typed\"]", hidden),
            ("[\"refused\"]", hidden),
        ],
    );
    client.send("42[\"own\"]");
    let heard: Vec<_> = (0..6).map(|_| heard.recv().unwrap()).collect();
    assert_eq!(heard[2], ("/".to_owned(), "other".to_owned(), "a secret".to_owned()));
    assert_eq!(heard[4].2, "the server is busy: try again later");
    assert_eq!(heard[5].2, "error 7");
    for (namespace, answer) in [("/observed", "told"), ("/panics", "internal error")] {
        client.join(namespace);
        client.send(&format!("42{namespace},1[\"e\"]"));
        client.expect(&format!("43{namespace},1[{{\"error\":\"{answer}\"}}]"));
    }
    assert_eq!(errors(&server), (8, 1));
}

/// A wrapper as programs write it keeps its type.
fn on<R: Outcome>(server: &mut kinglet::Server, handler: impl Fn(&Arguments) -> R + Send + Sync + 'static) {
    server.of("/").on("e", move |_, event| handler(event.arguments()));
}

#[test]
fn a_program_s_own_outcome_is_one_still() {
    struct Strict(bool);
    impl Outcome for Strict {
        fn failure(self) -> Option<String> {
            (!self.0).then(|| "not strict".to_owned())
        }
    }
    let server = serve(config(), |server| on(server, |args| Strict(args.args::<(u8,)>().is_ok())));
    let mut client = server.client();
    client.send("427[\"e\",1]");
    answers(&mut client, &[("[\"e\"]", "[{\"error\":\"not strict\"}]")]);
}
