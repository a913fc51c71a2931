//! Trouble: what happens to people, to servers, and by the program, once in some steps.

use std::mem;
use std::time::Duration;

use super::World;
use crate::shard::tests::simulation::client::Person;
use crate::shard::tests::simulation::instance::Instance;
use crate::shard::tests::simulation::journal::tell;

impl World {
    pub(super) fn break_some_connection(&mut self) {
        let Some(index) = self.some_person() else { return };
        let person = &mut self.people[index];
        let how = person.suffer_loss(&mut self.random);
        tell(|| format!("{}: {how}", person.number));
    }

    /// Somebody stops reading, perhaps for as long as nobody may.
    pub(super) fn stop_somebody_reading(&mut self) {
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

    /// The program gives a late answer, has many join or leave a room, or lets them go.
    pub(super) fn have_the_program_act(&mut self) {
        let Self { plan, random, .. } = self;
        let late = self.guestbook.entries().late.answers() as u64;
        if late > 0 && random.once_in(30) {
            self.guestbook.answer_late(random.below(late) as usize);
        }
        if plan.decisions.is_some() && random.once_in(8) {
            self.guestbook.decide(random);
        }
        if plan.threads.is_some() && random.once_in(4) {
            let place = random.below(self.instances.len() as u64) as usize;
            self.instances[place].run_some_job(random);
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

    /// Something happens to Redis, and what servers pass on to each other may be lost.
    pub(super) fn make_trouble_for_redis(&mut self) {
        if self.cluster.make_trouble(&self.plan, &mut self.random) && self.plan.is_loose() {
            self.people.iter_mut().for_each(Person::may_have_lost_a_way);
        }
    }

    /// Until the servers know each other again, what they pass on may be lost, too.
    pub(super) fn excuse_who_needs_ways(&mut self) {
        let others = self.instances.len().saturating_sub(1);
        let is_cut_off = |it: &Instance| !it.is_in_its_cluster() || it.known_peers() < others;
        if self.plan.is_loose() && self.instances.iter().any(is_cut_off) {
            self.people.iter_mut().for_each(Person::may_have_lost_a_way);
        }
    }

    /// Memory becomes short or is free again. Servers cannot accept, are told to drain, or are killed.
    pub(super) fn make_trouble_for_servers(&mut self) {
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

    pub(super) fn replace_the_drained(&mut self) {
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
            if self.plan.is_loose() {
                person.may_have_lost_a_way();
            }
            if self.plan.half_open && self.random.once_in(2) && person.lose_home(place) {
                tell(|| format!("{} does not notice", person.number));
            }
        }
        let number = self.ends.kill(server);
        self.forgiven.extend(self.guestbook.is_killed(server));
        self.replace(place, number);
    }
}
