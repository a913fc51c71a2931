//! What settings must fulfil that their types do not say.

use super::{Config, Limits, Password, origin, redis};
use crate::error::{Error, Result};
use crate::http::Cors;

/// Most event loops. The numbers of events know one by its index, and 255 stands there for all other threads.
pub(crate) const MOST_SHARDS: usize = 255;

/// Least bytes for messages of the cluster. With less, an event's overhead would leave no room to send any.
const LEAST_FOR_REDIS: usize = 1024;
const FOR_REDIS: &str = "1KiB or more, because no message to other servers fits into less";

/// What is accepted as the instances' common secret.
const PEER_KEY: &str = "at least 32 characters, such as the output of `openssl rand -hex 32`";

/// Least characters of the instances' common secret.
const PEER_KEY_LENGTH: usize = 32;

/// What is accepted as the token of the port for operations.
const OPS_TOKEN: &str = "at least 16 visible ASCII characters, such as the output of `openssl rand -hex 32`";

impl Config {
    /// Checks what the types cannot, and normalises the path and the origins.
    pub(crate) fn checked(mut self) -> Result<Self> {
        self.normalize_path()?;
        self.normalize_origins()?;
        self.check_ops_token()?;
        self.check_peer_key()?;
        self.check_ops_port()?;
        self.check_times()?;
        self.check_counts()?;
        self.check_sizes()?;
        self.limits.check_switched()?;
        self.limits.check_memory_marks()?;
        Ok(self)
    }

    fn normalize_path(&mut self) -> Result<()> {
        if !self.path.starts_with('/') {
            return Err(refused("KINGLET_PATH", &self.path, "a path that begins with a slash, such as /socket.io/"));
        }
        if !self.path.ends_with('/') {
            self.path.push('/');
        }
        Ok(())
    }

    fn normalize_origins(&mut self) -> Result<()> {
        for origin in self.allowed_origins.iter_mut().flatten() {
            *origin = normal_origin("KINGLET_ALLOWED_ORIGINS", origin)?;
        }
        for origin in self.cors.iter_mut().flat_map(Cors::named_origins) {
            *origin = normal_origin("KINGLET_CORS", origin)?;
        }
        Ok(())
    }

    fn check_ops_token(&self) -> Result<()> {
        let is_token = |token: &str| token.len() >= 16 && token.bytes().all(|byte| byte.is_ascii_graphic());
        match self.ops_token.as_ref().map(Password::expose) {
            Some(token) if !is_token(token) => Err(refused("KINGLET_OPS_TOKEN", redis::NOT_SHOWN, OPS_TOKEN)),
            _ => Ok(()),
        }
    }

    fn check_peer_key(&self) -> Result<()> {
        match self.peer_key.as_ref().map(|key| key.expose().chars().count()) {
            Some(..PEER_KEY_LENGTH) => Err(refused("KINGLET_PEER_KEY", redis::NOT_SHOWN, PEER_KEY)),
            _ => Ok(()),
        }
    }

    fn check_ops_port(&self) -> Result<()> {
        match self.ops_port {
            Some(port) if port != 0 && self.meets(port) => {
                Err(refused("KINGLET_OPS_PORT", &port.to_string(), "another port than PORT, which clients use"))
            }
            _ => Ok(()),
        }
    }

    /// Whether the server itself listens at the address and port for operations.
    fn meets(&self, ops_port: u16) -> bool {
        let anywhere = self.address.is_unspecified() || self.ops_address.is_unspecified();
        self.port == ops_port && (anywhere || self.address == self.ops_address)
    }

    fn check_times(&self) -> Result<()> {
        const TIME: &str = "a time above zero";
        let recovery = self.recovery.as_ref().map(|recovery| recovery.max_disconnection_duration);
        for (name, time, expected) in [
            ("KINGLET_PING_INTERVAL", Some(self.ping_interval), TIME),
            ("KINGLET_PING_TIMEOUT", Some(self.ping_timeout), TIME),
            ("KINGLET_REDIS_CONNECT_TIMEOUT", Some(self.limits.redis_connect_timeout), TIME),
            ("KINGLET_REDIS_PING_INTERVAL", Some(self.limits.redis_ping_interval), TIME),
            ("KINGLET_REDIS_PING_TIMEOUT", Some(self.limits.redis_ping_timeout), TIME),
            ("KINGLET_REDIS_BACKOFF", Some(self.limits.redis_backoff), TIME),
            ("KINGLET_RELAY_TIMEOUT", Some(self.limits.relay_timeout), TIME),
            ("KINGLET_ROUTE_TIMEOUT", Some(self.limits.route_timeout), TIME),
            ("KINGLET_RECOVERY", recovery, "a time above zero, or off"),
        ] {
            if time.is_some_and(|time| time.is_zero()) {
                return Err(refused(name, "0", expected));
            }
        }
        Ok(())
    }

    fn check_counts(&self) -> Result<()> {
        for (name, count, most) in [
            ("KINGLET_SHARDS", self.shards.unwrap_or(1), MOST_SHARDS),
            ("KINGLET_REQUEST_HEADERS", self.limits.request_headers, 96),
            ("KINGLET_BLOCKING_THREADS", self.blocking_threads, 1024),
            ("KINGLET_ACCEPTS_PER_TURN", self.limits.accepts_per_turn, usize::MAX),
            ("KINGLET_OPS_CONNECTIONS", self.limits.ops_connections, 1024),
            ("KINGLET_OPS_BATCH", self.limits.ops_batch, usize::MAX),
            ("KINGLET_WRITES_PER_TURN", self.limits.writes_per_turn, usize::MAX),
        ] {
            if !(1..=most).contains(&count) {
                return Err(refused(name, &count.to_string(), &format!("1 to {most}")));
            }
        }
        Ok(())
    }

    fn check_sizes(&self) -> Result<()> {
        for (name, bytes, least, expected) in [
            ("KINGLET_MEMORY", self.memory, 1 << 20, "1MiB or more, such as 512MiB; a number without a unit is bytes"),
            (
                "KINGLET_SESSION_MEMORY",
                Some(self.limits.session_memory),
                1024,
                "1KiB or more, because no session fits into less",
            ),
            ("KINGLET_REDIS_QUEUE", Some(self.limits.redis_queue), LEAST_FOR_REDIS, FOR_REDIS),
            ("KINGLET_REDIS_MESSAGE", Some(self.limits.redis_message), LEAST_FOR_REDIS, FOR_REDIS),
            ("KINGLET_RELAY_QUEUE", Some(self.limits.relay_queue), LEAST_FOR_REDIS, FOR_REDIS),
        ] {
            if let Some(bytes) = bytes.filter(|bytes| *bytes < least) {
                return Err(refused(name, &bytes.to_string(), expected));
            }
        }
        Ok(())
    }
}

impl Limits {
    /// Bounds that may be off: at zero, nobody could connect or send.
    fn check_switched(&self) -> Result<()> {
        for (name, bound) in [
            ("KINGLET_ACCEPT_RATE", self.accept_rate.map(|rate| rate as usize)),
            ("KINGLET_SESSIONS_PER_ADDRESS", self.sessions_per_address),
            ("KINGLET_CONNECTIONS_PER_ADDRESS", self.connections_per_address),
            ("KINGLET_MESSAGE_RATE", self.message_rate),
            ("KINGLET_BYTE_RATE", self.byte_rate),
        ] {
            if bound == Some(0) {
                return Err(refused(name, "0", "1 or more, or off"));
            }
        }
        Ok(())
    }

    /// The shares of the memory from which new sessions are refused, and from which clients are closed.
    fn check_memory_marks(&self) -> Result<()> {
        for (name, percent) in
            [("KINGLET_MEMORY_REFUSE", self.memory_refuse), ("KINGLET_MEMORY_SHED", self.memory_shed)]
        {
            if let Some(percent) = percent.filter(|percent| !(1..=100).contains(percent)) {
                return Err(refused(name, &percent.to_string(), "percent, 1 to 100, or off"));
            }
        }
        match (self.memory_refuse, self.memory_shed) {
            (Some(refuse), Some(shed)) if refuse > shed => {
                let expected = format!(
                    "at most KINGLET_MEMORY_SHED, which is {shed}%: clients are closed only after new ones are refused"
                );
                Err(refused("KINGLET_MEMORY_REFUSE", &format!("{refuse}%"), &expected))
            }
            _ => Ok(()),
        }
    }
}

/// An origin in the form in which browsers send it.
fn normal_origin(name: &'static str, text: &str) -> Result<String> {
    let expected = "origins as browsers send them, without a path: https://a.example, http://localhost:8080";
    origin::normal(text).ok_or_else(|| refused(name, text, expected))
}

fn refused(name: &'static str, value: &str, expected: &str) -> Error {
    Error::Setting { name, value: value.to_owned(), expected: expected.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_loop_never_has_the_number_of_the_other_threads() {
        let of = |shards| Config { shards: Some(shards), ..Config::default() };
        assert_eq!([0, 1, 255, 256].map(|shards| of(shards).checked().is_ok()), [false, true, true, false]);
    }
}
