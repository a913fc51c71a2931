//! The end of a history: everything comes to rest, and nothing is left.

use std::time::Duration;

use super::{LONGEST, World};
use crate::shard::tests::simulation::client::Person;
use crate::shard::tests::simulation::instance::Instance;
use crate::shard::tests::simulation::plan::Plan;
use crate::shard::tests::simulation::reckoning;

/// When the last session has ended, everything else ends within this time.
const REST: Duration = Duration::from_secs(200);

impl World {
    /// From the last step on: everything comes to rest, everybody goes, the servers stop, and nothing is left.
    pub(super) fn finish(&mut self) {
        // Clients whose pongs are late have times of their own.
        let quiet = self.plan.quiet.filter(|_| !self.plan.late_pongs);
        self.settle();
        self.be_quiet(quiet.unwrap_or(0));
        self.exchange_last_words();
        self.say_farewell();
        assert!(self.guestbook.entries().survey.is_done(), "a question was not answered");
        self.check_nothing_is_left();
        reckoning::check_visits(&self.people, &self.guestbook, &self.ends, &self.plan);
        reckoning::check_questions(&self.people, &self.guestbook, &self.plan);
        self.people.clear();
        self.have_the_servers_part();
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
            let due = self.next_event();
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

    /// Everybody speaks, and nobody reads any more.
    fn have_nobody_read(&mut self) {
        self.people.iter_mut().for_each(|person| person.stop_reading(LONGEST));
        for _ in 0..30 {
            self.people.iter_mut().for_each(Person::say_much);
            self.begin_step();
            self.people_act();
            self.carry_all_up();
            self.turn_all();
            self.have_the_servers_exchange();
        }
    }

    /// People speak in turn, and the shards have not handled all of it when everybody goes.
    fn say_much_and_go(&mut self) {
        for round in 0..6 {
            let speakers = self.people.iter_mut().filter(|person| person.number % 3 == round % 3);
            speakers.for_each(Person::say_last_words);
            self.people_act();
            self.carry_all_up();
            self.turn_all();
        }
    }

    /// Everybody goes, or falls silent; what the server keeps time for comes to its end.
    fn say_farewell(&mut self) {
        self.check_nobody_who_reads_was_cut_off();
        let is_silent = self.plan.silent_end || self.plan.deaf_end;
        if self.plan.deaf_end && !self.plan.silent_end {
            self.have_nobody_read();
        }
        if self.plan.hurry && !is_silent {
            self.say_much_and_go();
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
            // About those, too, who have gone meanwhile.
            while self.guestbook.decide(&mut self.random) {}
            self.instances.iter().for_each(Instance::run_all_jobs);
            self.turn_all();
            self.have_the_servers_exchange();
            let due = self.instances.iter().filter_map(Instance::sleeps_for).min().unwrap_or(time);
            let by = due.max(Duration::from_millis(1)).min(time);
            self.pass(by);
            time -= by;
        }
        self.turn_all();
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

    /// With a server that has ended its connections end, too, though nobody takes what waits there.
    fn check_nothing_is_left(&self) {
        let mut going_on = self.instances.iter().filter(|instance| !instance.has_ended());
        if let Some(leftovers) = going_on.find_map(Instance::leftovers) {
            panic!("{leftovers}");
        }
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
}
