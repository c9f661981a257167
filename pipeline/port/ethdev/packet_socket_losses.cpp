#include "pipeline/port/ethdev/packet_socket_losses.h"

#include <linux/if_packet.h>
#include <sys/socket.h>

#include <charconv>
#include <cstddef>
#include <filesystem>
#include <string>
#include <system_error>

namespace doorslam::ethdev {

namespace {

bool listens_on(int file, int interface_index) noexcept {
  sockaddr_storage storage{};
  socklen_t length = sizeof(storage);
  if (getsockname(file, reinterpret_cast<sockaddr*>(&storage), &length) != 0) return false;
  if (storage.ss_family != AF_PACKET || length < offsetof(sockaddr_ll, sll_addr)) return false;
  return reinterpret_cast<const sockaddr_ll*>(&storage)->sll_ifindex == interface_index;
}

}  // namespace

PacketSocketLosses::PacketSocketLosses(int interface_index) {
  if (interface_index <= 0) return;
  std::error_code failed;
  auto entry = std::filesystem::directory_iterator("/proc/self/fd", failed);
  for (; !failed && entry != std::filesystem::directory_iterator(); entry.increment(failed)) {
    const std::string name = entry->path().filename().string();
    int file = -1;
    std::from_chars(name.data(), name.data() + name.size(), file);
    if (file >= 0 && listens_on(file, interface_index)) sockets_.push_back(file);
  }
}

std::uint64_t PacketSocketLosses::read() noexcept {
  for (const int file : sockets_) {
    tpacket_stats since_last{};  // the kernel starts anew when it has told
    socklen_t length = sizeof(since_last);
    if (getsockopt(file, SOL_PACKET, PACKET_STATISTICS, &since_last, &length) != 0) continue;
    dropped_.fetch_add(since_last.tp_drops, std::memory_order_relaxed);
  }
  return dropped_.load(std::memory_order_relaxed);
}

void PacketSocketLosses::forget() noexcept {
  read();
  dropped_.store(0, std::memory_order_relaxed);
}

}  // namespace doorslam::ethdev
