//! A network on which a test plays Redis. While it [stands](stand) on a thread, what is [started](super::start) there connects to
//! the test instead of an address, and starts no threads: the test [takes](Network::take_threads) them and turns them.

use std::any::Any;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::keeper::{Keeper, Role};
use super::sleep::{self, Rest, Woken};
use crate::clock;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

thread_local! {
    static NETWORK: RefCell<Option<Network>> = const { RefCell::new(None) };
}

/// The network of this thread, if there is one.
pub(super) fn network() -> Option<Network> {
    NETWORK.with_borrow(Clone::clone)
}

/// This network stands on this thread as long as the guard lives.
pub(crate) fn stand(network: &Network) -> Standing {
    NETWORK.set(Some(network.clone()));
    Standing
}

/// The network is gone when this is dropped.
pub(crate) struct Standing;

impl Drop for Standing {
    fn drop(&mut self) {
        NETWORK.set(None);
    }
}

/// A network with one address, where somebody listens or nobody.
#[derive(Debug, Clone, Default)]
pub(crate) struct Network(Arc<Mutex<Listener>>);

#[derive(Debug, Default)]
struct Listener {
    refuses: bool,
    backlog: VecDeque<Peer>,
    threads: Vec<Thread>,
}

impl Network {
    /// Whether connections are refused from now on.
    pub(crate) fn refuse(&self, refuses: bool) {
        lock(&self.0).refuses = refuses;
    }

    /// Takes the connection that was made first.
    pub(crate) fn accept(&self) -> Option<Peer> {
        lock(&self.0).backlog.pop_front()
    }

    /// Takes the threads that were started since the last call.
    pub(crate) fn take_threads(&self) -> Vec<Thread> {
        std::mem::take(&mut lock(&self.0).threads)
    }

    pub(super) fn connect(&self) -> io::Result<Tcp> {
        let mut listener = lock(&self.0);
        if listener.refuses {
            return Err(ErrorKind::ConnectionRefused.into());
        }
        let tcp = Tcp::default();
        listener.backlog.push_back(Peer(Arc::clone(&tcp.0)));
        Ok(tcp)
    }

    /// Takes on what a thread would do. `held`: what is dropped at its end.
    pub(super) fn adopt<R>(&self, keeper: Keeper<R>, sleep: sleep::Sleep, held: impl Send + 'static)
    where
        R: Role + Send + 'static,
        R::Talk: Send,
    {
        let (sleep, keeper) = (Box::new(sleep), Box::new(keeper));
        let thread = Thread { keeper: Some(keeper), sleep, held: Some(Box::new(held)), until: clock::now() };
        lock(&self.0).threads.push(thread);
    }
}

/// What a thread does, step by step.
trait Steps: Send {
    fn step(&mut self, sleep: &sleep::Sleep, woken: Woken) -> Rest;
}

impl<R: Role + Send> Steps for Keeper<R>
where
    R::Talk: Send,
{
    fn step(&mut self, sleep: &sleep::Sleep, woken: Woken) -> Rest {
        self.step(sleep, woken)
    }
}

/// A thread that a test turns.
pub(crate) struct Thread {
    /// `None` when it has ended.
    keeper: Option<Box<dyn Steps>>,
    sleep: Box<sleep::Sleep>,
    held: Option<Box<dyn Any + Send>>,
    until: Instant,
}

impl std::fmt::Debug for Thread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Thread").field("until", &self.until).finish_non_exhaustive()
    }
}

impl Thread {
    pub(crate) const fn has_ended(&self) -> bool {
        self.keeper.is_none()
    }

    /// Until when it sleeps if nothing wakes it; `None` if it is awake or has ended.
    pub(crate) fn sleeps(&self) -> Option<Instant> {
        (!self.has_ended() && !self.is_awake()).then_some(self.until)
    }

    /// Whether it has something to do.
    pub(crate) fn is_awake(&self) -> bool {
        let news = match &*self.sleep {
            sleep::Sleep::Simulated(sleep) => sleep.has_news(),
            sleep::Sleep::Real(..) => false,
        };
        !self.has_ended() && (news || self.until <= clock::now())
    }

    /// Does what it does until it sleeps again.
    pub(crate) fn turn(&mut self) {
        let Some(keeper) = &mut self.keeper else { return };
        let mut woken = self.sleep.until(self.until).unwrap_or(Woken::Otherwise);
        loop {
            match keeper.step(&self.sleep, woken) {
                Rest::No => woken = Woken::Otherwise,
                Rest::Until(until) => {
                    self.until = until;
                    return;
                }
                Rest::End => {
                    self.keeper = None;
                    self.held = None;
                    return;
                }
            }
        }
    }
}

/// How a thread sleeps.
#[derive(Debug, Clone, Default)]
pub(super) struct Sleep(Arc<Mutex<News>>);

#[derive(Debug, Default)]
struct News {
    is_woken: bool,
    /// Something has come, or the connection has ended.
    is_readable: bool,
}

impl Sleep {
    pub(super) fn wake(&self) {
        lock(&self.0).is_woken = true;
    }

    pub(super) fn watch(&self, tcp: &Tcp) {
        let mut state = lock(&tcp.0);
        state.sleep = Some(self.clone());
        state.tell();
    }

    fn has_news(&self) -> bool {
        let news = lock(&self.0);
        news.is_woken || news.is_readable
    }

    pub(super) fn take(&self) -> Woken {
        let news = std::mem::take(&mut *lock(&self.0));
        if news.is_readable { Woken::Readable } else { Woken::Otherwise }
    }
}

/// A server's end of a connection.
#[derive(Debug, Default)]
pub(super) struct Tcp(Arc<Mutex<State>>);

/// Redis's end of it.
#[derive(Debug)]
pub(crate) struct Peer(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// Bytes to Redis.
    up: VecDeque<u8>,
    /// Bytes from Redis.
    down: VecDeque<u8>,
    /// Whether the server has let go of it.
    shut: bool,
    /// How Redis has ended it.
    ended: Option<Ending>,
    sleep: Option<Sleep>,
}

/// How Redis ends a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Behind what it has sent.
    Closed,
    /// At once.
    Reset,
}

impl State {
    /// Tells of what has come.
    fn tell(&self) {
        if let Some(sleep) = &self.sleep {
            lock(&sleep.0).is_readable = true;
        }
    }
}

impl Tcp {
    pub(super) fn shut(&self) {
        lock(&self.0).shut = true;
    }
}

impl Drop for Tcp {
    fn drop(&mut self) {
        self.shut();
    }
}

impl Read for Tcp {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = lock(&self.0);
        match state.ended {
            Some(Ending::Reset) => return Err(ErrorKind::ConnectionReset.into()),
            None if state.down.is_empty() => return Err(ErrorKind::WouldBlock.into()),
            Some(Ending::Closed) | None => {}
        }
        state.down.read(buffer)
    }
}

impl Write for Tcp {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = lock(&self.0);
        if state.ended.is_some() {
            return Err(ErrorKind::BrokenPipe.into());
        }
        state.up.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Peer {
    /// Takes at most so many bytes that were sent to Redis.
    pub(crate) fn take(&self, most: usize) -> Vec<u8> {
        let mut state = lock(&self.0);
        let count = most.min(state.up.len());
        state.up.drain(..count).collect()
    }

    /// Whether bytes were sent to Redis that it has not taken.
    pub(crate) fn has_sent(&self) -> bool {
        !lock(&self.0).up.is_empty()
    }

    /// Bytes come from Redis.
    pub(crate) fn send(&self, bytes: &[u8]) {
        let mut state = lock(&self.0);
        state.down.extend(bytes);
        state.tell();
    }

    /// Redis ends it.
    pub(crate) fn end(&self, how: Ending) {
        let mut state = lock(&self.0);
        state.ended = Some(how);
        state.tell();
    }

    /// Whether the server has let go of it.
    pub(crate) fn is_shut(&self) -> bool {
        lock(&self.0).shut
    }
}
