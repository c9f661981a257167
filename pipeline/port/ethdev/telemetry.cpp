#include "pipeline/port/ethdev/telemetry.h"

#include <fmt/format.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <rte_telemetry.h>

#include <cerrno>
#include <exception>
#include <map>
#include <mutex>
#include <set>
#include <utility>

namespace doorslam::ethdev {

namespace {

using Json = TelemetryCommand::Json;

/// DPDK's callbacks carry no context, hence one for the process.
struct Offered {
  std::mutex mutex;
  std::map<std::string, TelemetryCommand, std::less<>> commands;
  std::set<std::string> registered;  ///< with DPDK, for good

  static Offered& instance() {
    static Offered offered;
    return offered;
  }
};

void fill(rte_tel_data& data, const Json& object);

rte_tel_data* list_of(const Json& list) {
  rte_tel_data* data = rte_tel_data_alloc();
  if (data == nullptr) throw std::bad_alloc();
  const bool texts = !list.empty() && list.front().is_string();
  rte_tel_data_start_array(data, texts ? RTE_TEL_STRING_VAL : RTE_TEL_U64_VAL);
  for (const Json& item : list) {
    if (texts) {
      rte_tel_data_add_array_string(data, item.get_ref<const std::string&>().c_str());
    } else {
      rte_tel_data_add_array_u64(data, item.get<std::uint64_t>());
    }
  }
  return data;
}

rte_tel_data* object_of(const Json& object) {
  rte_tel_data* data = rte_tel_data_alloc();
  if (data == nullptr) throw std::bad_alloc();
  fill(*data, object);
  return data;
}

/// DPDK frees what it has taken, with the answer; what it did not take is nobody's.
int add_container(rte_tel_data& data, const char* name, rte_tel_data* content) {
  const int taken = rte_tel_data_add_dict_container(&data, name, content, 0);
  if (taken < 0) rte_tel_data_free(content);
  return taken;
}

int add(rte_tel_data& data, const char* name, const Json& value) {
  if (value.is_string()) return rte_tel_data_add_dict_string(&data, name, value.get_ref<const std::string&>().c_str());
  if (value.is_array()) return add_container(data, name, list_of(value));
  if (value.is_object()) return add_container(data, name, object_of(value));
  return rte_tel_data_add_dict_u64(&data, name, value.get<std::uint64_t>());
}

/// What does not fit is left out by DPDK: 256 entries in an object, 512 in a list, 127 characters in a text, and names
/// of anything but ASCII letters, digits, '_' and '/'.
void fill(rte_tel_data& data, const Json& object) {
  rte_tel_data_start_dict(&data);
  for (const auto& [name, value] : object.items()) {
    const int taken = add(data, name.c_str(), value);
    if (taken >= 0) continue;    // E2BIG: a text was cut
    static std::once_flag told;  // the same may be asked each second
    std::call_once(told, [&, &entry = name] {
      rte_log(RTE_LOG_CRIT, RTE_LOGTYPE_USER1, "telemetry: %s is left out of an answer: %s\n", entry.c_str(),
              rte_strerror(-taken));
    });
  }
}

int reply(const char* command, const char* parameter, rte_tel_data* data) {
  Offered& offered = Offered::instance();
  const std::lock_guard lock(offered.mutex);
  const auto found = offered.commands.find(std::string_view(command));
  if (found == offered.commands.end()) return -ENODEV;
  try {
    const Json answer = found->second.answer(parameter == nullptr ? std::string_view() : parameter);
    if (!answer.is_object()) return -EINVAL;
    fill(*data, answer);
    return 0;
  } catch (const std::exception&) {  // no exception may pass through DPDK
    return -ENOMEM;
  }
}

}  // namespace

Result<Telemetry> Telemetry::offer(std::vector<TelemetryCommand> commands) {
  Telemetry telemetry;
  Offered& offered = Offered::instance();
  for (TelemetryCommand& command : commands) {
    const std::string name = command.name;
    if (!offered.registered.contains(name)) {
      if (rte_telemetry_register_cmd(name.c_str(), reply, command.help.c_str()) != 0) {
        return data_error(fmt::format("DPDK does not take the telemetry command {}", name));
      }
      offered.registered.insert(name);
    }
    const std::lock_guard lock(offered.mutex);
    offered.commands.insert_or_assign(name, std::move(command));
  }
  return telemetry;
}

Telemetry::Telemetry(Telemetry&& other) noexcept : offers_(std::exchange(other.offers_, false)) {}

Telemetry::~Telemetry() {
  if (!offers_) return;
  Offered& offered = Offered::instance();
  const std::lock_guard lock(offered.mutex);
  offered.commands.clear();
}

}  // namespace doorslam::ethdev
