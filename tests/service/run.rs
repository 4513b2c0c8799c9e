//! One test for each promise, and for each framework.

/// Makes tests of the promises, with this attribute, through clients that this function makes of a
/// service.
macro_rules! test_service {
    ($attribute:meta, $client:path) => {
        test_service!($attribute, $client, predict: [
            a_row_and_a_map_in_any_order_get_the_same_bits,
            the_answer_has_the_documented_fields,
            bad_input_is_refused_by_name,
            a_body_that_is_too_large_is_refused,
            a_media_type_that_is_json_is_read,
            a_caller_without_an_id_gets_v1_and_the_reason_says_so,
            a_region_rule_sends_its_users_to_v2,
            a_quarter_of_the_users_gets_v2_and_keeps_it,
            a_version_that_nobody_registered_is_answered_and_labelled_by_v1,
        ]);
        test_service!($attribute, $client, operation: [
            the_kill_switch_acts_on_the_next_request,
            a_service_without_flags_serves_v1_and_is_not_ready,
            the_status_shows_sources_versions_and_shadows,
            the_metrics_are_in_the_format_of_prometheus,
            paths_and_methods_that_are_not_served_get_json_as_well,
            a_panic_in_a_handler_is_a_500_and_nothing_else_dies,
            a_corrupt_v2_stops_nothing_and_a_good_one_can_be_installed,
            a_corrupt_v1_refuses_to_start,
            comparisons_are_on_the_disk_after_a_flush,
            the_user_is_in_no_log_and_no_comparison,
        ]);
        test_service!($attribute, $client, rollout: [
            a_bad_v2_is_rolled_back_and_a_retry_is_a_persons,
            a_good_v2_climbs_before_the_eyes_of_who_looks_at_the_page,
            commands_want_the_token_and_a_reason,
            a_service_without_a_rollout_says_so,
        ]);
    };
    ($attribute:meta, $client:path, $promises:ident: [$($name:ident),* $(,)?]) => {
        $(#[$attribute]
        async fn $name() {
            service::$promises::$name($client).await;
        })*
    };
}
