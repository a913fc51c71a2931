//! The world: who acts next, and what must hold.

use std::time::Duration;

use super::application::{Guestbook, Visits};
use super::client::{Client, Kind, Link, Phase, Way};
use super::instance::Instance;
use super::journal::{self, tell};
use super::plan::Plan;
use crate::chance::simulated::{Random, Seeded, seed};
use crate::clock::simulated::{Stopped, advance, stop};
use crate::config::{Config, Limits};

/// What a history was.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Lived {
    pub(super) steps: u64,
    pub(super) time: Duration,
    /// The part of the time in which there were sessions.
    pub(super) lively: Duration,
}

/// Everything there is.
pub(super) struct World {
    random: Random,
    plan: Plan,
    lived: Lived,
    instance: Instance,
    guestbook: Guestbook,
    clients: Vec<Client>,
    /// Tags that were given.
    tags: u64,
    /// Tags of sessions that have joined.
    joined: Vec<u64>,
    _time: Stopped,
    _chance: Seeded,
}

impl World {
    pub(super) fn new(number: u64, plan: Plan) -> Self {
        let (time, chance) = (stop(), seed(number));
        let guestbook = Guestbook::default();
        let Plan { hold_up, message_rate, .. } = plan;
        let limits = Limits { hold_up, message_rate, ..Limits::default() };
        let config = Config { path: "/socket.io/".to_owned(), limits, ..Config::default() };
        let instance = Instance::new(plan.shards, config, &guestbook);
        let random = Random::new(number);
        Self {
            random,
            plan,
            lived: Lived::default(),
            instance,
            guestbook,
            clients: Vec::new(),
            tags: 0,
            joined: Vec::new(),
            _time: time,
            _chance: chance,
        }
    }

    /// Lives through the history, and checks its end.
    pub(super) fn run(mut self) -> Lived {
        for _ in 0..self.plan.steps {
            self.begin_step();
            self.step();
        }
        self.settle();
        self.say_farewell();
        self.check_nothing_is_left();
        self.lived
    }

    fn begin_step(&mut self) {
        self.lived.steps += 1;
        journal::step();
        if let Some(error) = journal::error() {
            panic!("the server logs an error: {error}");
        }
    }

    /// Time passes.
    fn pass(&mut self, by: Duration) {
        self.lived.time += by;
        if self.instance.has_sessions() {
            self.lived.lively += by;
        }
        advance(by);
    }

    fn step(&mut self) {
        match self.random.below(10) {
            0..=2 => self.turn_some_shard(),
            3..=6 => self.move_some_bytes(),
            7 => self.let_time_pass(),
            8 => self.have_somebody_speak(),
            _ if self.clients.len() < self.plan.clients => self.have_somebody_come(),
            _ => self.have_somebody_speak(),
        }
        if let Some(breaks) = self.plan.breaks
            && self.random.once_in(breaks)
        {
            self.break_some_connection();
        }
        self.clients_act();
    }

    fn turn_some_shard(&mut self) {
        let shard = self.random.below(self.instance.shards() as u64) as usize;
        if self.instance.sleeps(shard) == Some(Duration::ZERO) {
            tell(|| format!("shard {shard} turns"));
            self.instance.turn(shard);
        }
    }

    fn some_client(&mut self) -> Option<usize> {
        let count = self.clients.len() as u64;
        (count > 0).then(|| self.random.below(count) as usize)
    }

    fn move_some_bytes(&mut self) {
        let Some(client) = self.some_client() else { return };
        let most = 1 + self.random.below(200) as usize;
        let down = self.random.once_in(2);
        let tag = self.clients[client].tag;
        tell(
            || if down { format!("client {tag} reads") } else { format!("at most {most} bytes come of client {tag}") },
        );
        for link in &mut self.clients[client].links {
            if down { link.carry_down() } else { link.carry_up(most) }
        }
    }

    /// Some milliseconds, or until a timer is due.
    fn let_time_pass(&mut self) {
        let few = Duration::from_millis(self.random.below(20));
        let due = (0..self.instance.shards()).filter_map(|shard| self.instance.sleeps(shard)).min();
        let by = match due {
            Some(due) if self.random.once_in(8) => due.min(Duration::from_secs(1)),
            _ => few,
        };
        tell(|| format!("{} ms pass", by.as_millis()));
        self.pass(by);
        for shard in 0..self.instance.shards() {
            self.instance.turn(shard);
        }
    }

    fn have_somebody_come(&mut self) {
        let way = if self.random.once_in(2) { Way::WebSocket } else { Way::Polling };
        let link = self.link();
        self.tags += 1;
        let tag = self.tags;
        tell(|| format!("client {tag} comes over {way:?}"));
        self.clients.push(Client::new(tag, way, link));
    }

    fn link(&mut self) -> Link {
        let shard = self.random.below(self.instance.shards() as u64) as usize;
        Link::new(self.instance.connect(shard, self.plan.room))
    }

    fn have_somebody_speak(&mut self) {
        let Some(client) = self.some_client() else { return };
        let choice = self.random.below(24);
        let client = &mut self.clients[client];
        if client.phase != Phase::Joined {
            return;
        }
        match choice {
            0..=8 => client.say(Kind::All),
            9..=13 => client.say(Kind::Room),
            14..=17 => client.say(Kind::Echo),
            18..=20 => client.say(Kind::Ask),
            21 => client.ask_for("join"),
            22 => client.ask_for("leave"),
            _ => client.say(Kind::Echo),
        }
    }

    fn break_some_connection(&mut self) {
        let Some(index) = self.some_client() else { return };
        let ends = self.random.once_in(2);
        let client = &mut self.clients[index];
        for link in &client.links {
            if ends { link.end() } else { link.break_off() }
        }
        client.lose();
        let tag = client.tag;
        tell(|| format!("client {tag} is lost"));
    }

    /// The clients do what has come to them; those whose session is over go.
    fn clients_act(&mut self) {
        for index in 0..self.clients.len() {
            if self.clients[index].needs_link() {
                let link = self.link();
                self.clients[index].links.push(link);
            }
            let before = self.clients[index].phase;
            self.clients[index].act();
            if before != Phase::Joined && self.clients[index].phase == Phase::Joined {
                self.joined.push(self.clients[index].tag);
            }
        }
        self.clients.retain(|client| {
            let stays = client.phase != Phase::Over;
            if !stays {
                client.links.iter().for_each(Link::break_off);
            }
            stays
        });
    }

    /// Nobody says anything more, and everything comes to rest: who was there has heard all that was said.
    fn settle(&mut self) {
        for _ in 0..20_000 {
            self.begin_step();
            for client in &mut self.clients {
                for link in &mut client.links {
                    link.carry_up(usize::MAX);
                    link.carry_down();
                }
            }
            self.clients_act();
            for shard in 0..self.instance.shards() {
                while self.instance.sleeps(shard) == Some(Duration::ZERO) {
                    self.instance.turn(shard);
                }
            }
            if self.clients.iter().all(Client::is_quiet) && self.unheard().is_none() {
                return;
            }
            self.pass(Duration::from_millis(1));
        }
        let states: Vec<_> = self.clients.iter().map(Client::describe).collect();
        panic!("the world does not come to rest: {:?}\n{}", self.unheard(), states.join("\n"));
    }

    /// What somebody has not heard of what was said while it was there.
    fn unheard(&self) -> Option<String> {
        self.clients.iter().find_map(|client| {
            let others = self.clients.iter().filter(|other| other.tag != client.tag);
            // It may have come after the first was said; what it has heard since is whole.
            let known = |other: &&Client| client.heard.contains_key(&(Kind::All, other.tag));
            let of_others = others.filter(known).map(|other| (Kind::All, other));
            let mut due = of_others.chain([(Kind::Echo, client)]);
            due.find_map(|(kind, other)| {
                let said = other.said.get(&kind).copied().unwrap_or(0);
                let heard = client.heard.get(&(kind, other.tag)).map_or(0, |last| last + 1);
                (heard < said)
                    .then(|| format!("client {} has heard {heard} of {said} of {} ({kind:?})", client.tag, other.tag))
            })
        })
    }

    /// All clients go; what the server keeps time for comes to its end.
    fn say_farewell(&mut self) {
        for client in self.clients.drain(..) {
            client.links.iter().for_each(Link::break_off);
        }
        for _ in 0..200 {
            self.begin_step();
            for shard in 0..self.instance.shards() {
                self.instance.turn(shard);
            }
            self.pass(Duration::from_secs(1));
        }
    }

    fn check_nothing_is_left(&self) {
        if let Some(leftovers) = self.instance.leftovers() {
            panic!("{leftovers}");
        }
        let entries = self.guestbook.entries();
        for tag in &self.joined {
            let visits = entries.get(tag).copied().unwrap_or_default();
            assert_eq!(visits, Visits { came: 1, went: 1 }, "the session of client {tag}");
        }
        for (tag, visits) in entries.iter() {
            assert_eq!(visits.came, visits.went, "the session of client {tag}");
            assert!(visits.came == 1, "client {tag} came {} times", visits.came);
        }
    }
}
