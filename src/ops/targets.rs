//! The sockets that a published event or a disconnection is for.

use serde::Deserialize;

use super::Subject;
use crate::app::Broadcast;

/// Sockets, as the bodies of `POST /emit` and `POST /disconnect` name them.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Targets {
    /// Default: `/`.
    namespace: Option<String>,
    /// Rooms whose sockets are included; a socket's id is a room. Default: everybody.
    #[serde(default)]
    rooms: Vec<String>,
    /// Rooms whose sockets are excluded.
    #[serde(default)]
    except: Vec<String>,
    /// Whether sockets of other servers are left out.
    #[serde(default)]
    local: bool,
}

impl Targets {
    /// Whether everybody in the namespace is included.
    pub(super) const fn is_everybody(&self) -> bool {
        self.rooms.is_empty()
    }

    /// The namespace's name, if nobody can be in it: this server does not have it, and there are no others.
    pub(super) fn unknown_namespace(&self, subject: &Subject) -> Option<&str> {
        let name = self.namespace();
        let full = if name.starts_with('/') { name.to_owned() } else { format!("/{name}") };
        let elsewhere = subject.shared.cluster.is_some() && !self.local;
        (!elsewhere && subject.shared.directory.find_namespace(&full).is_none()).then_some(name)
    }

    fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or("/")
    }

    /// These sockets.
    pub(super) fn select(&self, subject: &Subject) -> Broadcast {
        let everybody = subject.handle.of(self.namespace()).compress(true);
        let everybody = if self.local { everybody.local() } else { everybody };
        let meant = self.rooms.iter().fold(everybody, |meant, room| meant.to(room));
        self.except.iter().fold(meant, |meant, room| meant.except(room))
    }
}
