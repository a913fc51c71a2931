//! A client of a test, with one socket.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::connection::{Connection, Said};
use super::error::{ClientError, End};
use super::plan::{Plan, WayBack};
use super::received::Received;
use crate::app::{Args, written};
use crate::socketio::Arguments;

/// Longest wait; the system's clock cannot tell of every later time.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// A Socket.IO client for tests, with one socket. See the [module](super) for how to use it.
///
/// When it is dropped, its connection ends without a word, as when a network fails.
#[derive(Debug)]
pub struct Client {
    plan: Plan,
    connection: Connection,
    id: String,
    recovered: bool,
    way_back: WayBack,
    /// Events that have come, oldest first, and that the test has not taken.
    received: VecDeque<Received>,
    /// The id of the next event that asks for an answer.
    next_ack: u64,
    end: Option<End>,
}

/// What a client has heard.
enum Heard {
    Answer {
        to: u64,
        arguments: Arguments,
    },
    /// An event, which is kept, or what does not matter.
    Other,
    /// Nothing, until its time was up.
    Nothing,
}

impl Client {
    pub(super) fn join(plan: Plan) -> Result<Self, ClientError> {
        let mut way_back = WayBack::default();
        let Entry { connection, id, pid, missed } = enter(&plan, &way_back)?;
        way_back.pid = pid;
        let received = VecDeque::new();
        let mut client = Self { plan, connection, id, recovered: false, way_back, received, next_ack: 0, end: None };
        missed.into_iter().for_each(|event| client.keep(event));
        Ok(client)
    }

    /// The socket's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether the server has recovered the socket when the client came back.
    pub const fn recovered(&self) -> bool {
        self.recovered
    }

    /// Sends an event.
    ///
    /// # Errors
    /// [`ClientError::Emit`] if it cannot be written, [`ClientError::Disconnected`] if the socket is.
    pub fn emit(&mut self, event: &str, args: impl Args) -> Result<(), ClientError> {
        self.send("", Some(event), &args)
    }

    /// Sends an event, and waits for the server's answer. Events that come meanwhile are kept for [`next`](Self::next).
    ///
    /// # Errors
    /// As [`emit`](Self::emit), and [`ClientError::Timeout`] if no answer comes in time.
    pub fn emit_with_ack(&mut self, event: &str, args: impl Args, timeout: Duration) -> Result<Arguments, ClientError> {
        let id = self.next_ack;
        self.send(&id.to_string(), Some(event), &args)?;
        self.next_ack += 1;
        let deadline = deadline(timeout);
        loop {
            match self.hear(deadline)? {
                // Others answer events for whose answers nobody waits any more.
                Heard::Answer { to, arguments } if to == id => return Ok(arguments),
                Heard::Answer { .. } | Heard::Other => {}
                Heard::Nothing => return Err(self.late(format!("answer to {event:?}"), timeout)),
            }
        }
    }

    /// The next event of that name. Others that come meanwhile, or came before, are kept for later calls.
    ///
    /// With a timeout of zero it takes what has come while the client waited for something else: after an answer, that
    /// is all that the server had sent to the client before.
    ///
    /// # Errors
    /// [`ClientError::Timeout`] if there is none in time, [`ClientError::Disconnected`] if the socket ends before.
    pub fn next(&mut self, event: &str, timeout: Duration) -> Result<Received, ClientError> {
        let deadline = deadline(timeout);
        loop {
            let place = self.received.iter().position(|received| received.name() == event);
            if let Some(received) = place.and_then(|place| self.received.remove(place)) {
                return Ok(received);
            }
            if matches!(self.hear(deadline)?, Heard::Nothing) {
                return Err(self.late(format!("event {event:?}"), timeout));
            }
        }
    }

    /// Answers an event; does nothing if the server has not asked for an answer.
    ///
    /// # Errors
    /// As [`emit`](Self::emit).
    pub fn answer(&mut self, event: &Received, args: impl Args) -> Result<(), ClientError> {
        event.ack.map_or(Ok(()), |id| self.send(&id.to_string(), None, &args))
    }

    /// Waits until the server disconnects the socket, or closes the connection.
    ///
    /// # Errors
    /// [`ClientError::Timeout`] if it does not.
    pub fn disconnected(&mut self, timeout: Duration) -> Result<End, ClientError> {
        let deadline = deadline(timeout);
        loop {
            match self.hear(deadline) {
                Ok(Heard::Nothing) => return Err(self.late("disconnection".to_owned(), timeout)),
                Ok(_) => {}
                Err(ClientError::Disconnected(end)) => return Ok(end),
                Err(error) => return Err(error),
            }
        }
    }

    /// Disconnects the socket, closes the connection, and waits until the server has closed it, too.
    ///
    /// # Errors
    /// [`ClientError::Timeout`] if it does not.
    pub fn disconnect(mut self) -> Result<(), ClientError> {
        if self.end.is_none() {
            // It may have ended meanwhile.
            let _ = self.connection.send(&packet("1", &self.plan.namespace, ""), Vec::new());
        }
        let timeout = self.plan.timeout;
        self.connection.close(timeout).map_err(|_| late("end of the connection", timeout))
    }

    /// Loses the connection, as when a network fails, and waits until the server has noticed. What was on its way to the
    /// client is lost with it.
    ///
    /// # Errors
    /// [`ClientError::Timeout`] if the server does not close the connection.
    pub fn lose_connection(&mut self) -> Result<(), ClientError> {
        self.end.get_or_insert(End::Connection(None));
        let timeout = self.plan.timeout;
        self.connection.cut(timeout).map_err(|_| late("end of the connection", timeout))
    }

    /// Comes back, as official clients do by themselves, with the same authentication data, and with what the server
    /// needs to recover the socket: [`recovered`](Self::recovered) tells whether it did. A client that has not lost its
    /// connection [loses it](Self::lose_connection) first. Events that nobody has taken are still there.
    ///
    /// # Errors
    /// As [`ClientBuilder::connect`](super::ClientBuilder::connect).
    pub fn reconnect(&mut self) -> Result<(), ClientError> {
        if self.end.is_none() {
            self.lose_connection()?;
        }
        let Entry { connection, id, pid, missed } = enter(&self.plan, &self.way_back)?;
        (self.connection, self.id, self.end) = (connection, id, None);
        self.recovered = pid.is_some() && self.way_back.pid == pid;
        self.way_back.pid = pid;
        missed.into_iter().for_each(|event| self.keep(event));
        Ok(())
    }

    /// Sends an event, or an answer without a name.
    fn send(&mut self, ack: &str, name: Option<&str>, args: &impl Args) -> Result<(), ClientError> {
        if let Some(end) = self.end {
            return Err(ClientError::Disconnected(end));
        }
        let (json, attachments) = written(name, args)?;
        let kind = match (name, attachments.len()) {
            (Some(_), 0) => "2".to_owned(),
            (None, 0) => "3".to_owned(),
            (Some(_), count) => format!("5{count}-"),
            (None, count) => format!("6{count}-"),
        };
        let packet = packet(&kind, &self.plan.namespace, &format!("{ack}{json}"));
        self.connection.send(&packet, attachments)
    }

    /// What the server says next, until then. Events are kept.
    fn hear(&mut self, deadline: Instant) -> Result<Heard, ClientError> {
        if let Some(end) = self.end {
            return Err(ClientError::Disconnected(end));
        }
        let said = self.connection.next(deadline).inspect_err(|error| {
            if let ClientError::Disconnected(end) = error {
                self.end = Some(*end);
            }
        })?;
        match said {
            Some(Said::Answer { to, arguments }) => return Ok(Heard::Answer { to, arguments }),
            Some(Said::Event(event)) => self.keep(event),
            Some(Said::Disconnected) => {
                self.end = Some(End::ByServer);
                return Err(ClientError::Disconnected(End::ByServer));
            }
            Some(Said::Connected { .. } | Said::Refused { .. }) => {}
            None => return Ok(Heard::Nothing),
        }
        Ok(Heard::Other)
    }

    fn keep(&mut self, event: Received) {
        if self.way_back.pid.is_some() {
            self.way_back.offset = event.last_text().or(self.way_back.offset.take());
        }
        self.received.push_back(event);
    }

    fn late(&self, awaited: String, after: Duration) -> ClientError {
        let waiting = self.received.iter().map(|received| received.name().to_owned()).collect();
        ClientError::Timeout { awaited, after, waiting }
    }
}

/// What a client gets that is let in.
struct Entry {
    connection: Connection,
    id: String,
    pid: Option<String>,
    /// What came before the answer to CONNECT: what it has missed, if it comes back.
    missed: Vec<Received>,
}

/// Opens a session and asks for the namespace.
fn enter(plan: &Plan, way_back: &WayBack) -> Result<Entry, ClientError> {
    let deadline = deadline(plan.timeout);
    let mut connection = Connection::open(plan)?;
    let auth = plan.auth(way_back).map(|auth| auth.to_string()).unwrap_or_default();
    connection.send(&packet("0", &plan.namespace, &auth), Vec::new())?;
    let mut missed = Vec::new();
    loop {
        match connection.next(deadline)? {
            Some(Said::Connected { id, pid }) => return Ok(Entry { connection, id, pid, missed }),
            Some(Said::Refused { message, data }) => return Err(ClientError::Refused { message, data }),
            Some(Said::Event(event)) => missed.push(event),
            Some(Said::Answer { .. } | Said::Disconnected) => {}
            None => return Err(late("answer to CONNECT", plan.timeout)),
        }
    }
}

/// The text of a packet for a namespace, of which `/` is left out.
fn packet(kind: &str, namespace: &str, rest: &str) -> String {
    match namespace {
        "/" => format!("{kind}{rest}"),
        namespace => format!("{kind}{namespace},{rest}"),
    }
}

fn late(awaited: &str, after: Duration) -> ClientError {
    ClientError::Timeout { awaited: awaited.to_owned(), after, waiting: Vec::new() }
}

fn deadline(timeout: Duration) -> Instant {
    Instant::now() + timeout.min(LONGEST)
}
