//! Every limit, with a small value: what happens at it, and that it is counted.

mod inbox;
mod kept;
mod memory;
mod names;
mod operations;
mod rates;
mod recovery;
mod requests;
mod routes;
mod sessions;
mod slow;
mod sockets;
mod unfinished;

use kinglet::Limits;

use crate::support::{Server, one_shard};

/// Makes a test of each scenario, and one test that no limit is left out. A scenario returns the server that has met
/// its limit.
macro_rules! limits {
    ($($limit:ident: $($scenario:path),+;)+) => {
        $(#[test]
        fn $limit() {
            $(assert!($scenario().hits(stringify!($limit)) > 0, stringify!($scenario));)+
        })+

        #[test]
        fn every_limit_has_a_scenario() {
            let server = Server::start(one_shard(), |_| {});
            let metrics = server.metrics();
            let limits: Vec<_> = metrics.limits_hit.iter().map(|(name, _)| *name).collect();
            assert_eq!(limits, [$(stringify!($limit)),+]);
            assert!(metrics.limits_hit.iter().all(|(_, hits)| *hits == 0));
        }
    };
}

limits! {
    max_connections: requests::a_session_on_a_connection_beyond_the_limit_gets_503,
        requests::a_full_server_answers_health_checks_and_its_sessions,
        requests::a_full_server_of_two_shards_answers_them_too,
        requests::requests_that_wait_leave_room_for_health_checks;
    memory_refuse: memory::a_session_without_memory_for_it_gets_503;
    memory_shed: memory::clients_that_hold_most_are_closed_and_one_that_holds_little_is_not;
    accept_rate: requests::a_session_too_many_in_a_second_gets_503;
    sessions_per_address: requests::a_session_too_many_from_one_address_gets_429;
    connections_per_address: requests::a_connection_too_many_of_one_address_gets_429;
    message_rate: rates::a_websocket_that_sends_too_many_is_held_up_and_loses_nothing,
        rates::a_polling_client_that_sends_too_many_is_held_up_and_loses_nothing,
        rates::a_client_that_sends_a_backlog_is_not_closed,
        rates::a_client_that_never_pauses_is_closed_with_1008,
        rates::a_session_that_ends_meanwhile_answers_its_post;
    byte_rate: rates::a_client_that_sends_too_many_bytes_is_held_up,
        rates::a_client_that_waits_for_each_answer_is_never_closed,
        rates::a_client_that_never_pauses_its_bytes_is_closed_with_1008;
    request_head: requests::a_head_too_long_gets_431;
    request_headers: requests::a_header_too_many_gets_431;
    header_timeout: requests::a_head_that_does_not_end_gets_408, requests::a_head_that_trickles_gets_408;
    body_timeout: requests::a_body_that_does_not_end_gets_408,
        requests::a_refused_body_that_does_not_end_gets_no_second_answer,
        unfinished::attachments_that_do_not_come_end_the_session;
    keep_alive: requests::an_idle_connection_is_closed, requests::a_connection_without_a_request_is_closed;
    max_http_buffer_size: requests::a_body_too_long_gets_413, sockets::a_message_too_long_closes_with_1009;
    route_body: routes::a_body_beyond_the_limit_gets_413_and_the_connection_goes_on;
    route_timeout: routes::a_route_that_takes_too_long_is_answered_for_and_its_answer_is_dropped;
    fragments: sockets::a_message_of_too_many_fragments_closes_with_1008;
    attachments: sockets::too_many_attachments_end_the_session;
    json_depth: sockets::json_too_deep_ends_the_session;
    auth: kept::authentication_data_too_long_is_refused;
    session_memory: kept::a_session_that_keeps_too_much_joins_no_more, kept::a_session_keeps_no_data_beyond_its_bound;
    sessions_memory: kept::the_largest_sessions_are_closed_when_all_keep_too_much;
    namespaces_per_session: sockets::one_namespace_too_many_is_refused;
    dynamic_namespaces: names::a_namespace_beyond_the_limit_is_not_made;
    namespace_length: names::a_namespace_with_a_name_too_long_is_not_made;
    room_length: kept::a_room_with_a_name_too_long_is_not_joined;
    room_names: kept::room_names_too_long_together_are_not_joined;
    rooms_per_socket: sockets::a_socket_in_too_many_rooms_joins_no_more;
    rooms: sockets::a_room_beyond_the_limit_is_not_created;
    unanswered_acks: sockets::the_oldest_question_is_given_up;
    collected_answers: sockets::an_answer_too_many_to_a_broadcast_is_missing;
    collections: sockets::a_collection_beyond_the_limit_ends_the_one_with_the_most_time_left;
    blocking_queue: names::an_event_beyond_the_queue_of_the_threads_is_refused,
        routes::beyond_the_queue_of_the_threads_requests_are_refused;
    blocking_queue_bytes: names::an_event_too_long_for_the_threads_is_refused;
    pending_admissions: names::a_client_that_waits_beyond_the_limit_is_closed;
    queued_per_client: slow::a_websocket_that_does_not_read_is_cut_off, slow::a_polling_client_that_does_not_fetch_is_cut_off;
    queued: slow::the_longest_of_all_queues_is_cut_off;
    unfinished: unfinished::clients_with_the_most_half_sent_are_cut_off,
        unfinished::a_packet_that_hoards_attachments_is_cut_off;
    inbox: inbox::a_thread_that_emits_to_a_busy_loop_waits,
        inbox::a_loop_that_fills_another_s_inbox_reads_nothing_meanwhile;
    write_stall: slow::a_stalled_connection_is_cut_off;
    close_timeout: sessions::a_close_frame_without_an_answer_ends_the_connection;
    connect_timeout: sessions::a_client_that_joins_nothing_is_closed;
    ping_timeout: sessions::a_client_without_a_pulse_is_closed;
    upgrade_timeout: sessions::an_unfinished_upgrade_is_dropped_and_the_session_lives;
    recovery_packets: recovery::the_oldest_events_are_dropped, recovery::a_socket_beyond_its_share_goes_itself;
    recovery_sessions: recovery::the_longest_lost_sockets_are_dropped;
    ops_connections: operations::a_connection_too_many_gets_503;
    ops_body: operations::a_body_too_long_gets_413;
    ops_batch: operations::a_list_too_long_gets_413;
}

/// A server of one shard with these limits and no handlers.
fn limited(limits: Limits) -> Server {
    Server::start(kinglet::Config { limits, ..one_shard() }, |_| {})
}
