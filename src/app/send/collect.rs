//! Events with collected acknowledgements.

use std::sync::Arc;
use std::time::Duration;

use super::broadcast::Broadcast;
use super::outcome::{Outcome, failure};
use crate::app::ask::{ask_for_acks, end_after};
use crate::app::base::args::{self, Args, Written};
use crate::app::base::{Answers, MissingAnswers, Pending, Subject, everywhere, guard};
use crate::cluster::message::{Ask, Emission};
use crate::error::EmitError;
use crate::shard::{self, Asker, Collection, Others};
use crate::socketio::{self, Arguments};

impl Broadcast {
    /// Sends an event to all these sockets and collects their acknowledgements. `callback` gets them on one of the server's
    /// threads: all of them when the last has come, or after `timeout` those that came and how many are missing. A client that
    /// leaves before it answers is missing, too, and is not waited for. In a cluster, the clients of other servers are asked as
    /// well. If a server does not say in time how many of its clients got the event, these are not counted. If Redis cannot say
    /// how many servers there are, no other server's clients are counted, and the whole `timeout` passes. If nobody gets the
    /// event, the result is an empty list of answers, not an error. If the server stops meanwhile, `callback` is not called.
    ///
    /// The time is part of the call (`timeout()` in JavaScript), because nothing else would end the wait.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # fn handler(socket: &kinglet::Socket) -> Result<(), kinglet::EmitError> {
    /// socket.to("voters").emit_with_ack("vote", "tea?", Duration::from_secs(10), |answers| match answers {
    ///     Ok(answers) => log::info!("all have voted: {:?}", answers.values::<bool>()),
    ///     Err(late) => log::info!("{} have not voted, {} have", late.missing, late.answers.len()),
    /// })
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`emit`](Self::emit); then `callback` is not called.
    #[doc(alias = "timeout")]
    pub fn emit_with_ack<R: Outcome>(
        self,
        event: &str,
        args: impl Args,
        timeout: Duration,
        callback: impl FnOnce(Result<Answers, MissingAnswers>) -> R + Send + 'static,
    ) -> Result<(), EmitError> {
        let written = args::write(Some(event), &args)?;
        let Some(shared) = self.shared.clone() else {
            drop(callback(Ok(Answers::default())));
            return Ok(());
        };
        let namespace = match self.namespace.clone() {
            // Other servers may have it.
            Err(_) if self.cluster().is_some() => None,
            namespace => Some(namespace.map_err(EmitError::UnknownNamespace)?),
        };
        let payload = shared.config.parser.arguments(&written.json, &written.attachments)?;
        let shards = namespace.as_ref().map_or(0, |_| shared.mailboxes.len());
        let others = if self.cluster().is_some() { Others::Awaited } else { Others::NONE };
        let collection = Collection::new(&shared, shards, others, |shard, answers, shortfall| {
            let result = MissingAnswers::check(Answers::new(answers), shortfall);
            guard(shard, Subject::Nobody, "acknowledgements", || failure(callback(result)));
        });
        self.ask_others(event, &written, timeout, &collection)?;
        end_after(&shared, timeout, &collection);
        let Some(namespace) = namespace else { return Ok(()) };
        let id = namespace.next_ack_id(&shared);
        let frames = payload.event(namespace.name(&shared), Some(id)).compress(self.compress);
        let heard = written.heard(&shared, &namespace, event);
        let (target, urgency) = (self.target, self.urgency);
        let broadcast = shard::Broadcast::new(namespace.key(), target, frames, urgency, heard);
        let asker = Asker::Collection(collection);
        everywhere(&shared, broadcast.bytes(), move |shard| {
            shard.with(|core| core.broadcast_with_ack(&broadcast, id, timeout, &asker));
        });
        Ok(())
    }

    /// Sends an event and gives something to wait on for the acknowledgements: as [`emit_with_ack`](Self::emit_with_ack), without
    /// a callback.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # let handle = kinglet::Server::new(kinglet::Config::default())?.handle();
    /// std::thread::spawn(move || {
    ///     let votes = handle.to("voters").ask("vote", "tea?", Duration::from_secs(10))?.recv()?;
    ///     log::info!("all have voted: {:?}", votes.values::<bool>());
    ///     Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// });
    /// # Ok::<(), kinglet::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`emit`](Self::emit).
    #[doc(alias = "emit_with_ack")]
    pub fn ask(
        self,
        event: &str,
        args: impl Args,
        timeout: Duration,
    ) -> Result<Pending<Answers, MissingAnswers>, EmitError> {
        let (answerer, pending) = Pending::new(None);
        self.emit_with_ack(event, args, timeout, |answers| answerer.give(answers))?;
        Ok(pending)
    }

    /// Sends an event to the sockets of other servers, and collects their acknowledgements.
    fn ask_others(
        &self,
        event: &str,
        written: &Written,
        timeout: Duration,
        collection: &Arc<Collection<Arguments>>,
    ) -> Result<(), EmitError> {
        let (Some(shared), Some((cluster, namespace))) = (&self.shared, self.cluster()) else { return Ok(()) };
        let arguments = Arguments::named(written.json.as_str().into(), written.attachments.as_slice().into());
        let event = socketio::Event { name: event.into(), arguments };
        let emission = Emission { event, chosen: self.chosen(), manner: self.manner(), serial: None };
        let ask = Ask::Emit { emission, timeout: Some(timeout) };
        cluster.check(namespace, ask.clone())?;
        ask_for_acks(shared, namespace, timeout, collection, ask);
        Ok(())
    }
}
