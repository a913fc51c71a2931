//! Polling: GETs that fetch packets, and POSTs that bring them, each over a connection of its own.

use std::collections::VecDeque;

use super::super::network::Network;
use super::http;
use super::link::Link;
use super::packet::{self, Packet};

/// What has come by polling.
pub(super) enum News {
    Nothing,
    Packets(Vec<Packet>),
    /// The server has answered with another status, or a connection that carried a request is gone.
    Refused(u16),
    Lost,
}

/// A session's connections while it polls.
pub(super) struct Polling {
    /// The connection of GETs, and whether one is under way.
    gets: Link,
    is_fetching: bool,
    /// The connection of POSTs, once there was one, and whether one is under way.
    posts: Option<Link>,
    is_posting: bool,
}

impl Polling {
    /// Opens a session.
    pub(super) fn open(mut link: Link, target: &str) -> Self {
        link.send(http::get(target));
        Self { gets: link, is_fetching: true, posts: None, is_posting: false }
    }

    /// Fetches, if it does not already. A connection that the server has closed meanwhile is replaced;
    /// false if the new one is refused.
    pub(super) fn fetch(&mut self, target: impl Fn() -> String, home: usize, network: &mut Network<'_>) -> bool {
        if self.is_fetching {
            return true;
        }
        if self.gets.is_closed() {
            let Some(link) = network.connect(home) else { return false };
            self.gets = link;
        }
        self.gets.send(http::get(&target()));
        self.is_fetching = true;
        true
    }

    /// What a GET has brought.
    pub(super) fn fetched(&mut self) -> News {
        if !self.is_fetching {
            return News::Nothing;
        }
        match http::take_answer(&mut self.gets.received) {
            Some((200, body)) => {
                self.is_fetching = false;
                News::Packets(packet::split(&body))
            }
            Some((status, _)) => News::Refused(status),
            None if self.gets.is_closed() => News::Lost,
            None => News::Nothing,
        }
    }

    /// Posts as many packets as one body may carry, if no POST is under way. False if its connection is
    /// refused.
    pub(super) fn post(
        &mut self,
        packets: &mut VecDeque<Packet>,
        most: usize,
        target: impl Fn() -> String,
        home: usize,
        network: &mut Network<'_>,
    ) -> bool {
        if self.is_posting || packets.is_empty() {
            return true;
        }
        if self.posts.as_ref().is_none_or(Link::is_closed) {
            self.posts = network.connect(home);
        }
        let Some(posts) = &mut self.posts else { return false };
        posts.send(http::post(&target(), &packet::payload(packets, most)));
        self.is_posting = true;
        true
    }

    /// What has become of the POST under way.
    pub(super) fn posted(&mut self) -> News {
        let Some(posts) = self.posts.as_mut().filter(|_| self.is_posting) else { return News::Nothing };
        match http::take_answer(&mut posts.received) {
            Some((200, _)) => self.is_posting = false,
            Some((status, _)) => return News::Refused(status),
            None if posts.is_closed() => return News::Lost,
            None => {}
        }
        News::Nothing
    }

    /// Whether neither a GET nor a POST is under way.
    pub(super) const fn is_paused(&self) -> bool {
        !self.is_fetching && !self.is_posting
    }

    pub(super) const fn is_fetching(&self) -> bool {
        self.is_fetching
    }

    pub(super) const fn is_posting(&self) -> bool {
        self.is_posting
    }

    pub(super) fn links(&self) -> impl Iterator<Item = &Link> {
        [&self.gets].into_iter().chain(&self.posts)
    }

    pub(super) fn links_mut(&mut self) -> impl Iterator<Item = &mut Link> {
        [&mut self.gets].into_iter().chain(&mut self.posts)
    }
}
