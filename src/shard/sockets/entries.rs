//! How a shard gets a child namespace, and gives it up again.

use std::sync::Arc;

use bytestring::ByteString;

use crate::metrics::Limit;
use crate::shard::shared::namespaces::{Child, NamespaceRef, NoNamespace};
use crate::shard::shared::target::Urgency;
use crate::shard::sockets::Sockets;
use crate::shard::sockets::calls::Call;
use crate::shard::sockets::costs::SOCKET_OF_CHILD;
use crate::shard::store::keys::{NamespaceKey, SessionKey, SessionRef};

impl Sockets {
    /// The namespace with that name, if it was declared or this shard has sockets in it.
    pub(super) fn namespace(&self, name: &str) -> Option<NamespaceKey> {
        self.shared().directory.namespace(name).or_else(|| self.namespaces.named(name))
    }

    /// The name of a namespace of this shard.
    pub(in crate::shard) fn namespace_name(&self, key: NamespaceKey) -> &str {
        self.namespaces.child(key).map_or_else(|| self.shared().directory.namespace_name(key), |child| &child.name)
    }

    /// A reference to a namespace of this shard, which may be kept.
    pub(in crate::shard) fn namespace_ref(&self, key: NamespaceKey) -> NamespaceRef {
        self.namespaces.child(key).map_or(NamespaceRef::Declared(key), |child| NamespaceRef::Child(Arc::clone(child)))
    }

    /// A client asks for a namespace that this shard does not have: the application decides, once nothing is borrowed. It is
    /// not asked if the client may join no more namespaces, so that no namespace is made in vain.
    pub(super) fn ask_namespace(&mut self, session: SessionKey, name: &str, auth: Option<ByteString>) {
        if !self.shared().directory.makes_namespaces() {
            return self.refuse_namespace(session, name, NoNamespace::Invalid);
        }
        if self.has_no_room_for_a_socket(session, name, SOCKET_OF_CHILD, auth.as_ref()) {
            return;
        }
        if let Some(session) = self.session_ref(session) {
            // The texts share the buffer of their message; copies do not keep that buffer alive.
            let auth = auth.map(|auth| ByteString::from(&*auth));
            self.calls.push_back(Call::Enter { session, name: name.into(), auth });
        }
    }

    /// The application has decided whether the shard gets the namespace: the client's CONNECT goes on.
    pub(in crate::shard) fn enter_namespace(
        &mut self,
        session: SessionRef,
        name: &str,
        auth: Option<ByteString>,
        child: Result<Arc<Child>, NoNamespace>,
    ) {
        let known = self.session_ref(session.key) == Some(session);
        match child {
            Ok(child) => {
                let key = child.key;
                if !self.namespaces.add(Arc::clone(&child)) {
                    self.shared().directory.exit_namespace(&child, self.shared());
                }
                if known {
                    self.connect(session.key, name, auth);
                }
                self.leave_empty(key);
            }
            Err(reason) if known => self.refuse_namespace(session.key, name, reason),
            Err(_) => {}
        }
    }

    /// Gives up a namespace that was not declared and has no sockets here.
    pub(super) fn leave_empty(&mut self, key: NamespaceKey) {
        if let Some(child) = self.namespaces.take_empty(key) {
            self.shared().directory.exit_namespace(&child, self.shared());
            // The child may have to stay for sockets that come back.
            if self.shared().recovery.is_some() {
                self.calls.push_back(Call::Sweep);
            }
        }
    }

    fn refuse_namespace(&mut self, session: SessionKey, name: &str, reason: NoNamespace) {
        match reason {
            NoNamespace::Invalid => {}
            NoNamespace::TooMany => self.metrics().hit(Limit::DynamicNamespaces),
            NoNamespace::TooLong => self.metrics().hit(Limit::NamespaceLength),
        }
        let error = self.shared().config.parser.connect_error(name, reason.message(), None);
        self.send_to_session(session, &error, Urgency::Reliable);
    }
}
