//! Events for the other servers of the cluster, and the number of servers.

use super::broadcast::Broadcast;
use super::outcome::{Outcome, failure};
use crate::app::ask::{Question, collect_all, count_servers};
use crate::app::base::args::{self, Args};
use crate::app::base::{Answers, MissingServers};
use crate::cluster::Membership;
use crate::cluster::message::{Answer, Ask, Extent};
use crate::error::EmitError;
use crate::socketio::{Arguments, Event};

impl Broadcast {
    /// Sends an event to the other servers that have the namespace.
    pub(super) fn emit_to_servers(&self, event: &str, args: impl Args) -> Result<(), EmitError> {
        let event = written(event, &args)?;
        if let Some((cluster, namespace)) = self.cluster() {
            cluster.try_tell(namespace, Ask::Event(event))?;
        }
        Ok(())
    }

    /// The same, and collects their answers.
    pub(super) fn ask_servers<R: Outcome>(
        &self,
        event: &str,
        args: impl Args,
        callback: impl FnOnce(Result<Answers, MissingServers<Answers>>) -> R + Send + 'static,
    ) -> Result<(), EmitError> {
        let event = written(event, &args)?;
        let (Some(shared), Some((cluster, namespace))) = (&self.shared, self.cluster()) else {
            drop(callback(Ok(Answers::default())));
            return Ok(());
        };
        let ask = Ask::Event(event);
        cluster.check(namespace, ask.clone())?;
        let question = Question {
            ask,
            read: |answer, extent| match answer {
                Answer::Value(None) if extent == Extent::Part => Some(Vec::new()),
                Answer::Value(value) => {
                    let value = value.as_deref().map_or("", serde_json::value::RawValue::get);
                    Some(vec![Arguments::unnamed(format!("[{value}]").into(), Box::default())])
                }
                _ => None,
            },
        };
        collect_all(
            shared,
            namespace,
            0,
            |_| Vec::new(),
            Some(question),
            |answers, missing| failure(callback(MissingServers::check(Answers::new(answers), missing))),
        );
        Ok(())
    }

    /// Counts the servers that have the namespace, including this one if it does.
    pub(super) fn count_servers<R: Outcome>(
        &self,
        receive: impl FnOnce(Result<usize, MissingServers<usize>>) -> R + Send + 'static,
    ) {
        match (&self.shared, self.cluster()) {
            (Some(shared), Some((cluster, namespace))) => {
                count_servers(shared, cluster, namespace, |count| failure(receive(count)))
            }
            _ => drop(receive(Ok(1))),
        }
    }
}

fn written(name: &str, args: &impl Args) -> Result<Event, EmitError> {
    if Membership::is_reserved(name) {
        return Err(EmitError::Reserved(name.to_owned()));
    }
    let json = args::write(Some(name), args)?.without_binary()?;
    Ok(Event { name: name.into(), arguments: Arguments::named(json.into(), Box::default()) })
}
