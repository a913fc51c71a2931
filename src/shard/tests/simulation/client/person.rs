//! A person: a program with the official client, which comes back after a loss, and joins its namespaces again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::super::journal::tell;
use super::super::network::Network;
use super::super::plan::Plan;
use super::excuses::Excuses;
use super::link::Link;
use super::message::{Assembly, Message};
use super::session::{Session, Way};
use super::socket::{Phase, Socket};
use super::speech::{Bulk, Kind};
use crate::chance::simulated::Random;
use crate::clock;

/// The delay before the first attempt to come back. It doubles with each that fails, up to a limit.
const DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(2);

/// The reasons of those whose session the server closes.
pub(in super::super) const SHUT_OUT: [&str; 2] = ["forced close", "forced server close"];

/// Those who join a namespace later do so once in so many steps.
const LATER: u64 = 20;

/// Tags of one person.
const TAGS: u64 = 10_000;

/// A person.
pub(in super::super) struct Person {
    pub(in super::super) number: u64,
    /// Whether its client is a 2.x one.
    is_old: bool,
    session: Option<Session>,
    assembly: Assembly,
    /// One for each of its namespaces.
    sockets: Vec<Socket>,
    /// When it tries to come back, and how often it has tried in vain.
    back_at: Instant,
    attempts: u32,
    joins: u64,
    /// The tags that its sockets have had in this session.
    tags: Vec<u64>,
    /// The longest time for which something of it was on its way.
    slowest: Duration,
    /// Whether the program may let go of it at any time.
    is_at_mercy: bool,
    /// Whether the program may have no time for it.
    may_be_shut_out: bool,
    /// What the server may say of each of its sockets that are gone.
    pub(in super::super) partings: BTreeMap<u64, Excuses>,
}

impl Person {
    pub(in super::super) fn new(number: u64, namespaces: &[&str], plan: &Plan) -> Self {
        let is_old = plan.old && number.is_multiple_of(3);
        // The server lets old clients into this one at once, and they say what they are in the handshake.
        let namespaces = if is_old { &["/"] } else { namespaces };
        Self {
            number,
            is_old,
            session: None,
            assembly: Assembly::default(),
            sockets: namespaces.iter().map(|name| Socket::new(name, plan)).collect(),
            back_at: clock::now(),
            attempts: 0,
            joins: 0,
            tags: Vec::new(),
            slowest: Duration::ZERO,
            is_at_mercy: plan.crowds.is_some(),
            may_be_shut_out: plan.may_be_busy(),
            partings: BTreeMap::new(),
        }
    }

    /// Whose tag it is.
    pub(in super::super) const fn of_tag(tag: u64) -> u64 {
        tag / TAGS
    }

    pub(in super::super) fn sockets(&self) -> &[Socket] {
        &self.sockets
    }

    /// Whether it is in all its namespaces, all that it had to say has left it, and all its questions are answered.
    pub(in super::super) fn is_quiet(&self) -> bool {
        self.session.as_ref().is_some_and(Session::is_quiet) && self.sockets.iter().all(Socket::is_quiet)
    }

    /// When it pings, if it is an old client's.
    pub(in super::super) fn next_ping(&self) -> Option<Instant> {
        self.session.as_ref().and_then(Session::next_ping)
    }

    /// Whether nothing is on its way from or to it.
    pub(in super::super) fn hears_nothing(&self) -> bool {
        self.session.iter().flat_map(Session::links).all(Link::is_idle)
    }

    pub(in super::super) fn links_mut(&mut self) -> impl Iterator<Item = &mut Link> {
        self.session.iter_mut().flat_map(Session::links_mut)
    }

    /// Reads all that has come, if it reads.
    pub(in super::super) fn read(&mut self) {
        self.session.iter_mut().for_each(Session::take_all);
    }

    /// Stops reading for so long.
    pub(in super::super) fn stop_reading(&mut self, time: Duration) {
        self.session.iter_mut().for_each(|session| session.stop_reading(time));
    }

    /// For how long it has not read, if it does not.
    pub(in super::super) fn is_deaf_for(&self) -> Option<Duration> {
        self.session.as_ref().and_then(Session::is_deaf_for)
    }

    /// The longest time for which it has kept the server waiting.
    pub(in super::super) fn slowest(&self) -> Duration {
        self.slowest.max(self.session.as_ref().map_or(Duration::ZERO, |session| session.slowest))
    }

    /// Whether the program may have let it go for that, or what it said before it knew.
    pub(in super::super) fn may_be_let_go(&self, reason: &str) -> bool {
        let is_shut_out = SHUT_OUT.contains(&reason);
        (is_shut_out && (self.is_at_mercy || self.may_be_shut_out))
            || (self.is_at_mercy && reason == "server namespace disconnect")
    }

    /// A server is killed over which connections of its session may lead.
    pub(in super::super) fn may_have_lost_a_way(&mut self) {
        self.session.iter_mut().for_each(|session| session.lose(|_| {}));
    }

    /// A server is killed, and it does not notice. Gives whether it was there.
    pub(in super::super) fn lose_home(&mut self, home: usize) -> bool {
        self.session.as_mut().is_some_and(|session| session.lose_home(home))
    }

    /// Does what has come to it.
    pub(in super::super) fn act(&mut self, network: &mut Network<'_>) {
        let Some(session) = &mut self.session else { return self.come(network) };
        for packet in session.act(network) {
            let Some(message) = self.assembly.take(packet) else { continue };
            let socket = self.sockets.iter_mut().find(|socket| socket.namespace == message.namespace);
            let socket = socket.unwrap_or_else(|| panic!("person {}: {message:?}", self.number));
            let answer = socket.take(message, !network.random.once_in(5));
            session.send(answer.into_iter().flat_map(Message::packets));
        }
        if session.is_over() {
            session.links_mut().for_each(Link::break_off);
            self.part();
        } else if session.is_open() {
            self.attempts = 0;
            self.join(network);
        }
    }

    fn come(&mut self, network: &mut Network<'_>) {
        if clock::now() < self.back_at {
            return;
        }
        let way = match self.is_old {
            true => Way::Old(self.next_tag()),
            false if network.random.once_in(2) => Way::WebSocket,
            false => Way::Polling,
        };
        self.session = Session::begin(way, network);
        match way {
            _ if self.session.is_none() => self.come_later(),
            // It need not ask.
            Way::Old(tag) => _ = self.ask_to_join(0, tag, true),
            Way::WebSocket | Way::Polling => {}
        }
    }

    fn come_later(&mut self) {
        let delay = DELAY * 2_u32.pow(self.attempts.min(10));
        self.back_at = clock::now() + delay.min(LONGEST_DELAY);
        self.attempts += 1;
    }

    /// Joins the namespaces that it is not in. An old client comes back in another session.
    fn join(&mut self, network: &mut Network<'_>) {
        for place in 0..self.sockets.len() {
            let is_later = place > 0 && network.plan.late_joins;
            if self.sockets[place].phase != Phase::Out || is_later && !network.random.once_in(LATER) {
                continue;
            }
            if self.is_old {
                return self.session.iter_mut().for_each(Session::quit);
            }
            let is_welcome = !(network.plan.refusals && network.random.once_in(4));
            let tag = self.next_tag();
            let message = self.ask_to_join(place, tag, is_welcome);
            if let Some(session) = &mut self.session {
                session.send(message.packets());
            }
        }
    }

    fn next_tag(&mut self) -> u64 {
        self.joins += 1;
        self.number * TAGS + self.joins
    }

    /// Asks to join a namespace under a new tag.
    fn ask_to_join(&mut self, place: usize, tag: u64, is_welcome: bool) -> Message {
        self.tags.push(tag);
        let socket = &mut self.sockets[place];
        self.partings.entry(socket.tag()).or_default().add(socket.excuses);
        let message = socket.join(tag, is_welcome);
        if self.is_at_mercy {
            socket.excuses.let_go();
        }
        message
    }

    /// Its session is over.
    fn part(&mut self) {
        let Some(mut session) = self.session.take() else { return };
        if self.sockets.iter().any(Socket::may_come_back) {
            session.excuses.lost();
        }
        self.slowest = self.slowest.max(session.slowest);
        tell(|| format!("{}: its session is over: {}", self.number, session.describe()));
        for socket in &mut self.sockets {
            self.partings.entry(socket.tag()).or_default().add(socket.excuses);
            socket.part();
        }
        for tag in self.tags.drain(..) {
            self.partings.entry(tag).or_default().add(session.excuses);
        }
        self.assembly = Assembly::default();
        self.come_later();
    }

    /// Says something, or changes its room, in one of the namespaces that it is in.
    pub(in super::super) fn speak(&mut self, plan: &Plan, random: &mut Random) {
        let Some(session) = self.session.as_mut().filter(|session| session.is_open()) else { return };
        let place = random.below(self.sockets.len() as u64) as usize;
        let socket = &mut self.sockets[place];
        if socket.phase != Phase::Joined {
            return;
        }
        let kind = match random.below(30) {
            0..=8 => Kind::All,
            9..=12 => Kind::Room,
            13 | 14 => Kind::Except,
            15..=18 => Kind::Echo,
            19 => Kind::Who,
            20 | 21 => Kind::Ask,
            22 => Kind::Volatile,
            23 if plan.partings => {
                let message = match random.below(3) {
                    0 => socket.leave(),
                    1 => {
                        session.excuses.out_of_place();
                        socket.excuses.let_go();
                        socket.ask_for("out")
                    }
                    _ => {
                        self.sockets.iter_mut().for_each(|socket| socket.excuses.let_go());
                        self.sockets[place].ask_for("bye")
                    }
                };
                return session.send(message.packets());
            }
            24 | 25 if plan.questions => {
                let event = if random.once_in(2) { "ask me" } else { "ask all" };
                return session.send(socket.ask_for(event).packets());
            }
            27 if plan.late_answers => Kind::Late,
            28 | 29 if plan.threads.is_some() => Kind::Slow,
            26 if plan.panics => return session.send(socket.ask_for("panic").packets()),
            _ => return session.send(socket.move_in_or_out().into_iter().flat_map(Message::packets)),
        };
        session.send(socket.say(kind, some_bulk(plan, random)).packets());
    }

    /// Says something to everybody in each of its namespaces.
    pub(in super::super) fn say_last_words(&mut self) {
        let Some(session) = &mut self.session else { return };
        for socket in &mut self.sockets {
            session.send(socket.say(Kind::All, Bulk::default()).packets());
        }
    }

    /// Something happens to its connections. Says what.
    pub(in super::super) fn suffer_loss(&mut self, random: &mut Random) -> &'static str {
        let Some(session) = &mut self.session else { return "is away" };
        match random.below(4) {
            0 => {
                session.quit();
                "goes away"
            }
            1 => {
                session.lose(Link::die);
                "is cut off"
            }
            2 => {
                session.lose(Link::break_off);
                "loses its connections"
            }
            _ => {
                let place = random.below(session.links().count() as u64) as usize;
                session.lose_one(place);
                "loses a connection"
            }
        }
    }

    /// Connections over which nothing passes break, and it reads.
    pub(in super::super) fn find_the_dead_links(&mut self) {
        self.session.iter_mut().for_each(Session::read_again);
        self.links_mut().filter(|link| link.is_dead()).for_each(|link| link.break_off());
    }

    /// Goes away for good.
    pub(in super::super) fn quit(&mut self) {
        if let Some(session) = &mut self.session {
            session.quit();
        }
        self.part();
    }

    /// Says much to everybody.
    pub(in super::super) fn say_much(&mut self) {
        let Some(session) = &mut self.session else { return };
        for socket in &mut self.sockets {
            session.send(socket.say(Kind::All, Bulk { text: 1000, attachments: 0 }).packets());
        }
    }

    /// Goes away for good, and nobody is told.
    pub(in super::super) fn fall_silent(&mut self) {
        if let Some(session) = &mut self.session {
            session.lose(Link::die);
        }
        self.part();
    }

    pub(in super::super) fn describe(&self) -> String {
        let session = self.session.as_ref().map(Session::describe);
        let sockets: Vec<_> = self.sockets.iter().map(Socket::describe).collect();
        format!("person {}: {sockets:?}, {session:?}", self.number)
    }
}

/// Mostly none.
fn some_bulk(plan: &Plan, random: &mut Random) -> Bulk {
    let mut bulk = Bulk::default();
    if plan.attachments && random.once_in(3) {
        bulk.attachments = 1 + random.below(4);
    }
    if let Some(most) = plan.long_texts
        && random.once_in(4)
    {
        bulk.text = random.below(most) as usize;
    }
    bulk
}
