//! Push: a thread beside the server feeds prices to those who follow them, through a `Handle`. Its page is `push.html`.
//!
//! `cargo run --example push`, then open `examples/push.html`. `PUSH_INTERVAL_MS` sets the time between two prices.

use std::error::Error;
use std::thread;
use std::time::Duration;

use kinglet::{Config, Cors, Handle, JoinError, Origin, Server};

/// What can be followed, with its lowest price in cents. Who follows it is in the room of that name.
const GOODS: &[(&str, u32)] = &[("apples", 250), ("pears", 320), ("plums", 480)];

fn main() -> Result<(), Box<dyn Error>> {
    env_logger::init();
    let interval = std::env::var("PUSH_INTERVAL_MS").ok().filter(|text| !text.is_empty());
    let interval = interval.map_or(Ok(1_000), |text| text.parse())?;
    // Pages that are opened from disk come from another origin; `KINGLET_CORS` may let in fewer.
    let config = Config { cors: Some(Cors::new(Origin::Any)), ..Config::default() };
    let mut server = Server::new(config.with_env()?)?;
    server
        .of("/")
        // Both are acknowledged with whether there is such a good.
        .handle("follow", |socket, name: String| -> Result<bool, JoinError> {
            let good = good_named(&name);
            good.map_or(Ok(()), |good| socket.join(good))?;
            Ok(good.is_some())
        })
        .handle("unfollow", |socket, name: String| good_named(&name).map(|good| socket.leave(good)).is_some());

    // A handle goes to any thread, and may be cloned and kept. It is there before the server runs; what is sent until then
    // reaches nobody.
    let handle = server.handle();
    thread::spawn(move || push(&handle, Duration::from_millis(interval)));
    Ok(server.run()?)
}

/// What a client names. Only these are rooms that it may join: its own id is one, too.
fn good_named(name: &str) -> Option<&'static str> {
    GOODS.iter().map(|(good, _)| *good).find(|good| *good == name)
}

/// Sends `price(name, cents)` to those who follow it, for ever. This thread serves nobody, so unlike a handler it may sleep,
/// read from a queue or ask a database.
fn push(handle: &Handle, interval: Duration) {
    for step in (0..100).cycle() {
        thread::sleep(interval);
        for (good, lowest) in GOODS {
            let cents = lowest + step * 37 % 100;
            // A slow client holds nobody up: it is cut off when too much waits for it. Only for a busy event loop is waited.
            if let Err(error) = handle.to(*good).emit("price", (*good, cents)) {
                log::error!("the price of {good} was not sent: {error}");
            }
        }
    }
}
