//! The census: a shard counts its connections, sessions, namespaces and rooms when it is asked, and never otherwise.

use crate::engineio::Route;
use crate::shard::guard::Guard;
use crate::shard::net::connection::Stage;

/// The numbers of connections, sessions, sockets and rooms, in one shard or in all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Census {
    /// TCP connections that speak HTTP.
    pub(crate) http: usize,
    /// TCP connections that are WebSockets.
    pub(crate) websockets: usize,
    /// Sessions on long polling.
    pub(crate) polling_sessions: usize,
    /// Sessions on a WebSocket.
    pub(crate) websocket_sessions: usize,
    /// Rooms in all namespaces, in each shard that has members of them.
    pub(crate) rooms: usize,
    /// Namespaces by name, with the sockets connected to them.
    pub(crate) namespaces: Vec<(String, usize)>,
}

impl Census {
    /// Adds another shard's census.
    pub(crate) fn add(&mut self, other: Self) {
        self.http += other.http;
        self.websockets += other.websockets;
        self.polling_sessions += other.polling_sessions;
        self.websocket_sessions += other.websocket_sessions;
        self.rooms += other.rooms;
        self.namespaces.extend(other.namespaces);
    }

    /// Merges namespaces of the same name, and sorts them, those with the most sockets first.
    pub(crate) fn ranked(mut self) -> Self {
        self.namespaces.sort_unstable();
        self.namespaces.dedup_by(|later, first| {
            let same = later.0 == first.0;
            if same {
                first.1 += later.1;
            }
            same
        });
        self.namespaces.sort_by_key(|(_, sockets)| std::cmp::Reverse(*sockets));
        self
    }
}

impl Guard {
    /// Takes the census of this shard.
    pub(crate) fn census(&self) -> Census {
        let is_websocket = |stage: &Stage| matches!(stage, Stage::WebSocket(_) | Stage::Tunnel(_));
        let websockets = self.connections().filter(|(_, connection)| is_websocket(&connection.stage)).count();
        let (mut polling_sessions, mut websocket_sessions) = (0, 0);
        for (_, client) in self.clients() {
            match client.session.route() {
                Route::WebSocket(_) | Route::Translated(..) => websocket_sessions += 1,
                Route::Queue => polling_sessions += 1,
                Route::Gone => {}
            }
        }
        Census {
            http: self.connection_count() - websockets,
            websockets,
            polling_sessions,
            websocket_sessions,
            rooms: self.namespaces().rooms,
            namespaces: self
                .namespaces()
                .populations(|key| self.shared().directory.namespace_name(key).to_owned())
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_several_shards_add_up_by_namespace() {
        let shard = |namespaces: &[(&str, usize)]| Census {
            http: 1,
            namespaces: namespaces.iter().map(|(name, sockets)| ((*name).to_owned(), *sockets)).collect(),
            ..Census::default()
        };
        let mut sum = shard(&[("/a", 1), ("/b", 2)]);
        sum.add(shard(&[("/", 0), ("/a", 3)]));
        let sum = sum.ranked();
        assert_eq!(sum.http, 2);
        assert_eq!(sum.namespaces, [("/a".to_owned(), 4), ("/b".to_owned(), 2), ("/".to_owned(), 0)]);
    }
}
