#pragma once

#include <optional>

#include "pipeline/diagnose/case.h"

/// What the two sides said, how they left, and what that shows.
namespace doorslam::diagnose::evidence {

std::optional<Finding> closed_without_payload(const Case& c);
std::optional<Finding> closed_with_request_unread(const Case& c);
std::optional<Finding> no_word_of_a_limit(const Case& c);
std::optional<Finding> closed_on_words_it_had_read(const Case& c);
std::optional<Finding> one_way_transfer(const Case& c);
std::optional<Finding> one_way_port(const Case& c);
std::optional<Finding> words_not_captured(const Case& c);
std::optional<Finding> words_usual_here(const Case& c);
std::optional<Finding> words_unusual_here(const Case& c);
std::optional<Finding> others_went_on(const Case& c);
std::optional<Finding> reset_behind_first_words(const Case& c);
std::optional<Finding> ordinary_close_after_answer(const Case& c);
std::optional<Finding> ended_on_last_words(const Case& c);
std::optional<Finding> refusal_was_all_it_said(const Case& c);
std::optional<Finding> cut_short_without_answer(const Case& c);
std::optional<Finding> tls_hello_refused(const Case& c);
std::optional<Finding> tls_alert_in_cipher(const Case& c);
std::optional<Finding> tls_alert_of_client(const Case& c);
std::optional<Finding> begins_unlike_the_served(const Case& c);
std::optional<Finding> begins_unlike_the_served_by_tls(const Case& c);
std::optional<Finding> tls_met_plain_http(const Case& c);
std::optional<Finding> went_on_after_the_refusal(const Case& c);
std::optional<Finding> http_error_not_for_all(const Case& c);
std::optional<Finding> ssh_server_left_first(const Case& c);
std::optional<Finding> credentials_refused(const Case& c);
std::optional<Finding> nothing_was_tried(const Case& c);
std::optional<Finding> client_waited_in_vain(const Case& c);
std::optional<Finding> answered_too_late(const Case& c);
std::optional<Finding> client_left_at_once(const Case& c);
std::optional<Finding> client_said_nothing(const Case& c);
std::optional<Finding> server_data_not_acked(const Case& c);
std::optional<Finding> client_window_closed(const Case& c);

}  // namespace doorslam::diagnose::evidence
