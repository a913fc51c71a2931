//! The program that the simulated servers run: it relays what clients say, and notes who came and went.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::client::speech::Kind;
use super::credentials::Credentials;
use super::ends::KILLED;
use super::late::{self, Late};
use super::plan::Plan;
use super::questions::Questions;
use super::survey::{self, Sure, Survey};
use crate::app::{Event, Handlers, Namespace, Socket};
use crate::clock;

/// How long the server waits for answers.
const ANSWER_TIME: Duration = Duration::from_secs(1);

/// What a handler may fail with.
pub(super) type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Where the program notes what happens.
#[derive(Debug, Clone, Default)]
pub(super) struct Guestbook {
    entries: Arc<Mutex<Entries>>,
    pub(super) questions: Questions,
}

/// How many sayings of a kind of each socket were passed on.
pub(super) type Relayed = BTreeMap<(Kind, u64), u64>;

#[derive(Debug, Default)]
pub(super) struct Entries {
    /// Each socket that came, by its tag.
    pub(super) visits: BTreeMap<u64, Visit>,
    /// How many sayings of a kind of each socket the program has passed on.
    pub(super) relayed: Relayed,
    /// How often a socket has come, or a saying was passed on.
    pub(super) news: u64,
    pub(super) survey: Survey,
    pub(super) late: Late,
    /// What is wrong.
    pub(super) complaints: Vec<String>,
}

/// A socket's time in its namespace.
#[derive(Debug, Clone)]
pub(super) struct Visit {
    pub(super) came: u32,
    /// When the program heard of it first.
    pub(super) since: Instant,
    /// How often a thread has heard of it.
    pub(super) greeted: u32,
    /// What was passed on before it came.
    pub(super) before: Relayed,
    /// The reasons with which it went: one.
    pub(super) went: Vec<&'static str>,
    /// When it went.
    pub(super) gone: Option<Instant>,
    pub(super) namespace: String,
    /// The number of its server.
    pub(super) server: u8,
    /// The tag with which it came when it was new.
    pub(super) first: u64,
}

impl Default for Visit {
    fn default() -> Self {
        Self {
            came: 0,
            since: clock::now(),
            greeted: 0,
            before: Relayed::new(),
            went: Vec::new(),
            gone: None,
            namespace: String::new(),
            server: 0,
            first: 0,
        }
    }
}

impl Visit {
    fn goes(&mut self, reason: &'static str) {
        self.went.push(reason);
        self.gone = Some(clock::now());
    }
}

/// The tag with which a socket came when it was new, which the program keeps with it.
struct FirstTag(u64);

impl Guestbook {
    pub(super) fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn came(&self, socket: &Socket, server: u8) {
        let mut entries = self.entries();
        entries.news += 1;
        let before = entries.relayed.clone();
        // A server gives away what it has kept with a lost socket's data, but no values.
        let are_several = entries.visits.values().any(|visit| visit.server != server);
        let visit = entries.visits.entry(tag(socket)).or_default();
        visit.came += 1;
        visit.before = before;
        visit.server = server;
        visit.namespace = socket.namespace().to_owned();
        if !socket.recovered() {
            let _ = socket.set_data(&tag(socket));
            socket.insert(FirstTag(tag(socket)));
        }
        visit.first = socket.data().unwrap_or_default();
        let kept = socket.get::<FirstTag>().map(|first| first.0);
        let has_moved = kept.is_none() && socket.recovered() && are_several;
        if kept != Some(visit.first) && !has_moved {
            let complaint = format!("{} was {}, and keeps {kept:?}", tag(socket), visit.first);
            entries.complaints.push(complaint);
        }
    }

    /// A thread hears that a socket has come.
    pub(super) fn greeted(&self, tag: u64) {
        self.entries().visits.entry(tag).or_default().greeted += 1;
    }

    fn went(&self, socket: &Socket, reason: &'static str) {
        self.entries().visits.entry(tag(socket)).or_default().goes(reason);
    }

    /// Whether the socket with this tag has come and has not gone.
    pub(super) fn is_there(&self, tag: u64) -> bool {
        self.entries().visits.get(&tag).is_some_and(|visit| visit.went.is_empty())
    }

    /// A server has ended: nobody waits for its answers.
    pub(super) fn forget(&self, server: u8) {
        let mut entries = self.entries();
        entries.survey.forget(server);
        entries.late.forget(server);
    }

    /// A server is killed: who was there is gone. Gives what they had said.
    pub(super) fn is_killed(&self, server: u8) -> Relayed {
        let mut entries = self.entries();
        let here = entries.visits.values_mut().filter(|visit| visit.server == server && visit.went.is_empty());
        here.for_each(|visit| visit.goes(KILLED));
        let Entries { visits, relayed, .. } = &*entries;
        let said = relayed.iter().filter(|((_, sender), _)| visits.get(sender).is_some_and(|it| it.server == server));
        said.map(|(saying, count)| (*saying, *count)).collect()
    }

    /// A saying is passed on: the next of its kind of that client. What a thread refuses is not.
    pub(super) fn relays(&self, kind: Kind, tag: u64, event: &Event) -> Outcome {
        let (sender, number): (u64, u64) = event.args()?;
        let mut entries = self.entries();
        entries.news += 1;
        let next = entries.relayed.entry((kind, sender)).or_default();
        let is_next = *next == number || (kind == Kind::Slow && *next < number);
        *next = number + 1;
        if !is_next || sender != tag {
            entries.complaints.push(format!("{number} of {sender} ({kind:?}) comes from {tag}"));
        }
        Ok(())
    }
}

fn credentials(socket: &Socket) -> Option<Credentials> {
    Credentials::of(socket.auth::<Value>().as_ref(), socket.handshake().as_deref())
}

/// What a client calls its socket. Of one that is gone the handshake may be forgotten.
fn tag(socket: &Socket) -> u64 {
    let kept = || socket.get::<FirstTag>().map(|first| first.0);
    credentials(socket).map(|it| it.tag).or_else(kept).unwrap_or(u64::MAX)
}

/// The program of the server with this number.
pub(super) fn handlers(guestbook: &Guestbook, server: u8, plan: &Plan) -> Handlers {
    // The servers count each other at the beginning, and only in that namespace. One that takes the place of another has not
    // counted those that are away, and hides them from the others.
    let sure = |has_counted: bool| if has_counted || !plan.may_miss() { Sure::Right } else { Sure::Nothing };
    let mut handlers = Handlers::default();
    declare(handlers.namespace_mut("/"), guestbook, server, sure(!plan.has_ends()), plan);
    declare(handlers.dynamic_mut(|name| name.starts_with("/side/")), guestbook, server, sure(false), plan);
    if plan.decisions.is_some() {
        late::ask_permission(&mut handlers, guestbook, server);
    }
    handlers
}

fn declare(namespace: &mut Namespace, guestbook: &Guestbook, server: u8, sure: Sure, plan: &Plan) {
    let (came, went) = (guestbook.clone(), guestbook.clone());
    namespace.on_connect(move |socket| came.came(socket, server));
    namespace.on_disconnect(move |socket, reason| went.went(socket, reason.as_str()));
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Slow) {
        let guestbook = guestbook.clone();
        namespace.on(kind.name(), move |socket, event| {
            guestbook.relays(kind, tag(socket), event)?;
            match kind {
                Kind::Who => survey::ask(&guestbook, server, socket, event, sure),
                Kind::Late => {
                    let (ack, words) = (event.take_ack().ok_or("a question without an id")?, event.arguments().clone());
                    guestbook.entries().late.answer_later(server, ack, words);
                    Ok(())
                }
                _ => say(kind, socket, event),
            }
        });
    }
    namespace.on("join", |socket, event| -> Outcome {
        socket.join("room")?;
        Ok(event.ack(())?)
    });
    namespace.on("leave", |socket, event| {
        socket.leave("room");
        event.ack(())
    });
    if plan.decisions.is_some() {
        late::ask_about_sockets(namespace, guestbook, server);
    }
    match plan.threads {
        Some(_) => late::use_threads(namespace, guestbook, plan),
        None => _ = namespace.middleware(|socket| Credentials::judge(credentials(socket))),
    }
    namespace.on("out", |socket, _| socket.disconnect(false));
    namespace.on("bye", |socket, _| socket.disconnect(true));
    // Without a line on standard error.
    namespace.on("panic", |_, _| -> Outcome { resume_unwind(Box::new("a handler panics")) });
    ask(namespace, &guestbook.questions);
}

/// The server asks the client, or everybody else in the namespace.
fn ask(namespace: &mut Namespace, questions: &Questions) {
    let ours = questions.clone();
    namespace.on("ask me", move |socket, _| {
        let (number, questions) = (ours.begin(ANSWER_TIME), ours.clone());
        socket.emit_with_ack("question", number, ANSWER_TIME, move |_, answer| questions.end(number, answer))
    });
    let ours = questions.clone();
    namespace.on("ask all", move |socket, _| {
        let (number, questions) = (ours.begin(ANSWER_TIME), ours.clone());
        let end = move |answers| questions.end_of_all(number, answers);
        socket.broadcast().emit_with_ack("question", number, ANSWER_TIME, end)
    });
}

/// Passes on what a client says.
fn say(kind: Kind, socket: &Socket, event: &Event) -> Outcome {
    match kind {
        Kind::All => socket.broadcast().relay(event)?,
        Kind::Volatile => socket.broadcast().volatile().relay(event)?,
        Kind::Room => socket.to("room").relay(event)?,
        Kind::Except => socket.except("room").relay(event)?,
        Kind::Echo => socket.emit(event.name(), event.arguments().clone())?,
        Kind::Ask | Kind::Who | Kind::Late | Kind::Slow => event.ack(event.arguments().clone())?,
    }
    Ok(())
}
