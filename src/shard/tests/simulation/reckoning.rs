//! What must hold of what people have said and heard: whoever was there has heard all that was passed on, and each socket has
//! come and gone once, for a reason that what happened to it explains.

use super::application::{Entries, Guestbook, Relayed, Visit};
use super::client::speech::Kind;
use super::client::{Person, Phase, SHUT_OUT, Socket};
use super::ends::Ends;
use super::plan::Plan;

/// What somebody has not heard of what was passed on while it was there. Nothing is under way.
/// `forgiven`: what was passed on by other servers may be missed up to there.
pub(super) fn unheard(people: &[Person], guestbook: &Guestbook, forgiven: &Relayed) -> Option<String> {
    let entries = guestbook.entries();
    people.iter().find_map(|person| {
        let mut sockets = person.sockets().iter().filter(|socket| socket.phase == Phase::Joined);
        sockets.find_map(|socket| unheard_by(person, socket, &entries, forgiven))
    })
}

fn unheard_by(person: &Person, socket: &Socket, entries: &Entries, forgiven: &Relayed) -> Option<String> {
    let (first, tag) = (socket.tags[0], socket.tag());
    let (begun, visit) = (entries.visits.get(&first)?, entries.visits.get(&tag)?);
    let was_elsewhere =
        |server| socket.tags.iter().any(|tag| entries.visits.get(tag).is_some_and(|it| it.server != server));
    assert_eq!(visit.first, first, "the data of {tag}, which was {:?}", socket.tags);
    entries.relayed.iter().find_map(|((kind, sender), passed_on)| {
        let from = entries.visits.get(sender).filter(|from| from.namespace == begun.namespace)?;
        let is_own = Person::of_tag(*sender) == person.number;
        // Where it was before it came back, it may have missed that, too.
        let is_elsewhere = was_elsewhere(from.server);
        let due = match kind {
            Kind::All | Kind::Slow if is_own => return None,
            Kind::All | Kind::Slow if is_elsewhere && is_forgiven(forgiven, (*kind, *sender), *passed_on) => {
                return None;
            }
            Kind::All | Kind::Slow => first_due(begun, (*kind, *sender)),
            Kind::Echo if socket.tags.contains(sender) => 0,
            _ => return None,
        };
        let heard = socket.next_of(*kind, *sender).unwrap_or(due);
        let what = || format!("{tag} has heard {heard} of {passed_on} of {sender} ({kind:?}), {from:?}");
        (heard < *passed_on).then(what)
    })
}

/// What the program has not heard of what somebody has said, who is still there. Nothing is under way.
pub(super) fn unsaid(people: &[Person], guestbook: &Guestbook) -> Option<String> {
    let entries = guestbook.entries();
    let mut sockets = people.iter().flat_map(Person::sockets).filter(|socket| socket.phase == Phase::Joined);
    sockets.find_map(|socket| {
        let mut said = socket.said.iter().filter(|(kind, _)| **kind != Kind::Slow);
        said.find_map(|(kind, said)| {
            let heard = entries.relayed.get(&(*kind, socket.tag())).copied().unwrap_or(0);
            (heard != *said).then(|| format!("{} has said {said} ({kind:?}), of which {heard} are heard", socket.tag()))
        })
    })
}

fn is_forgiven(forgiven: &Relayed, saying: (Kind, u64), passed_on: u64) -> bool {
    forgiven.get(&saying).is_some_and(|forgiven| passed_on <= *forgiven)
}

/// The first saying of somebody that a socket must hear: one that was passed on after it came.
fn first_due(visit: &Visit, saying: (Kind, u64)) -> u64 {
    visit.before.get(&saying).copied().unwrap_or(0)
}

/// Each socket that came has gone, once and for a reason that is explained.
pub(super) fn check_visits(people: &[Person], guestbook: &Guestbook, ends: &Ends, plan: &Plan) {
    let entries = guestbook.entries();
    assert_eq!(entries.survey.overlooked(&entries.visits), None, "a complete answer lacks somebody");
    for (tag, visit) in &entries.visits {
        assert_eq!((visit.came, visit.went.len()), (1, 1), "the visit of {tag}: {:?}", visit.went);
        let person = people.iter().find(|person| person.number == Person::of_tag(*tag)).expect("somebody came");
        let excuses = person.partings.get(tag).expect("who has come has parted");
        let reason = visit.went[0];
        let is_explained = ends.explain(visit.server, reason) || excuses.allow(reason) || person.may_be_let_go(reason);
        assert!(is_explained, "{tag} was let go for no reason: {:?}, {excuses:?}", visit.went[0]);
        let most = u32::from(plan.threads.is_some());
        let may_be_less = ends.have_ended(visit.server) || (SHUT_OUT.contains(&reason) && plan.has_few_jobs());
        let is_greeted = visit.greeted == most || (visit.greeted < most && may_be_less);
        assert!(is_greeted, "the threads have heard {} times that {tag} came", visit.greeted);
    }
}

/// Each question of the servers has ended as it must.
pub(super) fn check_questions(people: &[Person], guestbook: &Guestbook, plan: &Plan) {
    let sockets = people.iter().flat_map(Person::sockets);
    guestbook.questions.check(&sockets.flat_map(|socket| socket.got.clone()).collect(), plan);
}

/// The program has found nothing wrong.
pub(super) fn check_complaints(guestbook: &Guestbook) {
    assert!(guestbook.entries().complaints.is_empty(), "{:?}", guestbook.entries().complaints);
}
