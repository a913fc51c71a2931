//! The program's declarations for the shards: plain data, which any code may ask at any time.

use crate::http::{Method, Served};
use crate::shard::shared::Shared;
use crate::shard::shared::namespaces::{Child, NamespaceRef};
use crate::shard::store::keys::NamespaceKey;

/// What the program has declared.
pub(crate) trait Directory: Send + Sync {
    /// The declared namespace with that name.
    fn namespace(&self, name: &str) -> Option<NamespaceKey>;

    /// The name of a declared namespace.
    fn namespace_name(&self, namespace: NamespaceKey) -> &str;

    /// How many namespaces were declared.
    fn namespaces(&self) -> usize;

    /// The namespace with that name, declared or a child, if it exists now.
    fn find_namespace(&self, name: &str) -> Option<NamespaceRef>;

    /// Whether names that were not declared may become namespaces.
    fn makes_namespaces(&self) -> bool;

    /// A shard gives up a child in which it has no sockets any more.
    fn exit_namespace(&self, child: &Child, shared: &Shared);

    /// Removes children that have been empty for long enough. Returns how many empty ones are left.
    fn sweep_namespaces(&self, shared: &Shared) -> usize;

    /// Whether the program decides about handshakes.
    fn asks_permission(&self) -> bool;

    /// What serves requests with that method and path.
    fn route(&self, method: Option<Method>, path: &str) -> Served;

    /// Whether messages go to the program as they are, rather than to Socket.IO.
    fn is_bare(&self) -> bool;

    /// Whether the program hears outgoing events of a namespace.
    fn hears_outgoing(&self, namespace: &NamespaceRef) -> bool;

    /// Whether the program hears of the rooms of a namespace.
    fn hears_rooms(&self, namespace: &NamespaceRef) -> bool;
}
