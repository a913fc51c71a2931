//! The command line against servers: a small one made to lose messages, and kinglet itself where `KINGLET_BIN` names it.

#![allow(clippy::unwrap_used)]

mod support;

use support::{Fault, Kinglet, LossyServer, perf};

#[test]
fn everybody_hears_and_the_exit_code_is_0() {
    let server = LossyServer::start(Fault::None);
    let run = perf(&["broadcast", &server.url(), "--connections", "20", "--json"]);
    assert_eq!(run.code, 0, "{run:?}");
    let json = run.json();
    assert_eq!((&json["received"], &json["expected"], &json["left_cleanly"]), (&19.into(), &19.into(), &20.into()));
    assert_eq!(json["faults"], serde_json::json!([]));
}

#[test]
fn who_missed_the_broadcast_is_named_and_the_exit_code_is_1() {
    let server = LossyServer::start(Fault::Forgets("client-7"));
    let arguments = ["broadcast", &server.url(), "--connections", "20", "--concurrency", "1", "--seconds", "0.5"];
    let run = perf(&[&arguments[..], &["--json"]].concat());
    assert_eq!(run.code, 1, "{run:?}");
    let json = run.json();
    let faults = json["faults"].as_array().unwrap();
    assert_eq!((faults.len(), &faults[0]["index"], &faults[0]["id"]), (1, &7.into(), &"client-7".into()), "{run:?}");

    let server = LossyServer::start(Fault::Forgets("client-7"));
    let run = perf(&["broadcast", &server.url(), "--connections", "20", "--concurrency", "1", "--seconds", "0.5"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.output.contains("client 7 (client-7)  missed the message"), "{run:?}");
}

#[test]
fn who_hears_twice_is_named_and_the_exit_code_is_1() {
    let server = LossyServer::start(Fault::Repeats("client-7"));
    let run = perf(&["broadcast", &server.url(), "--connections", "20", "--concurrency", "1", "--seconds", "0.5"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.output.contains("client 7 (client-7)  received the message 2 times"), "{run:?}");
}

#[test]
fn several_processes_make_one_load() {
    let server = LossyServer::start(Fault::None);
    let run = perf(&["broadcast", &server.url(), "--connections", "20", "--processes", "3", "--json"]);
    assert_eq!(run.code, 0, "{run:?}");
    let json = run.json();
    assert_eq!((&json["connected"], &json["received"]), (&20.into(), &19.into()), "{run:?}");
}

#[test]
fn a_fan_out_counts_what_is_lost() {
    let server = LossyServer::start(Fault::Forgets("client-3"));
    let load = ["--connections", "5", "--concurrency", "1", "--messages", "50", "--seconds", "0.2", "--json"];
    let run = perf(&[&["fanout", &server.url()], &load[..]].concat());
    assert_eq!(run.code, 1, "{run:?}");
    let json = run.json();
    let [sent, delivered, lost] = ["sent", "delivered", "lost"].map(|key| json[key].as_u64().unwrap());
    assert!(sent > 0, "{run:?}");
    assert_eq!((delivered, lost, &json["reordered"]), (sent * 3, sent, &0.into()), "{run:?}");
}

#[test]
fn an_interrupt_ends_a_run_that_still_reports() {
    let server = LossyServer::start(Fault::None);
    let run =
        support::interrupted(&["idle", &server.url(), "--connections", "5", "--seconds", "600", "--json"], || {
            server.wait_for_clients(5);
        });
    assert_eq!(run.json()["command"], "idle", "{run:?}");
    assert!(run.errors.contains("interrupted"), "{run:?}");
}

#[test]
fn nobody_there_is_an_error_that_says_so() {
    let run = perf(&["broadcast", "http://127.0.0.1:1"]);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.errors.contains("cannot connect to http://127.0.0.1:1: "), "{run:?}");
}

#[test]
fn kinglet_loses_nothing_on_any_transport() {
    let Some(server) = Kinglet::start() else { return };
    for transport in ["websocket", "polling", "default"] {
        let common = ["--transport", transport, "--json"];
        let run = perf(&[&["broadcast", &server.url()], &common[..]].concat());
        assert_eq!((run.code, &run.json()["received"]), (0, &99.into()), "{run:?}");
        let load =
            ["fanout", &server.url(), "--connections", "50", "--seconds", "0.5", "--window", "2", "--burst", "5"];
        let run = perf(&[&load, &common[..]].concat());
        assert_eq!((run.code, &run.json()["lost"]), (0, &0.into()), "{run:?}");
    }
    let run = perf(&["http", &server.url(), "--seconds", "0.2", "--json"]);
    assert_eq!(run.code, 0, "{run:?}");
}
