#include "pipeline/app/telemetry_client.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <set>

namespace doorslam::app {

namespace {

constexpr std::size_t kLongestAnswer = std::size_t{64} << 10U;  // DPDK's own limit is 16 KiB
constexpr time_t kPatienceSeconds = 3;
constexpr std::string_view kSocketName = "dpdk_telemetry.v2";

std::optional<std::string> receive(int descriptor) {
  std::string text(kLongestAnswer, '\0');
  ssize_t length = -1;
  do {
    length = recv(descriptor, text.data(), text.size(), 0);
  } while (length < 0 && errno == EINTR);
  if (length <= 0) return std::nullopt;
  text.resize(static_cast<std::size_t>(length));
  return text;
}

/// Whether an instance with this prefix is meant: run without huge pages, its process number is appended.
bool is_meant(std::string_view prefix, std::string_view wanted) {
  if (wanted.empty() || prefix == wanted) return true;
  if (!prefix.starts_with(wanted) || prefix.size() < wanted.size() + 2 || prefix[wanted.size()] != '-') return false;
  const std::string_view number = prefix.substr(wanted.size() + 1);
  return std::all_of(number.begin(), number.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::vector<std::filesystem::path> sockets_below(const std::filesystem::path& folder, const std::string& wanted) {
  std::vector<std::filesystem::path> sockets;
  std::error_code none;
  for (const auto& instance : std::filesystem::directory_iterator(folder, none)) {
    if (!is_meant(instance.path().filename().string(), wanted)) continue;
    for (const auto& file : std::filesystem::directory_iterator(instance.path(), none)) {
      if (file.path().filename().string().starts_with(kSocketName)) sockets.push_back(file.path());
    }
  }
  return sockets;
}

std::string why_none(const std::string& wanted, const std::vector<std::filesystem::path>& folders,
                     const std::set<std::string>& forbidden) {
  if (!forbidden.empty()) {
    return fmt::format("no permission to ask {}; become its user, or root", fmt::join(forbidden, ", "));
  }
  std::vector<std::string> places(folders.size());
  std::transform(folders.begin(), folders.end(), places.begin(), [](const auto& folder) { return folder.string(); });
  return fmt::format("no running doorslam{} is found below {}; `doorslam run` starts one (with run.telemetry: true)",
                     wanted.empty() ? "" : fmt::format(" with run.file_prefix \"{}\"", wanted),
                     fmt::join(places, ", "));
}

}  // namespace

std::vector<std::filesystem::path> TelemetryClient::runtime_folders() {
  std::vector<std::filesystem::path> folders;
  const auto add = [&folders](const std::filesystem::path& folder) {
    if (std::find(folders.begin(), folders.end(), folder) == folders.end()) folders.push_back(folder);
  };
  for (const char* variable : {"RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"}) {
    const char* value = std::getenv(variable);
    if (value != nullptr && *value != '\0') add(std::filesystem::path(value) / "dpdk");
  }
  for (const char* folder : {"/run/doorslam/dpdk", "/run/dpdk", "/tmp/dpdk"}) add(folder);
  return folders;
}

tl::expected<TelemetryClient, int> TelemetryClient::connect(const std::filesystem::path& socket) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = socket.string();
  if (path.size() >= sizeof(address.sun_path)) return tl::unexpected(ENAMETOOLONG);
  std::copy(path.begin(), path.end(), address.sun_path);
  Descriptor own(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!own) return tl::unexpected(errno);
  const int descriptor = own.get();
  TelemetryClient client(std::move(own), socket.parent_path().filename().string());
  const timeval patience{.tv_sec = kPatienceSeconds, .tv_usec = 0};
  setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  if (::connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return tl::unexpected(errno);
  }
  if (!receive(descriptor)) return tl::unexpected(EPROTO);  // its greeting
  return client;
}

Result<TelemetryClient> TelemetryClient::find(const std::string& file_prefix,
                                              const std::vector<std::filesystem::path>& folders) {
  std::optional<TelemetryClient> found;
  std::set<std::string> names;
  std::set<std::string> forbidden;
  for (const auto& folder : folders) {
    for (const auto& socket : sockets_below(folder, file_prefix)) {
      auto client = connect(socket);
      if (!client) {
        if (client.error() == EACCES) forbidden.insert(socket.string());
        continue;
      }
      if (!client->ask("/doorslam/stats")) continue;  // another program that uses DPDK
      names.insert(client->prefix());
      if (names.size() > 1) continue;
      if (!found) found.emplace(std::move(*client));
    }
  }
  if (!found) return data_error(why_none(file_prefix, folders, forbidden));
  if (names.size() > 1) {
    return usage_error(fmt::format("several doorslam run: {}; choose one with --file-prefix", fmt::join(names, ", ")));
  }
  return std::move(*found);
}

Result<TelemetryClient::Json> TelemetryClient::ask(const std::string& command) const {
  const auto failed = [&](std::string_view how) {
    return data_error(fmt::format("doorslam ({}) {} {}; has it ended?", prefix_, how, command));
  };
  if (send(socket_.get(), command.data(), command.size(), MSG_NOSIGNAL) < 0) return failed("cannot be asked for");
  const auto text = receive(socket_.get());
  if (!text) return failed("does not answer");
  Json answer = Json::parse(*text, nullptr, false);
  if (!answer.is_object()) return failed("answers nonsense to");
  const auto value = answer.find(command.substr(0, command.find(',')));
  if (value == answer.end() || !value->is_object()) return failed("has no answer to");
  return std::move(*value);
}

}  // namespace doorslam::app
