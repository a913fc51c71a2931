//! What the program does late and from elsewhere: it answers, it decides about clients, and it has threads for handlers that block.

use serde_json::Value;

use super::application::{Guestbook, Outcome};
use super::client::speech::Kind;
use super::credentials::Credentials;
use super::plan::Plan;
use crate::app::{Ack, Event, Handlers, Namespace, Permission, SocketHandle};
use crate::chance::simulated::Random;
use crate::shard::{Admission, Refusal};
use crate::socketio::Arguments;

/// What the program has yet to do.
#[derive(Debug, Default)]
pub(super) struct Late {
    answers: Vec<LateAnswer>,
    decisions: Vec<LateDecision>,
}

/// An answer that the program gives some time.
#[derive(Debug)]
struct LateAnswer {
    server: u8,
    ack: Ack,
    words: Arguments,
}

/// A client that waits until the program lets it in.
#[derive(Debug)]
struct LateDecision {
    server: u8,
    admission: Admission,
    about: About,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum About {
    Handshake,
    Socket { is_welcome: bool },
}

impl Late {
    /// How many answers are to be given.
    pub(super) const fn answers(&self) -> usize {
        self.answers.len()
    }

    /// How many clients wait.
    const fn decisions(&self) -> usize {
        self.decisions.len()
    }

    pub(super) fn answer_later(&mut self, server: u8, ack: Ack, words: Arguments) {
        self.answers.push(LateAnswer { server, ack, words });
    }

    /// A server has ended: nobody waits for it.
    pub(super) fn forget(&mut self, server: u8) {
        self.answers.retain(|answer| answer.server != server);
        self.decisions.retain(|decision| decision.server != server);
    }
}

impl Guestbook {
    /// The program gives one of its late answers.
    pub(super) fn answer_late(&self, place: usize) {
        let LateAnswer { ack, words, .. } = self.entries().late.answers.swap_remove(place);
        // The client may have left.
        let _ = ack.send(words);
    }

    /// The program gives all of them.
    pub(super) fn give_all_answers(&self) {
        while self.entries().late.answers() > 0 {
            self.answer_late(0);
        }
    }

    /// The program decides about somebody who waits. Those whom it does not let in are told, or the program forgets them. False if
    /// nobody waits.
    pub(super) fn decide(&self, random: &mut Random) -> bool {
        let count = self.entries().late.decisions() as u64;
        if count == 0 {
            return false;
        }
        let place = random.below(count) as usize;
        let LateDecision { admission, about, .. } = self.entries().late.decisions.swap_remove(place);
        let is_let_in = match about {
            About::Handshake => !random.once_in(8),
            About::Socket { is_welcome } => is_welcome,
        };
        match is_let_in {
            true => admission.admit(),
            false if random.once_in(3) => drop(admission),
            false => admission.refuse(Refusal::new("not welcome")),
        }
        true
    }

    fn decides_later(&self, server: u8, admission: Admission, about: About) {
        self.entries().late.decisions.push(LateDecision { server, admission, about });
    }
}

/// Has the program decide late about handshakes.
pub(super) fn ask_permission(handlers: &mut Handlers, guestbook: &Guestbook, server: u8) {
    let guestbook = guestbook.clone();
    let hook = move |_, admission| guestbook.decides_later(server, admission, About::Handshake);
    handlers.add_permission(Permission::deferred(hook));
}

/// Has the program decide late about sockets.
pub(super) fn ask_about_sockets(namespace: &mut Namespace, guestbook: &Guestbook, server: u8) {
    let guestbook = guestbook.clone();
    namespace.middleware_deferred(move |socket, admission| {
        let is_welcome = Credentials::judge(credentials(&socket)).is_ok();
        guestbook.decides_later(server, admission, About::Socket { is_welcome });
    });
}

/// Declares what runs on the threads: who is let in, who has come, and what is said there.
pub(super) fn use_threads(namespace: &mut Namespace, guestbook: &Guestbook, plan: &Plan) {
    let (greeted, heard, relays) = (guestbook.clone(), guestbook.clone(), plan.relays_from_a_thread());
    namespace.middleware_blocking(|socket| Credentials::judge(credentials(socket)));
    namespace.on_connect_blocking(move |socket| greeted.greeted(tag(socket)));
    namespace.on_blocking(Kind::Slow.name(), move |socket, event| slow(&heard, socket, event, relays));
}

/// Something is said to a handler that blocks. It answers with the same words, and passes them on.
fn slow(guestbook: &Guestbook, socket: &SocketHandle, event: &Event, relays: bool) -> Outcome {
    if relays {
        guestbook.relays(Kind::Slow, tag(socket), event)?;
        socket.broadcast().relay(event)?;
    }
    Ok(event.ack(event.arguments().clone())?)
}

fn credentials(socket: &SocketHandle) -> Option<Credentials> {
    Credentials::of(socket.auth::<Value>().as_ref(), socket.handshake().as_deref())
}

fn tag(socket: &SocketHandle) -> u64 {
    credentials(socket).map_or(u64::MAX, |it| it.tag)
}
