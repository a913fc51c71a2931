//! The table of a server's handlers. Shards call them through the traits that it implements.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::base::{Failure, Fault, HandlerError, Subject, attempt, catch, guard, panicked, record};
use super::declare::{
    Bounds, Change, Children, ConnectHandler, Middleware, Namespace, Permission, Pool, Session, Socket,
};
use super::routes::Routes;
use super::send::{Ack, Event, Handle, Outcome, failure, full_name};
use crate::config::Config;
use crate::engineio::Message;
use crate::http::{GiveResponse, LongResponse, Method, Request, RouteKey, Served};
use crate::log_line::Excerpt;
use crate::metrics::Limit;
use crate::shard::{
    Asked, Callbacks, Child, Directory, Handshake, NamespaceKey, NamespaceRef, NoNamespace, Refusal, RoomChange,
    ServerReply, SessionRef, Shard, Shared, SocketRef, Verdict, end_later,
};
use crate::socketio::{self, DisconnectReason};
use crate::values::Ended;
use foldhash::fast::FixedState;

type MessageHandler = Box<dyn Fn(&Session, Message) -> Failure + Send + Sync>;

/// Every handler of a server.
pub(crate) struct Handlers {
    namespaces: Vec<Namespace>,
    by_name: HashMap<String, NamespaceKey, FixedState>,
    children: Children,
    pool: Arc<Pool>,
    routes: Routes,
    permissions: Vec<Permission>,
    message: Option<MessageHandler>,
}

impl Default for Handlers {
    fn default() -> Self {
        let pool = Arc::default();
        Self {
            namespaces: Vec::new(),
            by_name: HashMap::default(),
            children: Children::default(),
            routes: Routes::new(&pool),
            pool,
            permissions: Vec::new(),
            message: None,
        }
    }
}

impl Handlers {
    /// The namespace with that name. It is declared now if it was not before.
    pub(crate) fn namespace_mut(&mut self, name: &str) -> &mut Namespace {
        let name = full_name(name);
        let place = match self.by_name.get(&name) {
            Some(key) => key.0 as usize,
            None => {
                let place = self.namespaces.len();
                let key = u32::try_from(place).expect("a program declares less than 2^32 namespaces");
                self.by_name.insert(name.clone(), NamespaceKey(key));
                self.namespaces.push(Namespace::new(name, &self.pool));
                place
            }
        };
        &mut self.namespaces[place]
    }

    /// The parent of the namespaces whose names the predicate accepts.
    pub(crate) fn dynamic_mut(&mut self, fits: impl Fn(&str) -> bool + Send + Sync + 'static) -> &mut Namespace {
        self.children.add_parent(Box::new(fits), &self.pool)
    }

    /// The names of the namespaces that the program declared. In a bare server none count.
    pub(crate) fn declared(&self) -> impl Iterator<Item = &str> {
        let count = if self.message.is_some() { 0 } else { self.namespaces.len() };
        self.namespaces.iter().take(count).map(Namespace::name)
    }

    /// The threads for blocking handlers.
    pub(crate) fn pool(&self) -> Arc<Pool> {
        Arc::clone(&self.pool)
    }

    /// The routes, to declare more.
    pub(crate) fn routes_mut(&mut self) -> &mut Routes {
        &mut self.routes
    }

    /// Adds a hook that decides about handshakes.
    pub(crate) fn add_permission(&mut self, permission: Permission) {
        self.permissions.push(permission);
    }

    pub(crate) fn set_message<R: Outcome>(&mut self, handler: impl Fn(&Session, Message) -> R + Send + Sync + 'static) {
        self.message = Some(Box::new(move |session, message| failure(handler(session, message))));
    }

    fn of(&self, socket: &Socket) -> &Namespace {
        self.handlers_of(socket.namespace_ref())
    }

    fn handlers_of(&self, namespace: &NamespaceRef) -> &Namespace {
        match namespace {
            NamespaceRef::Declared(key) => &self.namespaces[key.0 as usize],
            NamespaceRef::Child(child) => self.children.parent(child),
        }
    }
}

impl Directory for Handlers {
    fn namespace(&self, name: &str) -> Option<NamespaceKey> {
        self.by_name.get(name).copied()
    }

    fn namespace_name(&self, namespace: NamespaceKey) -> &str {
        self.namespaces.get(namespace.0 as usize).map_or("/", Namespace::name)
    }

    fn namespaces(&self) -> usize {
        self.namespaces.len()
    }

    fn find_namespace(&self, name: &str) -> Option<NamespaceRef> {
        let child = || self.children.find(name).map(NamespaceRef::Child);
        self.namespace(name).map(NamespaceRef::Declared).or_else(child)
    }

    fn makes_namespaces(&self) -> bool {
        self.children.may_be()
    }

    fn exit_namespace(&self, child: &Child, shared: &Shared) {
        self.children.exit(child, stay(&shared.config), |change| follow(shared, change));
    }

    fn sweep_namespaces(&self, shared: &Shared) -> usize {
        self.children.sweep(stay(&shared.config), |change| follow(shared, change))
    }

    fn asks_permission(&self) -> bool {
        !self.permissions.is_empty()
    }

    fn route(&self, method: Option<Method>, path: &str) -> Served {
        self.routes.find(method, path)
    }

    fn is_bare(&self) -> bool {
        self.message.is_some()
    }

    fn hears_outgoing(&self, namespace: &NamespaceRef) -> bool {
        !self.handlers_of(namespace).any_outgoing.is_empty()
    }

    fn hears_rooms(&self, namespace: &NamespaceRef) -> bool {
        !self.handlers_of(namespace).rooms.is_empty()
    }
}

impl Callbacks for Handlers {
    fn enter_namespace(&self, shard: &Rc<Shard>, name: &str) -> Result<Arc<Child>, NoNamespace> {
        let limits = &shard.shared.config.limits;
        if name.len() > limits.namespace_length {
            return Err(NoNamespace::TooLong);
        }
        let declared = u32::try_from(self.namespaces.len()).unwrap_or(u32::MAX);
        let panicked = |parent: &Namespace| {
            let line = || format!("the predicate of {} panicked: {:?} does not fit", parent.name(), Excerpt(name));
            panicked(shard, line);
        };
        let bounds = Bounds { most: limits.dynamic_namespaces, stay: stay(&shard.shared.config) };
        self.children.enter(name, bounds, declared, panicked, |change| {
            if matches!(change, Change::MadeRoom(_)) {
                shard.with(|core| core.metrics().hit(Limit::DynamicNamespaces));
            }
            follow(&shard.shared, change);
        })
    }

    fn allow<'a>(&'a self, shard: &'a Rc<Shard>, handshake: &Arc<Handshake>, first: usize) -> Verdict<'a> {
        let from = handshake.address().ip();
        let panicked =
            move || panicked(shard, || format!("allow_request panicked: the handshake is refused (from {from})"));
        for (place, hook) in self.permissions.iter().enumerate().skip(first) {
            match hook {
                Permission::Now(decide) => match catch_unwind(AssertUnwindSafe(|| decide(handshake))) {
                    Ok(Ok(())) => {}
                    Ok(Err(message)) => return Verdict::Refused(Refusal::new(message)),
                    Err(_) => {
                        panicked();
                        return Verdict::Refused(Refusal::new(""));
                    }
                },
                Permission::Later(ask) => {
                    let handshake = Arc::clone(handshake);
                    let question = move |admission| {
                        let asked = catch_unwind(AssertUnwindSafe(|| ask(shard, handshake, admission)));
                        asked.unwrap_or_else(|_| {
                            panicked();
                            Asked::Yes
                        })
                    };
                    return Verdict::Asks { next: place + 1, question: Box::new(question) };
                }
            }
        }
        Verdict::Admitted
    }

    fn stopping(&self) {
        self.pool.close();
    }

    fn request(
        &self,
        shard: &Rc<Shard>,
        route: RouteKey,
        request: Request,
        give: GiveResponse,
    ) -> Option<LongResponse> {
        self.routes.call(shard, route, request, give)
    }

    fn message(&self, shard: &Rc<Shard>, session: SessionRef, message: Message) {
        if let Some(handler) = &self.message {
            let subject = Subject::Session(session);
            let session = Session::new(shard, session);
            guard(shard, subject, "message", || handler(&session, message));
        }
    }

    fn admit<'a>(&'a self, shard: &'a Rc<Shard>, socket: SocketRef, first: usize) -> Verdict<'a> {
        let subject = Subject::Socket(socket);
        let Some(socket) = Socket::new(shard, socket) else { return Verdict::Admitted };
        let panicked = move || {
            panicked(shard, || format!("a middleware panicked: the socket is refused{}", subject.describe(shard)));
        };
        for (place, middleware) in self.of(&socket).middlewares.iter().enumerate().skip(first) {
            match middleware {
                Middleware::Now(decide) => match catch_unwind(AssertUnwindSafe(|| decide(&socket))) {
                    Ok(Ok(())) => {}
                    Ok(Err(refusal)) => return Verdict::Refused(refusal),
                    Err(_) => {
                        panicked();
                        return Verdict::Refused(Refusal::new("internal error"));
                    }
                },
                Middleware::Later(ask) => {
                    let question = move |admission| {
                        let asked = catch_unwind(AssertUnwindSafe(|| ask(&socket, admission)));
                        asked.unwrap_or_else(|_| {
                            panicked();
                            Asked::Yes
                        })
                    };
                    return Verdict::Asks { next: place + 1, question: Box::new(question) };
                }
            }
        }
        Verdict::Admitted
    }

    fn connected(&self, shard: &Rc<Shard>, socket: SocketRef) -> Asked {
        let subject = Subject::Socket(socket);
        let Some(socket) = Socket::new(shard, socket) else { return Asked::Yes };
        for handler in &self.of(&socket).connect {
            match handler {
                ConnectHandler::Here(handler) => guard(shard, subject, "connect", || handler(&socket)),
                ConnectHandler::Blocking(handler) => match self.pool.greet(&socket, handler) {
                    Asked::Yes => {}
                    Asked::NoRoom => return Asked::NoRoom,
                },
            }
        }
        Asked::Yes
    }

    fn event(&self, shard: &Rc<Shard>, socket: SocketRef, event: socketio::Event, ack: Option<u64>) {
        let subject = Subject::Socket(socket);
        let Some(socket) = Socket::new(shard, socket) else { return };
        let namespace = self.of(&socket);
        let own = namespace.events.get(&*event.name).map_or(&[][..], Vec::as_slice);
        if own.is_empty() && namespace.any.is_empty() && namespace.event_middlewares.is_empty() {
            return;
        }
        let ack = ack.map(|id| Ack::to_client(shard, socket.location(), socket.namespace_ref().clone(), id));
        let event = Event::new(event, ack);
        for middleware in &namespace.event_middlewares {
            if let Some(why) = catch(|| middleware(&socket, &event)) {
                return refuse(shard, subject, event.name(), &why);
            }
        }
        let mut failures = Vec::new();
        for handler in namespace.any.iter().chain(own) {
            if let Some(error) = attempt(shard, subject, event.name(), || handler(&socket, &event)) {
                failures.push(error);
            }
        }
        // Only now: another handler may have answered.
        if !failures.is_empty() {
            namespace.failures.answer_all(&socket, &event, failures);
        }
    }

    fn server_event(
        &self,
        shard: &Rc<Shard>,
        namespace: &NamespaceRef,
        event: socketio::Event,
        reply: Option<ServerReply>,
    ) {
        let Some(handlers) = self.handlers_of(namespace).server_events.get(&*event.name) else { return };
        let ack = reply.map(|reply| Ack::to_server(shard, namespace.clone(), reply));
        let event = Event::new(event, ack);
        let emitter = Handle::started(&shard.shared).of(namespace.name(&shard.shared));
        for handler in handlers {
            guard(shard, Subject::Namespace(namespace), event.name(), || handler(&emitter, &event));
        }
    }

    fn outgoing(&self, shard: &Rc<Shard>, socket: SocketRef, event: socketio::Event) {
        let subject = Subject::Socket(socket);
        let Some(socket) = Socket::new(shard, socket) else { return };
        let event = Event::new(event, None);
        for handler in &self.of(&socket).any_outgoing {
            guard(shard, subject, event.name(), || handler(&socket, &event));
        }
    }

    fn room_changed(&self, shard: &Rc<Shard>, namespace: &NamespaceRef, room: &str, change: RoomChange) {
        self.handlers_of(namespace).rooms.changed(shard, namespace, room, change);
    }

    fn disconnecting(&self, shard: &Rc<Shard>, socket: SocketRef, reason: DisconnectReason) {
        let subject = Subject::Socket(socket);
        let Some(socket) = Socket::new(shard, socket) else { return };
        for handler in &self.of(&socket).disconnecting {
            guard(shard, subject, "disconnecting", || handler(&socket, reason));
        }
    }

    fn disconnected(&self, shard: &Rc<Shard>, socket: SocketRef, reason: DisconnectReason) {
        let subject = Subject::Socket(socket);
        let Some(socket) = Socket::new(shard, socket) else { return };
        for handler in &self.of(&socket).disconnect {
            guard(shard, subject, "disconnect", || handler(&socket, reason));
        }
    }

    fn forget(&self, shard: &Rc<Shard>, values: Ended) {
        for value in values.values() {
            guard(shard, Subject::Nobody, "the end of values kept with a socket", || {
                drop(value);
                None
            });
        }
    }
}

/// How long a child stays without sockets. While lost sockets may come back, they must find it again.
fn stay(config: &Config) -> Option<Duration> {
    let recovery = || config.recovery.as_ref().map_or(Duration::ZERO, |recovery| recovery.max_disconnection_duration);
    config.cleanup_empty_child_namespaces.then(recovery)
}

/// Joins and leaves the cluster's namespaces, as children come and go.
fn follow(shared: &Shared, change: Change<'_>) {
    let Some(cluster) = &shared.cluster else { return };
    match change {
        Change::Came(name) => cluster.enter(name),
        Change::Went(name) | Change::MadeRoom(name) => {
            if let Some(left) = cluster.leave(name) {
                // Whoever waits there is told, which may end questions whose callbacks are code of the program.
                end_later(left, |_, left| drop(left));
            }
        }
    }
}

/// Counts and logs that a middleware refused an event, which is no error, or panicked.
#[cold]
fn refuse(shard: &Rc<Shard>, subject: Subject<'_>, event: &str, why: &HandlerError) {
    if why.is_panic() {
        return record(shard, subject, event, Fault::Panic);
    }
    shard.with(|core| core.metrics().events_refused.one());
    log::debug!("the event {:?} is refused: {}{}", Excerpt(event), Excerpt(why), subject.describe(shard));
}
