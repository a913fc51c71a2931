//! The world: who acts next, and what must hold.

use std::mem;
use std::time::Duration;

use super::application::{Guestbook, Relayed};
use super::client::{Person, Socket};
use super::cluster::Cluster;
use super::ends::Ends;
use super::instance::Instance;
use super::journal::{self, tell};
use super::network::{Balancer, Network};
use super::plan::Plan;
use super::reckoning;
use super::survey::{self, Sure};
use crate::chance::simulated::{Random, Seeded, seed};
use crate::clock::simulated::{Stopped, advance, stop};

/// The longest time that passes at once.
const LONGEST: Duration = Duration::from_secs(30);

/// How late it may be seen that somebody was let go.
const SLACK: Duration = Duration::from_secs(1);

/// The longest time that passes at once while people are about to do something.
const WHILE: Duration = Duration::from_millis(20);

/// When the last session has ended, everything else ends within this time.
const REST: Duration = Duration::from_secs(200);

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
    guestbook: Guestbook,
    /// Whether what other servers pass on may be missed.
    may_miss: bool,
    /// What was passed on until that was over.
    forgiven: Relayed,
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
            balancer: Balancer::Sticky,
            guestbook,
            may_miss: plan.may_miss(),
            forgiven: Relayed::new(),
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
        // Clients whose pongs are late have times of their own.
        let quiet = self.plan.quiet.filter(|_| !self.plan.late_pongs);
        self.settle();
        self.be_quiet(quiet.unwrap_or(0));
        self.exchange_last_words();
        self.say_farewell();
        assert!(self.guestbook.entries().survey.is_done(), "a question was not answered");
        self.check_nothing_is_left();
        reckoning::check_visits(&self.people, &self.guestbook, &self.ends);
        reckoning::check_questions(&self.people, &self.guestbook, &self.plan);
        self.people.clear();
        self.have_the_servers_part();
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

    /// The servers stop, one by one. None of those that are left misses one that has gone.
    fn have_the_servers_part(&mut self) {
        self.have_the_servers_ask();
        while let Some(mut leaving) = self.instances.pop() {
            leaving.leave_its_cluster();
            for _ in 0..3000 {
                leaving.turn_until_rest();
                self.have_the_servers_exchange();
                self.instances.iter_mut().for_each(Instance::turn_until_rest);
                if leaving.threads.have_ended() {
                    break;
                }
                self.pass(Duration::from_millis(1));
            }
            assert!(leaving.threads.have_ended(), "a server stops for more than three seconds");
            self.have_the_servers_ask();
        }
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

    fn replace_the_drained(&mut self) {
        for place in 0..self.instances.len() {
            if let Some(number) = self.ends.replacement(&self.instances[place], &self.plan) {
                self.replace(place, number);
            }
        }
    }

    /// A new server takes the place of another one. Nobody waits for the old one's answers any more.
    fn replace(&mut self, place: usize, number: u8) {
        tell(|| format!("server {number} starts"));
        self.guestbook.forget(self.instances[place].number);
        let new = Instance::new(number, &self.plan, &self.guestbook, &self.cluster.network);
        mem::replace(&mut self.instances[place], new).kill();
    }

    /// A server ends without a word, and what its clients have said may not have left it.
    fn kill(&mut self, place: usize) {
        let server = self.instances[place].number;
        for person in &mut self.people {
            if self.plan.half_open && self.random.once_in(2) && person.lose_home(place) {
                tell(|| format!("{} does not notice", person.number));
            }
        }
        let number = self.ends.kill(server);
        self.forgiven.extend(self.guestbook.is_killed(server));
        self.replace(place, number);
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
        self.cluster.make_trouble(&self.plan, &mut self.random);
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
        let due = self.instances.iter().filter_map(Instance::sleeps_for).min();
        let by = match due {
            Some(due) if self.random.once_in(8) => due.min(Duration::from_secs(1)),
            Some(due) if self.random.once_in(64) => due.min(Duration::from_secs(30)),
            _ => few,
        };
        tell(|| format!("{} ms pass", by.as_millis()));
        self.pass(by);
        self.instances.iter_mut().for_each(Instance::turn_all);
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

    fn break_some_connection(&mut self) {
        let Some(index) = self.some_person() else { return };
        let person = &mut self.people[index];
        let how = person.suffer_loss(&mut self.random);
        tell(|| format!("{}: {how}", person.number));
    }

    /// Somebody stops reading, perhaps for as long as nobody may.
    fn stop_somebody_reading(&mut self) {
        if !self.plan.deaf.is_some_and(|steps| self.random.once_in(steps)) {
            return;
        }
        let Some(index) = self.some_person() else { return };
        let longest = 2 * self.plan.silence().as_millis() as u64;
        let time = Duration::from_millis(self.random.below(longest));
        let person = &mut self.people[index];
        tell(|| format!("{} stops reading for {time:?}", person.number));
        person.stop_reading(time);
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

    /// The program gives a late answer, has many join or leave a room, or lets them go.
    fn have_the_program_act(&mut self) {
        let Self { plan, random, .. } = self;
        let late = self.guestbook.entries().late.len() as u64;
        if late > 0 && random.once_in(30) {
            self.guestbook.answer_late(random.below(late) as usize);
        }
        if !plan.crowds.is_some_and(|steps| random.once_in(steps)) {
            return;
        }
        let place = random.below(self.instances.len() as u64) as usize;
        let server = self.instances[place].handle.of("/");
        match random.below(4) {
            0 => {
                tell(|| format!("server {place} has those in the crowd leave the namespace"));
                server.to("crowd").disconnect_sockets(self.random.once_in(2));
            }
            1 => server.sockets_leave(["crowd"]),
            _ => server.except("room").sockets_join(["crowd", "another crowd"]),
        }
    }

    /// Memory becomes short or is free again. Servers cannot accept, are told to drain, or are killed.
    fn make_trouble_for_servers(&mut self) {
        let Self { plan, random, .. } = self;
        let place = random.below(self.instances.len() as u64) as usize;
        let instance = &mut self.instances[place];
        if plan.memory.is_some_and(|steps| random.once_in(steps)) {
            let percent = [10, 50, 83, 88, 95][random.below(5) as usize];
            tell(|| format!("server {place} uses {percent} % of its memory"));
            instance.use_memory(percent);
        }
        if plan.failed_accepts.is_some_and(|steps| random.once_in(steps)) {
            let shard = random.below(instance.shards() as u64) as usize;
            tell(|| format!("shard {shard} of server {place} cannot accept"));
            instance.fail_to_accept(shard, 1 + random.below(3) as usize);
        }
        if plan.drains.is_some_and(|steps| random.once_in(steps)) {
            self.ends.drain(instance);
        }
        if plan.kills.is_some_and(|steps| random.once_in(steps)) {
            self.kill(place);
        }
    }

    /// People do what has come to them.
    fn people_act(&mut self) {
        let Self { instances, random, balancer, plan, .. } = self;
        let mut network = Network { instances, random, balancer: *balancer, plan };
        self.people.iter_mut().for_each(|person| person.act(&mut network));
    }

    /// Nothing happens to anybody any more.
    fn settle(&mut self) {
        self.plan.late_pongs = false;
        self.people.iter_mut().for_each(Person::find_the_dead_links);
        self.instances.iter().for_each(|instance| instance.use_memory(0));
        self.cluster.recover();
        self.come_to_rest();
    }

    /// Nobody speaks while time goes on to the servers' next timer, so many times: heartbeats come and are answered.
    fn be_quiet(&mut self, times: u64) {
        for _ in 0..times {
            let due = self.instances.iter().filter_map(Instance::sleeps_for).min();
            self.pass(due.unwrap_or(LONGEST).clamp(Duration::from_millis(1), LONGEST));
            self.come_to_rest();
        }
    }

    /// Whatever has happened, from now on everybody hears everything.
    fn exchange_last_words(&mut self) {
        self.may_miss = false;
        self.people.iter_mut().for_each(Person::say_last_words);
        self.come_to_rest();
    }

    /// Nobody says anything more, and everything comes to rest: who was there has heard all that was said.
    fn come_to_rest(&mut self) {
        for _ in 0..20_000 {
            self.begin_step();
            self.carry_all_up();
            self.people.iter_mut().for_each(Person::read);
            while !self.guestbook.entries().late.is_empty() {
                self.guestbook.answer_late(0);
            }
            self.people_act();
            self.cluster.move_all();
            self.instances.iter_mut().for_each(Instance::turn_until_rest);
            let is_at_rest = self.restless().is_none();
            if is_at_rest && self.may_miss {
                self.forgiven = self.guestbook.entries().relayed.clone();
            }
            if is_at_rest && self.unheard().is_none() {
                return;
            }
            let is_still = self.cluster.is_idle() && self.people.iter().all(Person::hears_nothing);
            let due = self.instances.iter().filter_map(Instance::sleeps_for).min().filter(|_| is_still);
            self.pass(due.unwrap_or_default().clamp(Duration::from_millis(1), WHILE));
        }
        let states: Vec<_> = self.people.iter().map(Person::describe).collect();
        let why = self.restless().map(str::to_owned).or_else(|| self.unheard());
        panic!("the world does not come to rest: {why:?}\n{}", states.join("\n"));
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

    fn unheard(&self) -> Option<String> {
        reckoning::unheard(&self.people, &self.guestbook, &self.forgiven)
    }

    /// Everybody speaks, and nobody reads any more.
    fn have_nobody_read(&mut self) {
        self.people.iter_mut().for_each(|person| person.stop_reading(LONGEST));
        for _ in 0..30 {
            self.people.iter_mut().for_each(Person::say_much);
            self.begin_step();
            self.people_act();
            self.carry_all_up();
            self.instances.iter_mut().for_each(Instance::turn_all);
            self.have_the_servers_exchange();
        }
    }

    /// Everybody goes, or falls silent; what the server keeps time for comes to its end.
    fn say_farewell(&mut self) {
        self.check_nobody_who_reads_was_cut_off();
        let is_silent = self.plan.silent_end || self.plan.deaf_end;
        if self.plan.deaf_end && !self.plan.silent_end {
            self.have_nobody_read();
        }
        self.people.iter_mut().for_each(if is_silent { Person::fall_silent } else { Person::quit });
        let silence = if is_silent { self.plan.silence() } else { Duration::ZERO };
        self.let_pass(silence);
        let has_sessions = self.instances.iter().any(Instance::has_sessions);
        assert!(!is_silent || !has_sessions, "{silence:?} after the last sign of life there are sessions");
        self.let_pass(REST);
    }

    /// So much time passes, from timer to timer.
    fn let_pass(&mut self, mut time: Duration) {
        while !time.is_zero() {
            self.begin_step();
            self.instances.iter_mut().for_each(Instance::turn_all);
            self.have_the_servers_exchange();
            let due = self.instances.iter().filter_map(Instance::sleeps_for).min().unwrap_or(time);
            let by = due.max(Duration::from_millis(1)).min(time);
            self.pass(by);
            time -= by;
        }
        self.instances.iter_mut().for_each(Instance::turn_all);
    }

    /// What is on its way to Redis and back arrives, and so does what follows from that.
    fn have_the_servers_exchange(&mut self) {
        loop {
            self.cluster.move_all();
            self.instances.iter_mut().for_each(|instance| instance.threads.turn());
            if self.cluster.is_idle() {
                return;
            }
        }
    }

    /// If nobody was slow or lost, nobody was cut off for that.
    fn check_nobody_who_reads_was_cut_off(&self) {
        let slowest = self.people.iter().map(Person::slowest).max().unwrap_or_default();
        let Plan { breaks, kills, memory, upgrades, .. } = self.plan;
        // Who upgrades leaves a connection that nobody reads.
        let may_be_lost = breaks.is_some() || kills.is_some() || memory.is_some() || upgrades;
        if slowest < Duration::from_millis(self.plan.write_stall / 2) && !may_be_lost {
            let cut: u64 = self.instances.iter().map(Instance::slow_consumers).sum();
            assert_eq!(cut, 0, "clients were cut off, and the slowest took {slowest:?}");
        }
    }

    fn check_nothing_is_left(&self) {
        if let Some(leftovers) = self.instances.iter().find_map(Instance::leftovers) {
            panic!("{leftovers}");
        }
    }
}
