#include "pipeline/tcp/tracker_options.h"

#include <algorithm>

namespace doorslam::tcp {

std::vector<std::uint16_t> common_server_ports() {
  return {
      20,    21,    22,    23,    25,    37,    43,    49,    53,    70,    79,    80,    81,    88,    102,   110,
      111,   113,   119,   135,   139,   143,   179,   194,   264,   389,   427,   443,   445,   464,   465,   502,
      512,   513,   514,   515,   523,   543,   544,   548,   554,   563,   585,   587,   593,   614,   623,   631,
      636,   646,   666,   691,   749,   853,   860,   873,   902,   989,   990,   992,   993,   994,   995,   1080,
      1194,  1352,  1433,  1434,  1494,  1521,  1720,  1723,  1883,  2049,  2082,  2083,  2181,  2222,  2375,  2376,
      2379,  2380,  2404,  2483,  2484,  2598,  2628,  2775,  2811,  3000,  3128,  3260,  3268,  3269,  3306,  3310,
      3389,  3690,  4369,  4444,  4505,  4506,  4840,  5000,  5060,  5061,  5222,  5223,  5269,  5432,  5555,  5601,
      5671,  5672,  5900,  5984,  5985,  5986,  6000,  6379,  6432,  6443,  6514,  6653,  6660,  6661,  6662,  6663,
      6664,  6665,  6666,  6667,  6668,  6669,  6697,  7000,  7001,  7070,  7687,  8000,  8008,  8080,  8081,  8086,
      8088,  8123,  8140,  8161,  8333,  8443,  8500,  8530,  8531,  8834,  8883,  8888,  9000,  9042,  9090,  9092,
      9100,  9160,  9200,  9300,  9418,  9999,  10000, 10050, 10051, 11211, 15672, 16379, 20000, 25565, 26379, 27017,
      27018, 27019, 30303, 44818, 50000, 50070, 61613, 61616,
  };
}

TrackerOptions TrackerOptions::share_of(std::size_t workers) const {
  constexpr std::size_t kLeastFlows = 1024;
  constexpr std::size_t kLeastEvidence = 64;
  TrackerOptions share = *this;
  share.capacity_flows = std::max(capacity_flows / workers, kLeastFlows);
  share.capacity_flows6 = std::max(capacity_flows6 / workers, kLeastFlows);
  share.evidence_capacity = static_cast<std::uint32_t>(std::max(evidence_capacity / workers, kLeastEvidence));
  return share;
}

}  // namespace doorslam::tcp
