// A Kafka cluster for tests: librdkafka's own mock brokers, and a consumer that writes what arrives.
//
// Prints the brokers' addresses as the first line, then "KEY\tEVENT_ID\tVALUE" for each message of the topics. Commands
// on standard input: "down N" and "up N" (broker), "fail N" (the next N produce requests end with NOT_ENOUGH_REPLICAS),
// "large N" (they end with MSG_SIZE_TOO_LARGE), "quit".

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <array>
#include <cstdio>
#include <iostream>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr int kBrokers = 3;
constexpr int kPartitions = 4;

rd_kafka_t* make_client(rd_kafka_type_t type, const std::vector<std::pair<std::string, std::string>>& options) {
  std::array<char, 512> words{};
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  for (const auto& [name, value] : options) {
    if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), words.data(), words.size()) != RD_KAFKA_CONF_OK) {
      std::cerr << words.data() << '\n';
      std::exit(1);
    }
  }
  rd_kafka_t* client = rd_kafka_new(type, conf, words.data(), words.size());
  if (client == nullptr) {
    std::cerr << words.data() << '\n';
    std::exit(1);
  }
  return client;
}

void print(const rd_kafka_message_t& message) {
  std::string event_id;
  rd_kafka_headers_t* headers = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  if (rd_kafka_message_headers(&message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR &&
      rd_kafka_header_get_last(headers, "event.id", &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR) {
    event_id.assign(static_cast<const char*>(value), size);
  }
  std::cout << std::string_view(static_cast<const char*>(message.key), message.key_len) << '\t' << event_id << '\t'
            << std::string_view(static_cast<const char*>(message.payload), message.len) << '\n';
}

void consume(const std::string& brokers, const std::vector<std::string>& topics, const std::stop_token& stop) {
  rd_kafka_t* consumer = make_client(
      RD_KAFKA_CONSUMER,
      {{"bootstrap.servers", brokers}, {"group.id", "test"}, {"auto.offset.reset", "earliest"}, {"log_level", "0"}});
  rd_kafka_poll_set_consumer(consumer);
  rd_kafka_topic_partition_list_t* all = rd_kafka_topic_partition_list_new(1);
  for (const std::string& topic : topics) {
    for (int i = 0; i < kPartitions; ++i) {
      rd_kafka_topic_partition_list_add(all, topic.c_str(), i)->offset = RD_KAFKA_OFFSET_BEGINNING;
    }
  }
  rd_kafka_assign(consumer, all);
  rd_kafka_topic_partition_list_destroy(all);
  constexpr int kNapMs = 100;
  while (!stop.stop_requested()) {
    rd_kafka_message_t* message = rd_kafka_consumer_poll(consumer, kNapMs);
    if (message == nullptr) {
      std::cout.flush();
      continue;
    }
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) print(*message);
    rd_kafka_message_destroy(message);
  }
  rd_kafka_consumer_close(consumer);
  rd_kafka_destroy(consumer);
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> topics(argv + 1, argv + argc);
  rd_kafka_t* owner = make_client(RD_KAFKA_PRODUCER, {{"log_level", "0"}});
  rd_kafka_mock_cluster_t* cluster = rd_kafka_mock_cluster_new(owner, kBrokers);
  for (const std::string& topic : topics) rd_kafka_mock_topic_create(cluster, topic.c_str(), kPartitions, kBrokers);
  const std::string brokers = rd_kafka_mock_cluster_bootstraps(cluster);
  std::cout << brokers << std::endl;
  std::jthread consumer([&](const std::stop_token& stop) { consume(brokers, topics, stop); });
  constexpr std::int16_t kProduce = 0;  // the API key
  for (std::string line; std::getline(std::cin, line) && line != "quit";) {
    std::istringstream words(line);
    std::string command;
    int number = 0;
    words >> command >> number;
    if (command == "down") rd_kafka_mock_broker_set_down(cluster, number);
    if (command == "up") rd_kafka_mock_broker_set_up(cluster, number);
    if (command != "fail" && command != "large") continue;
    const auto error = command == "fail" ? RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS : RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    for (int i = 0; i < number; ++i) rd_kafka_mock_push_request_errors(cluster, kProduce, 1, error);
  }
  consumer.request_stop();
  consumer.join();
  rd_kafka_mock_cluster_destroy(cluster);
  rd_kafka_destroy(owner);
}
