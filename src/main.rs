//! The program's application: it relays each client's event to all other clients.

mod cli;
mod health;
mod logging;
mod stderr;

use std::process::ExitCode;

use kinglet::{Config, HandshakeHeaders, Result, Server};

fn main() -> ExitCode {
    if let Some(code) = cli::answer(std::env::args_os()) {
        return code;
    }
    let _log = logging::start();
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => cli::failure(&error),
    }
}

fn serve() -> Result<()> {
    let defaults = Config {
        path: "/websockets/".to_owned(),
        // The handlers below do not read them.
        handshake_headers: HandshakeHeaders::Forget,
        ..Config::default()
    };
    let mut server = Server::new(defaults.with_env()?)?;
    server
        .of("/")
        .on_connect(|socket| log::debug!("{} connected", socket.id()))
        .on("message-from-client", |socket, event| socket.broadcast().relay(event))
        .on_disconnect(|socket, reason| log::debug!("{} disconnected: {reason}", socket.id()));
    server.run()
}
