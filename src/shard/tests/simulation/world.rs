//! The world: who acts next, and what must hold.

mod finish;
mod trouble;

use std::time::{Duration, Instant};

use super::application::{Guestbook, Relayed};
use super::client::{Person, Socket};
use super::cluster::Cluster;
use super::ends::Ends;
use super::instance::Instance;
use super::journal::{self, tell};
use super::network::{Balancer, Network, Trouble};
use super::plan::Plan;
use super::reckoning;
use super::survey::{self, Sure};
use crate::chance::simulated::{Random, Seeded, seed};
use crate::clock;
use crate::clock::simulated::{Stopped, advance, stop};

/// The longest time that passes at once.
const LONGEST: Duration = Duration::from_secs(30);

/// How late it may be seen that somebody was let go.
const SLACK: Duration = Duration::from_secs(1);

/// The longest time that passes at once while people are about to do something.
const WHILE: Duration = Duration::from_millis(20);

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
    instances: Vec<Instance>,
    ends: Ends,
    cluster: Cluster,
    balancer: Balancer,
    /// Since when something is on its way between the servers.
    busy: Option<Instant>,
    guestbook: Guestbook,
    /// Whether what other servers pass on may be missed.
    may_miss: bool,
    /// What was passed on until that was over.
    forgiven: Relayed,
    /// The guestbook's news up to which all was heard.
    heard_until: u64,
    people: Vec<Person>,
    _time: Stopped,
    _chance: Seeded,
}

impl World {
    pub(super) fn new(number: u64, plan: Plan) -> Self {
        let (time, chance) = (stop(), seed(number));
        let guestbook = Guestbook::default();
        let cluster = Cluster::new();
        let instance = |number| Instance::new(number as u8, &plan, &guestbook, &cluster.network);
        let instances: Vec<_> = (0..plan.instances).map(instance).collect();
        Self {
            random: Random::new(number),
            plan,
            lived: Lived::default(),
            ends: Ends::new(instances.len()),
            instances,
            cluster,
            balancer: if plan.is_loose() { Balancer::Loose } else { Balancer::Sticky },
            busy: None,
            guestbook,
            may_miss: plan.may_miss(),
            forgiven: Relayed::new(),
            heard_until: 0,
            people: Vec::new(),
            _time: time,
            _chance: chance,
        }
    }

    /// Lives through the history, and checks its end.
    pub(super) fn run(mut self) -> Lived {
        self.have_the_servers_meet();
        for _ in 0..self.plan.steps {
            self.begin_step();
            self.step();
        }
        self.finish();
        self.lived
    }

    /// All servers connect to Redis, and count each other: only a server that was counted can be missed.
    fn have_the_servers_meet(&mut self) {
        self.come_to_rest();
        self.have_the_servers_ask();
    }

    /// Each server asks who is there, and nothing keeps it from a complete answer.
    fn have_the_servers_ask(&mut self) {
        for instance in &self.instances {
            survey::ask_of(&self.guestbook, (&instance.handle, instance.number), "/", Sure::Complete, || {});
        }
        self.come_to_rest();
    }

    fn begin_step(&mut self) {
        self.replace_the_drained();
        self.lived.steps += 1;
        journal::step();
        if let Some(error) = journal::error() {
            panic!("the server logs an error: {error}");
        }
        reckoning::check_complaints(&self.guestbook);
    }

    /// Time passes.
    fn pass(&mut self, by: Duration) {
        self.lived.time += by;
        if self.instances.iter().any(Instance::has_sessions) {
            self.lived.lively += by;
        }
        advance(by);
    }

    fn step(&mut self) {
        let choices = if self.plan.is_cluster() { 15 } else { 10 };
        match self.random.below(choices) {
            0..=2 => self.turn_some_shard(),
            3..=6 => self.move_some_bytes(),
            7 => self.let_time_pass(),
            8 => self.have_somebody_speak(),
            10..=12 => self.cluster.move_some_bytes(&mut self.random),
            13.. => self.turn_some_thread(),
            9 if self.people.len() < self.plan.clients => self.have_somebody_come(),
            _ => self.have_somebody_speak(),
        }
        if let Some(breaks) = self.plan.breaks
            && self.random.once_in(breaks)
        {
            self.break_some_connection();
        }
        self.make_trouble_for_redis();
        self.make_trouble_for_servers();
        self.stop_somebody_reading();
        self.have_the_program_act();
        self.people_act();
        self.check_who_does_not_read();
    }

    fn turn_some_shard(&mut self) {
        let place = self.random.below(self.instances.len() as u64) as usize;
        let instance = &mut self.instances[place];
        let shard = self.random.below(instance.shards() as u64) as usize;
        if instance.sleeps(shard) == Some(Duration::ZERO) {
            tell(|| format!("shard {shard} of server {place} turns"));
            instance.turn(shard);
        }
    }

    /// Turns all shards and threads that are awake.
    fn turn_all(&mut self) {
        for instance in &mut self.instances {
            instance.turn_all();
        }
    }

    fn turn_some_thread(&mut self) {
        let place = self.random.below(self.instances.len() as u64) as usize;
        self.instances[place].threads.turn_some(&mut self.random);
    }

    fn some_person(&mut self) -> Option<usize> {
        let count = self.people.len() as u64;
        (count > 0).then(|| self.random.below(count) as usize)
    }

    fn move_some_bytes(&mut self) {
        let Some(index) = self.some_person() else { return };
        let most = 1 + self.random.below(200) as usize;
        let down = self.random.once_in(2);
        let person = &mut self.people[index];
        let number = person.number;
        tell(|| if down { format!("{number} reads") } else { format!("at most {most} bytes come of {number}") });
        if down {
            return person.read();
        }
        person.links_mut().for_each(|link| link.carry_up(most));
    }

    /// Some milliseconds, or until a timer is due.
    fn let_time_pass(&mut self) {
        let few = Duration::from_millis(self.random.below(20));
        let due = self.next_event();
        let by = match due {
            Some(due) if self.random.once_in(8) => due.min(Duration::from_secs(1)),
            Some(due) if self.random.once_in(64) => due.min(Duration::from_secs(30)),
            _ => few,
        };
        tell(|| format!("{} ms pass", by.as_millis()));
        self.pass(by);
        self.turn_all();
    }

    /// How long it takes until something happens by itself: a server's timer comes up, or an old client pings.
    fn next_event(&self) -> Option<Duration> {
        let pings = self.people.iter().filter_map(Person::next_ping);
        let ping = pings.min().map(|at| at.saturating_duration_since(clock::now()));
        self.instances.iter().filter_map(Instance::sleeps_for).chain(ping).min()
    }

    fn have_somebody_come(&mut self) {
        let number = self.people.len() as u64 + 1;
        let namespaces: &[_] = match self.random.below(4) {
            0 => &["/side/a"],
            1 => &["/", "/side/a"],
            2 => &["/", "/side/b"],
            _ => &["/"],
        };
        tell(|| format!("{number} comes to {namespaces:?}"));
        self.people.push(Person::new(number, namespaces, &self.plan));
    }

    fn have_somebody_speak(&mut self) {
        let Some(index) = self.some_person() else { return };
        self.people[index].speak(&self.plan, &mut self.random);
    }

    /// Who does not read is let go in the time that is documented.
    fn check_who_does_not_read(&self) {
        let most = self.plan.silence() + SLACK;
        for person in &self.people {
            let Some(time) = person.is_deaf_for().filter(|time| *time > most) else { continue };
            let is_there = |socket: &&Socket| self.guestbook.is_there(socket.tag());
            let there = person.sockets().iter().find(is_there).map(Socket::tag);
            assert_eq!(there, None, "{} has read nothing for {time:?}, and is not cut off", person.number);
        }
    }

    /// People do what has come to them.
    fn people_act(&mut self) {
        self.excuse_who_needs_ways();
        let delay = self.delay_of_relayed();
        let troubles: Vec<_> = self.instances.iter().map(Trouble::of).collect();
        let Self { instances, random, balancer, plan, .. } = self;
        let mut network = Network { instances, troubles: &troubles, random, balancer: *balancer, plan, delay };
        self.people.iter_mut().for_each(|person| person.act(&mut network));
    }

    /// For how long something is on its way between the servers, if clients may have to wait for that.
    fn delay_of_relayed(&mut self) -> Option<Duration> {
        if !self.plan.is_loose() {
            return None;
        }
        let is_busy = |instance: &Instance| instance.sleeps_for() == Some(Duration::ZERO);
        let is_idle = self.cluster.is_idle() && !self.instances.iter().any(is_busy);
        self.busy = if is_idle { None } else { self.busy.or_else(|| Some(clock::now())) };
        self.busy.map(|since| clock::now() - since)
    }

    /// Nobody says anything more, and everything comes to rest: who was there has heard all that was said.
    fn come_to_rest(&mut self) {
        for _ in 0..20_000 {
            self.begin_step();
            self.carry_all_up();
            self.people.iter_mut().for_each(Person::read);
            self.guestbook.give_all_answers();
            while self.guestbook.decide(&mut self.random) {}
            self.people_act();
            self.cluster.move_all();
            self.instances.iter_mut().for_each(Instance::turn_until_rest);
            if self.restless().is_none() && self.is_all_heard() {
                return self.check_what_is_relayed();
            }
            let is_still = self.cluster.is_idle() && self.people.iter().all(Person::hears_nothing);
            let due = self.next_event().filter(|_| is_still);
            self.pass(due.unwrap_or_default().clamp(Duration::from_millis(1), WHILE));
        }
        let states: Vec<_> = self.people.iter().map(Person::describe).collect();
        let why = self.restless().map(str::to_owned).or_else(|| self.unheard());
        panic!("the world does not come to rest: {why:?}\n{}", states.join("\n"));
    }

    /// What a server passes on is what another knows of, when nothing is on its way, and nothing was lost there.
    fn check_what_is_relayed(&self) {
        if self.plan.redis_trouble.is_none() && !self.plan.has_ends() {
            let (errands, exchanges): (Vec<_>, Vec<_>) = self.instances.iter().map(Instance::relayed).unzip();
            let [errands, exchanges] = [errands, exchanges].map(|counts| counts.into_iter().sum::<usize>());
            assert_eq!(errands, exchanges, "what servers pass on, and what they know to be passed on");
        }
    }

    /// All that people have sent reaches their servers.
    fn carry_all_up(&mut self) {
        self.people.iter_mut().flat_map(Person::links_mut).for_each(|link| link.carry_up(usize::MAX));
    }

    /// What is on its way, or who is not where it wants to be.
    fn restless(&self) -> Option<&'static str> {
        let is_joined = self.instances.iter().all(Instance::is_in_its_cluster);
        let rests = [
            (is_joined, "a server is not in its cluster"),
            (self.guestbook.entries().survey.is_done(), "a question is open"),
            (self.cluster.is_idle(), "something is on its way to or from Redis"),
            (self.people.iter().all(Person::is_quiet), "somebody is not quiet"),
        ];
        rests.into_iter().find_map(|(rests, what)| (!rests).then_some(what))
    }

    /// Whether who was there has heard what was passed on, and the program what was said. Nothing is under way.
    fn is_all_heard(&mut self) -> bool {
        let news = self.guestbook.entries().news;
        if self.heard_until != news {
            if self.may_miss {
                self.forgiven = self.guestbook.entries().relayed.clone();
            }
            if self.unheard().is_some() {
                return false;
            }
            self.heard_until = news;
        }
        reckoning::unsaid(&self.people, &self.guestbook).is_none()
    }

    fn unheard(&self) -> Option<String> {
        let unheard = reckoning::unheard(&self.people, &self.guestbook, &self.forgiven);
        unheard.or_else(|| reckoning::unsaid(&self.people, &self.guestbook))
    }

    /// What is on its way to Redis and back arrives, and so does what follows from that.
    fn have_the_servers_exchange(&mut self) {
        loop {
            self.cluster.move_all();
            for instance in &mut self.instances {
                instance.threads.turn();
            }
            if self.cluster.is_idle() {
                return;
            }
        }
    }
}
